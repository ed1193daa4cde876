//! What an entry of a stick table is about: an address, or the digest of something longer. A text is hashed whole,
//! never cut: two keys that differ only at the end are two entries. The text itself is not kept.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// An address or a SHA-256 digest, in 33 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(Form);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Address(IpAddr),
    Digest([u8; 32]),
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a table key: write it as `show table` does, an IP address or 64 hex digits")]
pub struct KeyError;

impl Key {
    /// The address of a client. `::ffff:192.0.2.1` is `192.0.2.1`, so that a client has one entry whatever the listener.
    pub fn address(address: IpAddr) -> Key {
        Key(Form::Address(address.to_canonical()))
    }

    /// A SHA-256 digest that is already there: `auth` has one for each client key.
    pub fn digest(digest: [u8; 32]) -> Key {
        Key(Form::Digest(digest))
    }

    /// The SHA-256 of a text of any length: a header, a path, a model name.
    pub fn text(text: &[u8]) -> Key {
        Key(Form::Digest(Sha256::digest(text).into()))
    }
}

/// An address as such, a digest as 64 hex digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Address(address) => write!(f, "{address}"),
            Form::Digest(digest) => digest.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// Reads what `Display` writes.
impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        if let Ok(address) = text.parse() {
            return Ok(Key::address(address));
        }
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(KeyError);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| KeyError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| KeyError)?;
        }
        Ok(Key::digest(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_the_same_client() {
        let mapped = Key::address("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(mapped, Key::address("192.0.2.1".parse().unwrap()));
        assert_eq!(mapped.to_string(), "192.0.2.1");
        assert_ne!(mapped, Key::address("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn long_texts_that_differ_at_the_end_are_two_keys() {
        let base = [b'k'; 40];
        let mut other = base;
        other[39] = b'x';
        assert_ne!(Key::text(&base), Key::text(&other));
    }

    #[test]
    fn what_is_shown_can_be_typed_back() {
        for key in [Key::text(b"sk-live"), Key::address("192.0.2.1".parse().unwrap())] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert!(!Key::text(b"sk-live").to_string().contains("sk-live"));
        for bad in ["", "sk-live", &"g".repeat(64), &"a".repeat(63), &"ä".repeat(32)] {
            assert_eq!(bad.parse::<Key>(), Err(KeyError), "{bad}");
        }
    }

    #[test]
    fn a_key_is_lean() {
        assert_eq!(size_of::<Option<Key>>(), 33);
    }
}
