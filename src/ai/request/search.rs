//! Where strings end and structure begins, found in many bytes at once: blocks of constant length without a way out
//! within, which is what lets the compiler use vector instructions.

/// Bytes before a block that are looked at for backslashes.
const BEFORE: usize = 4;
const BLOCK: usize = 32;

/// The first quote that is not escaped; `odd`: an odd run of backslashes stands before the text.
///
/// Eight bytes at once where a quote may be near, as in short strings; then by blocks, of which those are passed over
/// whose quotes are all escaped.
pub fn closing_quote(text: &[u8], odd: bool) -> Option<usize> {
    let (words, _) = text.get(..text.len().min(BLOCK)).unwrap_or_default().as_chunks::<8>();
    for (nth, word) in words.iter().enumerate() {
        let mut quotes = quotes_in(*word);
        while quotes != 0 {
            let at = nth * 8 + (quotes.trailing_zeros() / 8) as usize;
            if !is_escaped(text, at, odd) {
                return Some(at);
            }
            quotes &= quotes - 1;
        }
    }
    let mut at = words.len() * 8;
    while let Some(block) = text.get(at.saturating_sub(BEFORE)..).and_then(<[u8]>::first_chunk)
        && at >= BEFORE
    {
        if has_quote(block) && may_close(block) {
            let found = (at..at + BLOCK).find(|at| is_close(text, *at, odd));
            if found.is_some() {
                return found;
            }
        }
        at += BLOCK;
    }
    (at..text.len()).find(|at| is_close(text, *at, odd))
}

fn is_close(text: &[u8], at: usize, odd: bool) -> bool {
    text.get(at) == Some(&b'"') && !is_escaped(text, at, odd)
}

/// Whether an odd run of backslashes stands before this place.
pub fn is_escaped(text: &[u8], at: usize, odd: bool) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let run = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    (run % 2 == 1) != (odd && run == at)
}

fn has_quote(block: &[u8; BEFORE + BLOCK]) -> bool {
    (0..BLOCK).fold(false, |any, at| any | (block[at + BEFORE] == b'"'))
}

/// Whether a quote is behind no backslash, or two, or so many that one has to count.
fn may_close(block: &[u8; BEFORE + BLOCK]) -> bool {
    let slash = |at: usize| block[at] == b'\\';
    (0..BLOCK).fold(false, |any, at| {
        let (one, two, three, four) = (slash(at + 3), slash(at + 2), slash(at + 1), slash(at));
        any | ((block[at + BEFORE] == b'"') & (!one | (two & (!three | four))))
    })
}

/// The highest bit of each byte that is a quote, the first byte lowest.
fn quotes_in(word: [u8; 8]) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let zero = u64::from_le_bytes(word) ^ u64::from_ne_bytes([b'"'; 8]);
    // Adding carries into the highest bit of a byte unless its others are all zero, and never into the next byte.
    !(((zero & LOW) + LOW) | zero | LOW)
}

/// The first byte outside of strings that opens or closes something, or is none of JSON's: a quote, a bracket, a brace; or
/// `#`, `'` and `/`, with which others write comments and strings, or a backslash.
pub fn structure_in(bytes: &[u8]) -> Option<usize> {
    let (blocks, end) = bytes.as_chunks::<BLOCK>();
    let meets =
        |block: &[u8; BLOCK]| block.iter().fold(0, |any, byte| any | u8::from(is_structure(*byte))) != 0;
    let free = blocks.iter().position(meets).unwrap_or(blocks.len());
    let block = blocks.get(free).map_or(end, |block| block);
    block.iter().position(|byte| is_structure(*byte)).map(|at| free * BLOCK + at)
}

/// In few comparisons: a bracket and a brace differ in one bit, `"` and `#` do, and `'` and `/`.
fn is_structure(byte: u8) -> bool {
    (byte | 0x20 == b'{')
        | (byte | 0x20 == b'}')
        | (byte & 0xfe == b'"')
        | (byte & 0xf7 == b'\'')
        | (byte == b'\\')
}
