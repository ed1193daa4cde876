//! Chunked request bodies: what is no chunk is refused and never passed on as a whole request, and trailers are no
//! header fields.

use super::requests_http1::{refused, site};
use super::served_http1::served;
use super::{Table, raw, same};
use crate::support::upstream::Upstream;

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn bodies_that_break_the_chunk_grammar_are_refused() {
    let long = "x".repeat(20_000);
    let extended = format!("3;{long}\r\nabc\r\n0\r\n\r\n");
    let trailing = format!("3\r\nabc\r\n0\r\nX-A: {long}\r\n\r\n");
    let many = format!("3\r\nabc\r\n0\r\n{}\r\n", "X-A: b\r\n".repeat(1000));
    let cases = [
        ("size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("size with a minus", "-1\r\na\r\n0\r\n\r\n"),
        ("size with a plus", "+1\r\na\r\n0\r\n\r\n"),
        ("size with a space before", " 3\r\nabc\r\n0\r\n\r\n"),
        ("size with a tab before", "\t3\r\nabc\r\n0\r\n\r\n"),
        ("size with a vertical tab before", "\x0b3\r\nabc\r\n0\r\n\r\n"),
        ("size with a NUL behind", "3\0\r\nabc\r\n0\r\n\r\n"),
        ("size of letters", "zz\r\nabc\r\n0\r\n\r\n"),
        ("size that ends in a letter", "3g\r\nabc\r\n0\r\n\r\n"),
        ("size with a fraction", "3.0\r\nabc\r\n0\r\n\r\n"),
        ("size with an underscore", "0_3\r\nabc\r\n0\r\n\r\n"),
        ("size in two words", "3 3\r\nabc\r\n0\r\n\r\n"),
        ("size with an eight-bit byte", "\u{b3}\r\nabc\r\n0\r\n\r\n"),
        ("empty size", "\r\nabc\r\n0\r\n\r\n"),
        ("empty size with an extension", ";a=b\r\nabc\r\n0\r\n\r\n"),
        ("size of 2^64", "10000000000000000\r\nabc\r\n0\r\n\r\n"),
        ("size of 2^64 + 3", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("size of 2^32 with a sign in the middle", "1-0\r\nabc\r\n0\r\n\r\n"),
        ("size line ends in a bare LF", "3\nabc\r\n0\r\n\r\n"),
        ("size line ends in a bare CR", "3\rabc\r\n0\r\n\r\n"),
        ("size line ends in CR CR LF", "3\r\r\nabc\r\n0\r\n\r\n"),
        ("data ends in a bare LF", "3\r\nabc\n0\r\n\r\n"),
        ("data ends in a bare CR", "3\r\nabc\r0\r\n\r\n"),
        ("data without an end", "3\r\nabc0\r\n\r\n"),
        ("data longer than its size", "3\r\nabcdef\r\n0\r\n\r\n"),
        ("data shorter than its size", "5\r\nabc\r\n0\r\n\r\n"),
        ("last chunk ends in a bare LF", "3\r\nabc\r\n0\n\r\n"),
        ("trailers end in a bare LF", "3\r\nabc\r\n0\r\n\n"),
        ("everything ends in a bare LF", "3\nabc\n0\n\n"),
        ("extension with a bare LF", "3;a\nxyz\r\nabc\r\n0\r\n\r\n"),
        ("extension with a bare CR", "3;a\rxyz\r\nabc\r\n0\r\n\r\n"),
        ("extension with a NUL", "3;a\0\r\nabc\r\n0\r\n\r\n"),
        ("extension of 20 KB", &extended),
        ("extension of the last chunk with a bare LF", "3\r\nabc\r\n0;a\n\r\n"),
        ("trailer without a colon", "3\r\nabc\r\n0\r\nX-A\r\n\r\n"),
        ("trailer without a name", "3\r\nabc\r\n0\r\n: b\r\n\r\n"),
        ("trailer with a space before its colon", "3\r\nabc\r\n0\r\nX-A : b\r\n\r\n"),
        ("trailer with a NUL", "3\r\nabc\r\n0\r\nX-A: b\0\r\n\r\n"),
        ("trailer with a bare LF", "3\r\nabc\r\n0\r\nX-A: b\nX-B: c\r\n\r\n"),
        ("trailer with a bare CR", "3\r\nabc\r\n0\r\nX-A: b\rX-B: c\r\n\r\n"),
        ("trailer that is folded", "3\r\nabc\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
        ("trailer that would be a length", "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n"),
        ("trailer that would be a coding", "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("trailer that would be a host", "3\r\nabc\r\n0\r\nHost: b.test\r\n\r\n"),
        ("trailer that would be a key", "3\r\nabc\r\n0\r\nAuthorization: Bearer other\r\n\r\n"),
        ("trailer that would be an address", "3\r\nabc\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"),
        ("trailer that is the request behind it", "3\r\nabc\r\n0\r\n"),
        ("trailer of 20 KB", &trailing),
        ("thousand trailers", &many),
    ];
    let origin = Upstream::named("one");
    let site = site(&origin);
    let mut table = Table::new("chunks");
    for (name, text) in cases {
        let body = raw(text);
        table.case(name, &body, || refused(&site, &origin, &[HEAD.as_bytes(), &body].concat(), 400));
        let later = [b"4\r\nsome\r\n", &body[..]].concat();
        table.case(&format!("{name}, in the second chunk"), &later, || {
            refused(&site, &origin, &[HEAD.as_bytes(), &later].concat(), 400)
        });
    }
    table.case_if_all_is_well("every refusal is counted by reason and logged as PR--", || {
        site.refusals_are_told(2 * cases.len(), 2 * cases.len())
    });
    table.conclude();
}

#[test]
fn sound_chunks_arrive_and_trailers_are_no_fields() {
    let cases = [
        ("chunk extensions", "3;a=b\r\nabc\r\n0;c\r\n\r\n"),
        ("quoted chunk extension", "3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n"),
        ("sizes with zeros before", "0003\r\nabc\r\n000\r\n\r\n"),
        ("size of one letter", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        ("two trailers of no meaning", "3\r\nabc\r\n0\r\nX-A: b\r\nX-B: c\r\n\r\n"),
        ("trailer of no meaning", "3\r\nabc\r\n0\r\nX-A: b\r\n\r\n"),
    ];
    let origin = Upstream::named("one");
    let site = site(&origin);
    let mut table = Table::new("sound chunks");
    for (name, text) in cases {
        table.case(name, text.as_bytes(), || {
            served(&site, &origin, format!("{HEAD}{text}").as_bytes(), |request| {
                same("body", request.text().as_str(), "abc")?;
                same("x-a", request.header("x-a"), None)?;
                same("x-b", request.header("x-b"), None)?;
                same("codings", request.head.all("transfer-encoding"), vec!["chunked"])
            })
        });
    }
    table.conclude();
}
