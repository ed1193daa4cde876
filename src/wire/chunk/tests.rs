use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// How many bytes the body has.
fn end(bytes: impl AsRef<[u8]>) -> Result<Option<usize>, ChunkFault> {
    let progress = Chunks::default().feed(bytes.as_ref())?;
    Ok(progress.ended.then_some(progress.taken))
}

/// The end of a body with this trailer section.
fn trailers(lines: &str) -> Result<Option<usize>, ChunkFault> {
    end(format!("0\r\n{lines}\r\n")).map(|end| end.map(|end| end - 5))
}

#[test]
fn a_body_ends_with_the_empty_line_behind_its_last_chunk() {
    for body in [
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b ; c=\"d;\\\"e\\\\\"\r\n\r\n0\r\n\r\n00\r\n\r\n",
        "00000000000000A\r\n0123456789\r\n000\r\nX-Checksum: abc\r\nServer-Timing:\r\n\r\n",
        "0\r\nx: \u{e9}\t~\r\n\r\n",
    ] {
        assert_eq!(end(body), Ok(Some(body.len())), "{body:?}");
        assert_eq!(end(format!("{body}0\r\n\r\n")), Ok(Some(body.len())), "{body:?}");
        for cut in 0..body.len() {
            assert_eq!(end(&body.as_bytes()[..cut]), Ok(None), "{:?}", &body.as_bytes()[..cut]);
        }
    }
}

#[test]
fn nothing_is_taken_behind_the_end() {
    let mut chunks = Chunks::default();
    assert_eq!(chunks.feed(b"0\r\n\r\nGET / HTTP/1.1"), Ok(Progress { taken: 5, ended: true }));
    assert_eq!(chunks.feed(b"5\r\n"), Ok(Progress { taken: 0, ended: true }));
    assert!(chunks.ended());
}

#[test]
fn what_readers_measure_differently_is_a_fault() {
    for (body, fault) in [
        ("\r\n", ChunkFault::InvalidSize),
        (";a\r\n", ChunkFault::InvalidSize),
        ("0x3\r\nabc\r\n", ChunkFault::InvalidSize),
        ("-3\r\n", ChunkFault::InvalidSize),
        ("+3\r\n", ChunkFault::InvalidSize),
        (" 3\r\n", ChunkFault::InvalidSize),
        ("3 \r\n", ChunkFault::InvalidSize),
        ("3 ;a\r\n", ChunkFault::InvalidSize),
        ("3\t\r\n", ChunkFault::InvalidSize),
        ("3_0\r\n", ChunkFault::InvalidSize),
        ("3g\r\n", ChunkFault::InvalidSize),
        ("3\0\r\n", ChunkFault::InvalidSize),
        ("\u{663}\r\n", ChunkFault::InvalidSize),
        ("8000000000000000\r\n", ChunkFault::SizeTooLarge),
        ("ffffffffffffffff\r\n", ChunkFault::SizeTooLarge),
        ("10000000000000000\r\n", ChunkFault::SizeTooLarge),
        ("00000000000000003\r\n", ChunkFault::SizeTooLarge),
        ("\n", ChunkFault::BareLf),
        ("3\n", ChunkFault::BareLf),
        ("3;a\n", ChunkFault::BareLf),
        ("3;a=\"\n", ChunkFault::BareLf),
        ("3\r\nabc\n", ChunkFault::BareLf),
        ("0\r\n\n", ChunkFault::BareLf),
        ("0\r\nx: y\n", ChunkFault::BareLf),
        ("0\r\nx\n", ChunkFault::BareLf),
        ("3\rabc", ChunkFault::BareCr),
        ("3\r\r\n", ChunkFault::BareCr),
        ("3;a\rb\r\n", ChunkFault::BareCr),
        ("3\r\nabc\rx", ChunkFault::BareCr),
        ("0\r\n\rx", ChunkFault::BareCr),
        ("0\r\nx: y\rz\r\n", ChunkFault::BareCr),
        ("3\r\nabcd\r\n", ChunkFault::MissingLineEnd),
        ("3\r\nabc0\r\n\r\n", ChunkFault::MissingLineEnd),
        ("3;a\0\r\n", ChunkFault::InvalidExtension),
        ("3;a\u{e9}\r\n", ChunkFault::InvalidExtension),
        ("3;a\x7f\r\n", ChunkFault::InvalidExtension),
        ("3;a=\"b\r\n", ChunkFault::InvalidExtension),
        ("3;a=\"b\\\r\n", ChunkFault::InvalidExtension),
        ("3;a=\"b\\\"\r\n", ChunkFault::InvalidExtension),
    ] {
        assert_eq!(end(body), Err(fault), "{body:?}");
    }
    assert_eq!(end("7fffffffffffffff\r\n"), Ok(None));
}

#[test]
fn extensions_have_limits() {
    let line = |length: usize| format!("1;{}\r\nx\r\n", "a".repeat(length - 1));
    assert_eq!(end(line(256)), Ok(None));
    assert_eq!(end(line(257)), Err(ChunkFault::ExtensionTooLong));
    assert_eq!(end(line(256).repeat(64)), Ok(None));
    assert_eq!(end(format!("{}1;\r\n", line(256).repeat(64))), Err(ChunkFault::ExtensionTooLong));
}

#[test]
fn trailers_are_header_lines_and_few() {
    for lines in [
        " x: y\r\n",
        "x: y\r\n z\r\n",
        "x : y\r\n",
        ": y\r\n",
        "x y: z\r\n",
        "x\r\n",
        "x: a\0\r\n",
        "x: \x1b\r\n",
    ] {
        assert_eq!(trailers(lines), Err(ChunkFault::InvalidTrailer), "{lines:?}");
    }
    assert_eq!(trailers(&"x: y\r\n".repeat(32)), Ok(Some(6 * 32)));
    assert_eq!(trailers(&"x: y\r\n".repeat(33)), Err(ChunkFault::TrailersTooLarge));
    assert_eq!(trailers(&format!("x:{}\r\n", "y".repeat(8186))), Ok(Some(8190)));
    assert_eq!(trailers(&format!("x:{}\r\n", "y".repeat(8187))), Err(ChunkFault::TrailersTooLarge));
    assert_eq!(trailers(&format!("{}: y\r\n", "x".repeat(4000))), Ok(Some(4005)));
}

#[test]
fn trailers_smuggle_nothing() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "HOST",
        "te",
        "Trailer",
        "Connection",
        "Authorization",
        "X-Api-Key",
        "Cookie",
        "Set-Cookie",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Expect",
        "X-Forwarded-For",
        "X-Forwarded-Anything-At-All-That-Is-Long",
        "Proxy-Authorization",
    ] {
        assert_eq!(trailers(&format!("{name}: 1\r\n")), Err(ChunkFault::ForbiddenTrailer), "{name}");
    }
    for name in
        ["grpc-status", "x-amz-checksum-crc32", "Server-Timing", "ETag", "hosts", "if-unmodified-since-ever"]
    {
        assert!(trailers(&format!("{name}: 1\r\n")).is_ok(), "{name}");
    }
}

#[test]
fn a_fault_stays() {
    let mut chunks = Chunks::default();
    assert_eq!(chunks.feed(b"x"), Err(ChunkFault::InvalidSize));
    assert_eq!(chunks.feed(b"0\r\n\r\n"), Err(ChunkFault::InvalidSize));
    assert_eq!(chunks.feed(b""), Err(ChunkFault::InvalidSize));
}

#[test]
fn labels_and_sentences_differ() {
    let faults = [
        ChunkFault::InvalidSize,
        ChunkFault::SizeTooLarge,
        ChunkFault::BareLf,
        ChunkFault::BareCr,
        ChunkFault::MissingLineEnd,
        ChunkFault::InvalidExtension,
        ChunkFault::ExtensionTooLong,
        ChunkFault::InvalidTrailer,
        ChunkFault::TrailersTooLarge,
        ChunkFault::ForbiddenTrailer,
    ];
    assert_eq!(faults.iter().map(|f| f.reason()).collect::<HashSet<_>>().len(), faults.len());
    assert_eq!(faults.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), faults.len());
}

fn valid_body() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop_oneof![
        3 => Just(String::new()),
        1 => "(;[a-z]{1,5}(=([a-z0-9]{1,5}|\"([a-z;\r]|\\\\[\"a])\"))?){1,3}".prop_map(|e| e.replace('\r', " ")),
    ];
    let chunk = (proptest::collection::vec(any::<u8>(), 1..300), extension, 0usize..4, any::<bool>())
        .prop_map(|(data, extension, zeros, upper)| {
            let size = if upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
            [format!("{}{size}{extension}\r\n", "0".repeat(zeros)).as_bytes(), &data, b"\r\n"].concat()
        });
    (proptest::collection::vec(chunk, 0..6), "0{1,16}", "(x-[a-z]{1,30}:[ -~]{0,20}\r\n){0,4}").prop_map(
        |(chunks, last, trailers)| {
            [chunks.concat(), format!("{last}\r\n{trailers}\r\n").into_bytes()].concat()
        },
    )
}

/// Feeds pieces of these lengths, over and over, until an end, a fault or nothing left.
fn in_pieces(bytes: &[u8], lengths: &[usize]) -> Result<(usize, bool), ChunkFault> {
    let mut chunks = Chunks::default();
    let (mut rest, mut taken) = (bytes, 0);
    let mut lengths = lengths.iter().cycle();
    while let (Some(length), false) = (lengths.next(), rest.is_empty()) {
        let (piece, after) = rest.split_at(rest.len().min(*length));
        let progress = chunks.feed(piece)?;
        taken += progress.taken;
        if progress.ended {
            return Ok((taken, true));
        }
        assert_eq!(progress.taken, piece.len());
        rest = after;
    }
    Ok((taken, false))
}

proptest! {
    #[test]
    fn valid_bodies_end_where_they_end(body in valid_body(), behind: Vec<u8>, lengths in proptest::collection::vec(1usize..40, 1..9)) {
        let bytes = [&body[..], &behind].concat();
        prop_assert_eq!(end(&bytes), Ok(Some(body.len())));
        prop_assert_eq!(in_pieces(&bytes, &lengths), Ok((body.len(), true)));
        prop_assert_eq!(in_pieces(&bytes, &[1]), Ok((body.len(), true)));
    }

    #[test]
    fn pieces_give_what_the_whole_gives(
        mut body in valid_body(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"\r\n0f;\" \0x:"[..])), 0..3),
        lengths in proptest::collection::vec(1usize..40, 1..9),
    ) {
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let whole = Chunks::default().feed(&body).map(|p| (p.taken, p.ended));
        prop_assert_eq!(in_pieces(&body, &lengths), whole);
        prop_assert_eq!(in_pieces(&body, &[1]), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = in_pieces(&bytes, &[3]);
        let _ = in_pieces(&[b"0\r\n", &bytes[..]].concat(), &[3]);
    }
}
