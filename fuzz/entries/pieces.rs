//! Inputs of several parts: text that a person can read and write as a seed, parts set apart by a byte.

/// Between parts whose bytes may be anything else: RS of ASCII.
pub const SEPARATOR: u8 = 0x1e;

/// The first `N` parts; those that are missing are `None`. The last one has no end but the input's.
pub fn parts<const N: usize>(input: &[u8], separator: u8) -> [Option<&[u8]>; N] {
    let mut rest = input.splitn(N, |byte| *byte == separator);
    [(); N].map(|()| rest.next())
}

/// As text; what is no UTF-8 counts as no text.
pub fn text(part: Option<&[u8]>) -> Option<&str> {
    part.and_then(|bytes| std::str::from_utf8(bytes).ok())
}
