//! Classes of bytes, and looking for the first byte outside of one, eight or sixteen at a time where it pays.

use super::fault::HeadFault;

/// RFC 9110 5.6.2.
pub fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// Whether a field value may hold the byte (RFC 9110 5.5): visible, space, tab, and 8-bit, which is opaque.
fn in_value(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

/// How many bytes from the start may stand in a field value.
pub fn value_length(bytes: &[u8]) -> usize {
    // Whole blocks without tabs first: the compiler turns the inner loop into vector instructions.
    let blocks = bytes
        .chunks_exact(16)
        .take_while(|block| block.iter().fold(true, |plain, b| plain & (*b >= b' ') & (*b != 0x7f)))
        .count();
    let rest = bytes.get(16 * blocks..).unwrap_or_default();
    16 * blocks + rest.iter().position(|b| !in_value(*b)).unwrap_or(rest.len())
}

/// The place of the first LF.
pub fn find_lf(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let without_lf = |word: &[u8; 8]| {
        // A zero byte borrows from its top bit; the bytes above it are looked at one by one.
        let x = u64::from_le_bytes(*word) ^ (ONES * 0x0a);
        x.wrapping_sub(ONES) & !x & HIGHS == 0
    };
    let (words, _) = bytes.as_chunks::<8>();
    let skipped = 8 * words.iter().take_while(|word| without_lf(word)).count();
    let rest = bytes.get(skipped..).unwrap_or_default();
    rest.iter().position(|b| *b == b'\n').map(|place| skipped + place)
}

/// What is wrong with a byte that stands where it may not, if it is not wrong everywhere then `otherwise`.
pub fn fault_of(byte: u8, otherwise: HeadFault) -> HeadFault {
    match byte {
        0 => HeadFault::Nul,
        b'\n' => HeadFault::BareLf,
        b'\r' => HeadFault::BareCr,
        b'\t' => otherwise,
        1..=31 | 0x7f => HeadFault::ControlByte,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wide_searches_agree_with_narrow_ones(bytes in proptest::collection::vec(prop_oneof![
            Just(b'a'), Just(b'a'), Just(b'\x0b'), Just(b'\t'), Just(0x8a), Just(0x7f), Just(b'\n'), any::<u8>(),
        ], 0..80)) {
            prop_assert_eq!(find_lf(&bytes), bytes.iter().position(|b| *b == b'\n'));
            prop_assert_eq!(value_length(&bytes), bytes.iter().position(|b| !in_value(*b)).unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn names_are_of_token_characters() {
        assert!(b"x-Api_Key.1~".iter().all(|b| is_token(*b)));
        for b in b" \t:()<>@,;\\\"/[]?={}\0\x7f\x80\xff" {
            assert!(!is_token(*b), "{b}");
        }
    }
}
