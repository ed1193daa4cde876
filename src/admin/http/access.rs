//! Who may read: with `admin.token` set, one who shows it. As `Authorization: Bearer TOKEN`, or as the password of HTTP
//! Basic under any name, because that is what a browser can ask for.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256};

use super::base64;
use crate::base::secret::Secret;

/// Whether the request shows the token; always, where there is none.
pub fn is_allowed(token: Option<&Secret>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let Some(shown) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return false };
    let Some((scheme, credentials)) = shown.split_once(' ') else { return false };
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return equal(credentials.as_bytes(), token.expose().as_bytes());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let Some(decoded) = base64::decode(credentials) else { return false };
    let Some(colon) = decoded.iter().position(|byte| *byte == b':') else { return false };
    decoded.get(colon + 1..).is_some_and(|password| equal(password, token.expose().as_bytes()))
}

/// For one who does not.
pub const WHAT_TO_SEND: &str =
    "send admin.token as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic";

/// What a browser asks for.
pub fn challenge(headers: &mut HeaderMap) {
    let basic = HeaderValue::from_static("Basic realm=\"tidegate (any name, the token as password)\"");
    headers.insert(WWW_AUTHENTICATE, basic);
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
}

/// In the same time wherever they differ: the digests are compared whole, and say nothing of the length either.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let (left, right) = (Sha256::digest(left), Sha256::digest(right));
    left.iter().zip(right.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(header: &str) -> bool {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
        is_allowed(Some(&Secret::new("the:token")), &headers)
    }

    #[test]
    fn the_token_is_taken_as_bearer_and_as_a_password() {
        assert!(shows("Bearer the:token") && shows("bearer  the:token"));
        assert!(shows(&format!("Basic {}", base64::encode(b"anyone:the:token"))));
        for bad in
            ["Bearer the:toke", "Bearer", "Bearer ", "the:token", "Digest the:token", "Basic !", "Basic Og=="]
        {
            assert!(!shows(bad), "{bad}");
        }
        assert!(!shows(&format!("Basic {}", base64::encode(b"the:token"))), "`the` is the name here");
    }

    #[test]
    fn without_a_token_everyone_reads() {
        assert!(is_allowed(None, &HeaderMap::new()));
        assert!(!is_allowed(Some(&Secret::new("t")), &HeaderMap::new()));
    }
}
