//! Sixty-four bytes of a container at once: which of them open or close something, and stand in no string.
//!
//! First each byte is told by itself, which the compiler makes vector instructions of; then one bit of each is gathered,
//! and what stands behind an odd number of quotes is in a string.

/// Bytes that are read.
pub const BLOCK: usize = 64;
/// Bytes before them that are looked at for backslashes.
pub const BEFORE: usize = 4;

/// Kinds of bytes, a bit for each.
const QUOTE: u8 = 1;
const SIGN: u8 = 0x80;

#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// A bit for each byte outside of strings that opens or closes something; or is none of JSON's there: a backslash, and
    /// `#`, `'` and `/`, with which others write comments and strings.
    pub signs: u64,
    /// The last quote that is not escaped.
    pub last_quote: Option<usize>,
    /// The block ends in a string.
    pub inside: bool,
}

impl Block {
    /// Reads the last [`BLOCK`] of these bytes; `inside`: they begin in a string. `None`: a quote stands behind so many
    /// backslashes that one has to count them.
    #[inline]
    pub fn read(bytes: &[u8; BEFORE + BLOCK], inside: bool) -> Option<Block> {
        let mut kinds = [0; BLOCK];
        // A backslash right before escapes what comes first.
        let (mut any, mut foreign) = (0, bytes[BEFORE - 1] == b'\\');
        for at in 0..BLOCK {
            let byte = bytes[at + BEFORE];
            kinds[at] = kind(byte);
            any |= kinds[at];
            foreign |= (byte & 0xf3 == b'#') | (byte == b'\\');
        }
        if foreign {
            tell_foreign(bytes, &mut kinds)?;
        } else if any == 0 {
            return Some(Block { signs: 0, last_quote: None, inside });
        }
        let quotes = gather(&kinds, QUOTE);
        let within = parity(quotes) ^ 0u64.wrapping_sub(u64::from(inside));
        Some(Block {
            signs: gather(&kinds, SIGN) & !within,
            last_quote: 63usize.checked_sub(quotes.leading_zeros() as usize),
            inside: within >> 63 == 1,
        })
    }
}

/// In few comparisons: a bracket and a brace differ in one bit.
fn kind(byte: u8) -> u8 {
    let bracket = (byte | 0x20 == b'{') | (byte | 0x20 == b'}');
    (if byte == b'"' { QUOTE } else { 0 }) | (if bracket { SIGN } else { 0 })
}

/// What is escaped is no quote: behind one or three backslashes it is, behind two it is not. What escapes nothing, since it
/// stands outside of strings, is a sign itself.
#[inline(never)]
fn tell_foreign(bytes: &[u8; BEFORE + BLOCK], kinds: &mut [u8; BLOCK]) -> Option<()> {
    let slash = |at: usize| bytes[at] == b'\\';
    let mut unclear = false;
    for at in 0..BLOCK {
        let byte = bytes[at + BEFORE];
        let (one, two, three, four) = (slash(at + 3), slash(at + 2), slash(at + 1), slash(at));
        let quote = byte == b'"';
        unclear |= quote & one & two & three & four;
        let foreign = (byte == b'#') | (byte & 0xf7 == b'\'') | (byte == b'\\');
        let escaped = quote & one & (!two | three);
        kinds[at] = (if escaped { 0 } else { kinds[at] }) | (if foreign { SIGN } else { 0 });
    }
    (!unclear).then_some(())
}

/// One bit of each byte.
#[inline]
fn gather(kinds: &[u8; BLOCK], bit: u8) -> u64 {
    let (words, _) = kinds.as_chunks::<8>();
    // Moves the bit of the first byte to the lowest bit of the last byte, that of the second to the next, and so on.
    let moves = 0x0102_0408_1020_4080 >> bit.trailing_zeros();
    words.iter().enumerate().fold(0, |all, (nth, word)| {
        let bits = u64::from_le_bytes(*word) & u64::from_ne_bytes([bit; 8]);
        all | bits.wrapping_mul(moves) >> 56 << (nth * 8)
    })
}

/// For each bit whether an odd number of bits is set up to it.
#[inline]
fn parity(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}
