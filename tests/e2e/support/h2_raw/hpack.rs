//! As much of HPACK (RFC 7541) as raw frames need: literals that say anything, and of an answer its status.

/// SETTINGS_HEADER_TABLE_SIZE of nothing.
pub const NO_TABLE: (u16, u32) = (1, 0);

/// The entries of the static table from 8 on that are a status.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

/// A literal field, name and value in plain bytes, not indexed.
pub fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &string(0, name), &string(0, value)].concat()
}

/// An indexed field.
pub fn indexed(index: usize) -> Vec<u8> {
    integer(7, 0x80, index)
}

/// A literal field whose value claims to be Huffman code.
pub fn literal_with_huffman(name: &[u8], code: &[u8]) -> Vec<u8> {
    [&[0][..], &string(0, name), &string(0x80, code)].concat()
}

/// A dynamic table size update.
pub fn resize(size: usize) -> Vec<u8> {
    integer(5, 0x20, size)
}

fn string(flag: u8, bytes: &[u8]) -> Vec<u8> {
    [&integer(7, flag, bytes.len()), bytes].concat()
}

fn integer(prefix: u32, flags: u8, value: usize) -> Vec<u8> {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return vec![flags | value as u8];
    }
    let mut out = vec![flags | most as u8];
    let mut rest = value - most;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
    out
}

/// The `:status` of a block by a sender that was told to keep no table; `None` for trailers.
pub fn status(block: &[u8]) -> Option<u16> {
    let mut rest = block;
    // `:status` is the first field; before it there may be updates of the table's size.
    while rest.first().is_some_and(|byte| byte & 0xe0 == 0x20) {
        take_integer(&mut rest, 5);
    }
    let first = *rest.first()?;
    if first & 0x80 != 0 {
        let index = take_integer(&mut rest, 7);
        return STATUSES.get(index.checked_sub(8)?).copied();
    }
    let index = take_integer(&mut rest, if first & 0x40 != 0 { 6 } else { 4 });
    if !(8..=14).contains(&index) {
        return None;
    }
    let huffman = rest.first()? & 0x80 != 0;
    let length = take_integer(&mut rest, 7);
    let value = rest.get(..length)?;
    let text = if huffman { digits(value) } else { String::from_utf8(value.to_vec()).ok()? };
    text.parse().ok()
}

fn take_integer(rest: &mut &[u8], prefix: u32) -> usize {
    let most = (1_usize << prefix) - 1;
    let mut next = || {
        let (first, after) = rest.split_first().unwrap_or_else(|| panic!("a block that ends in an integer"));
        *rest = after;
        usize::from(*first)
    };
    let mut value = next() & most;
    if value < most {
        return value;
    }
    let mut shift = 0;
    loop {
        let byte = next();
        value += (byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            return value;
        }
    }
}

/// Huffman code of digits (RFC 7541 B): `0` to `2` have five bits, the others six.
fn digits(code: &[u8]) -> String {
    let bits: Vec<u32> =
        code.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))).collect();
    let number = |bits: &[u32]| bits.iter().fold(0, |number, bit| number * 2 + bit);
    let mut text = String::new();
    let mut rest = &bits[..];
    while rest.len() >= 5 {
        let (digit, length) = match number(&rest[..5]) {
            short @ 0..=2 => (short, 5),
            _ if rest.len() >= 6 => match number(&rest[..6]) {
                long @ 0b01_1001..=0b01_1111 => (long - 0b01_1001 + 3, 6),
                _ => break,
            },
            _ => break,
        };
        text.extend(char::from_digit(digit, 10));
        rest = &rest[length..];
    }
    text
}
