//! What looks at many bytes at once finds what one finds byte by byte.

use super::*;
use crate::ai::request::block::{BEFORE, BLOCK, Block};
use crate::ai::request::search::{closing_quote, is_escaped, structure_in};

/// Where the value ends that begins here, byte by byte; `None`: it is refused.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => {
                at += 1;
                while *bytes.get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            byte @ (b'[' | b'{') => open.push(byte),
            byte @ (b']' | b'}') if open.pop()? != byte - 2 => return None,
            b'#' | b'\'' | b'/' | b'\\' => return None,
            _ => {}
        }
        at += 1;
        if open.is_empty() {
            return Some(at);
        }
    }
}

/// Containers of strings and numbers, most of them as they should be.
fn any_container() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 22] = [
        b"[",
        b"{",
        b"}",
        b"]",
        b"\"",
        b"\\",
        b"\\\"",
        b"\\\\",
        b"\\\\\\\"",
        b"\\\\\\\\\"",
        b"/",
        b"'",
        b"#",
        b"\"a\":1,",
        b"[1,2,3]",
        b"\"\\\"\"",
        b"\"it's /a/ #\\\\\"",
        b"{\"role\":\"user\",\"content\":\"hi\"},",
        b"{\"a\":[{}]}",
        b"1234567890123456789012345678901234567890",
        b"\xff",
        b" ",
    ];
    let weights = prop_oneof![1 => 0..13usize, 40 => 13..22usize];
    prop::collection::vec(weights, 0..60).prop_map(|pieces| {
        let inside: Vec<u8> = pieces.iter().flat_map(|nth| PIECES[*nth]).copied().collect();
        [b"[", &inside[..], b"] "].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_container_ends_where_it_ends_byte_by_byte(body in any_container(), before in "[a\"\\\\]{0,6}", size in 1..200usize) {
        let expected = end_of(&body).map(|end| end + before.len());
        let whole = [before.as_bytes(), &body].concat();
        for size in [size, 64, usize::MAX] {
            let parts: Vec<Bytes> = whole.chunks(size).map(Bytes::copy_from_slice).collect();
            let mut cursor = Cursor::new(&parts);
            for _ in 0..before.len() {
                cursor.pass();
            }
            let end = cursor.skip().ok().map(|()| cursor.place());
            prop_assert_eq!(end, expected, "in pieces of {}", size);
        }
    }

    #[test]
    fn a_string_ends_where_it_ends_byte_by_byte(
        pieces in prop::collection::vec(prop::sample::select(&["a", "aaaaaaaaaaaaaaaaa", "\\\"", "\\\\", "\\\\\\\"", "\\\\\\\\\\\""][..]), 0..30),
        tail in "[a\\\\\"]{0,90}",
        odd: bool,
    ) {
        let text = pieces.concat() + &tail;
        let text = text.as_bytes();
        let mut at = usize::from(odd);
        while at < text.len() && text[at] != b'"' {
            at += if text[at] == b'\\' { 2 } else { 1 };
        }
        let expected = (at < text.len()).then_some(at);
        prop_assert_eq!(closing_quote(text, odd), expected);
        if expected.is_none() {
            prop_assert_eq!(is_escaped(text, text.len(), odd), at > text.len());
        }
    }

    #[test]
    fn a_block_says_what_each_of_its_bytes_is(
        bytes in prop::collection::vec(prop::sample::select(&b"\"\"a\\[]{}/+# "[..]), BEFORE + BLOCK),
        inside: bool,
    ) {
        let block: &[u8; BEFORE + BLOCK] = bytes.first_chunk().unwrap();
        let mut within = inside;
        let (mut signs, mut last_quote) = (0u64, None);
        for at in 0..BLOCK {
            let byte = block[BEFORE + at];
            if byte == b'"' && !is_escaped(block, BEFORE + at, false) {
                within = !within;
                last_quote = Some(at);
            } else if !within && b"[]{}/#'\\".contains(&byte) {
                signs |= 1 << at;
            }
        }
        if let Some(block) = Block::read(block, inside) {
            prop_assert_eq!((block.signs, block.last_quote, block.inside), (signs, last_quote, within));
        }
    }
}

#[test]
fn structure_is_found_wherever_it_stands() {
    for size in 0..150 {
        assert_eq!(structure_in(&vec![b'1'; size]), None);
        for sign in *b"\"[]{}#'/\\" {
            let bytes = [&vec![b','; size][..], &[sign, b'1', b'{']].concat();
            assert_eq!(structure_in(&bytes), Some(size));
        }
    }
}

#[test]
fn every_place_of_a_large_body_is_a_good_place_for_damage() {
    let member = r#"{"role":"user","content":"say \"[\" \\"},{"a":[1,{}]},"#;
    let body = format!(r#"{{"messages":[{}1],"model":"m"}}"#, member.repeat(6));
    assert_eq!(call(&body).unwrap().model.as_deref(), Some("m"));
    for at in 0..body.len() {
        for byte in *b"\"\\[]{}:,#a" {
            let mut body = body.clone().into_bytes();
            body[at] = byte;
            let members = reference(&body);
            let read = read(&whole_bytes(&body));
            if let Some(members) = members {
                assert_eq!(without_places(read), members.call(), "{}", String::from_utf8_lossy(&body));
            }
        }
    }
}
