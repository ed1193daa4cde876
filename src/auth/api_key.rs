//! The key in a request's head, and its digest. The key itself is not kept anywhere: clients are known by SHA-256.

use sha2::{Digest, Sha256};

/// SHA-256 of a client key.
pub type KeyDigest = [u8; 32];

/// What a request brought as its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing, or an empty key: what an SDK sends when none is set.
    None,
    /// Something that cannot be a key: another scheme, spaces or control characters inside.
    Malformed,
    Key(&'a [u8]),
}

/// Finds the key in `Authorization: Bearer KEY` (RFC 6750, section 2.1; the scheme in any case, RFC 9110, section 11.1)
/// or else in `x-api-key: KEY`, as Anthropic's clients send it. A bearer key wins when both are there. The caller gives
/// `Malformed` for a request with several lines of one of them.
pub fn extract<'a>(authorization: Option<&'a [u8]>, x_api_key: Option<&'a [u8]>) -> Presented<'a> {
    let x_api_key = || x_api_key.map_or(Presented::None, key);
    let Some(credentials) = authorization.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()) else {
        return x_api_key();
    };
    let (scheme, rest) =
        credentials.split_at(credentials.iter().position(|b| *b == b' ').unwrap_or(credentials.len()));
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return match key(rest) {
            Presented::None => x_api_key(),
            found => found,
        };
    }
    match x_api_key() {
        Presented::None => Presented::Malformed,
        found => found,
    }
}

/// SHA-256 of a key, what `key_sha256` in the configuration holds.
pub fn digest(key: &[u8]) -> KeyDigest {
    Sha256::digest(key).into()
}

/// A key is visible ASCII; RFC 6750's alphabet is narrower, but providers hand out others.
fn key(text: &[u8]) -> Presented<'_> {
    match text.trim_ascii() {
        [] => Presented::None,
        text if text.iter().all(u8::is_ascii_graphic) => Presented::Key(text),
        _ => Presented::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(text: &str) -> Presented<'_> {
        extract(Some(text.as_bytes()), None)
    }

    #[test]
    fn a_bearer_key_is_found_whatever_the_case_of_the_scheme() {
        for text in ["Bearer sk-1", "bearer sk-1", "BEARER   sk-1", "Bearer sk-1  "] {
            assert_eq!(authorization(text), Presented::Key(b"sk-1"), "{text}");
        }
        assert_eq!(authorization("Bearer a.b_c~d+e/f=="), Presented::Key(b"a.b_c~d+e/f=="));
    }

    #[test]
    fn an_empty_key_is_no_key() {
        for text in ["", "  ", "Bearer", "Bearer ", "bearer   "] {
            assert_eq!(authorization(text), Presented::None, "{text}");
            assert_eq!(extract(Some(text.as_bytes()), Some(b"sk-2")), Presented::Key(b"sk-2"), "{text}");
        }
        assert_eq!(extract(None, None), Presented::None);
        assert_eq!(extract(None, Some(b" ")), Presented::None);
    }

    #[test]
    fn what_cannot_be_a_key_is_malformed() {
        for text in [
            "sk-1",
            "Bearersk-1",
            "Basic dTpw",
            "Bearer sk 1",
            "Bearer sk\t1",
            "Bearer\tsk-1",
            "Bearer schlüssel",
            "Bearer a\0b",
        ] {
            assert_eq!(authorization(text), Presented::Malformed, "{text:?}");
        }
        assert_eq!(extract(None, Some(b"sk 1")), Presented::Malformed);
        assert_eq!(extract(Some(b"Bearer sk 1"), Some(b"sk-2")), Presented::Malformed);
    }

    #[test]
    fn the_other_header_serves_where_authorization_holds_no_bearer_key() {
        assert_eq!(extract(None, Some(b"sk-2")), Presented::Key(b"sk-2"));
        assert_eq!(extract(Some(b"Basic dTpw"), Some(b"sk-2")), Presented::Key(b"sk-2"));
        assert_eq!(extract(Some(b"Bearer sk-1"), Some(b"sk-2")), Presented::Key(b"sk-1"));
    }

    #[test]
    fn the_digest_is_sha256() {
        let hex: String = digest(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
