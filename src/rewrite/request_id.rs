//! `x-request-id`: the client's own where it is fit to be logged and sent on, else a new one.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field of a request's identity.
pub const NAME: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// A request's identity: 1 to 128 visible ASCII characters. Cloning does not copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's, where there is exactly one and it is fit; else a new one.
    pub fn of(headers: &HeaderMap) -> RequestId {
        let mut values = headers.get_all(NAME).iter();
        match (values.next(), values.next()) {
            (Some(value), None) if fit(value.as_bytes()) => RequestId(value.clone()),
            _ => RequestId::new(),
        }
    }

    /// 128 bits that nobody can guess, as 32 hex digits. Unique over threads and processes: each thread has a key from
    /// the operating system and counts, and the digits are a keyed hash (SipHash) of the count.
    #[expect(clippy::new_without_default, reason = "each one is another: there is no default identity")]
    pub fn new() -> RequestId {
        thread_local! {
            static GENERATOR: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
        }
        let [high, low] = GENERATOR.with(|(key, count)| {
            let turn = count.replace(count.get().wrapping_add(1));
            [key.hash_one((turn, 0u8)), key.hash_one((turn, 1u8))]
        });
        let bits = u128::from(high) << 64 | u128::from(low);
        let mut digits = [0; 32];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            let nibble = (bits >> (4 * place)) & 0xf;
            *digit = HEX[usize::try_from(nibble).unwrap_or_default()];
        }
        RequestId(HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("0")))
    }

    pub fn header(&self) -> &HeaderValue {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn fit(value: &[u8]) -> bool {
    (1..=LONGEST).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn of(values: &[&str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        RequestId::of(&headers)
    }

    #[test]
    fn a_fit_identity_is_kept() {
        let longest = "x".repeat(LONGEST);
        for id in ["a", "req_01!~", &longest] {
            assert_eq!(of(&[id]).as_str(), id);
        }
    }

    #[test]
    fn an_unfit_one_is_replaced() {
        let too_long = "x".repeat(LONGEST + 1);
        let unfit: [&[&str]; 6] = [&[], &[""], &["a b"], &["é"], &[&too_long], &["a", "b"]];
        for values in unfit {
            let id = of(values);
            assert_eq!(id.as_str().len(), 32, "{values:?}");
            assert!(id.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        }
    }

    #[test]
    fn new_identities_differ_over_threads() {
        let make = || (0..1000).map(|_| RequestId::new().as_str().to_owned()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
        let all: HashSet<String> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert_eq!(all.len(), 4000);
    }
}
