//! A chunked body: where it ends does not depend on the pieces that it came in, is where simple readers end it too, and
//! its trailers cannot pass for fields of a head.

use tidegate::wire::chunk::{ChunkFault, Chunks};

use super::reference;

pub fn run(input: &[u8]) {
    let whole = in_pieces(input, usize::MAX);
    for size in [1, 3] {
        match (in_pieces(input, size), whole) {
            (Err(fault), expected) => assert_eq!(Err(fault), expected, "in pieces of {size}"),
            (found, expected) => assert_eq!(found, expected, "in pieces of {size}"),
        }
    }
    match whole {
        Ok(Some(end)) => {
            let body = input.get(..end).unwrap_or_default();
            let found = strict_end(input);
            assert_eq!(found.map(|(_, end)| end), Some(end), "a strict reader ends it elsewhere");
            assert_eq!(lenient_end(input), found, "a lenient reader ends it elsewhere");
            has_harmless_trailers(found.and_then(|(last, _)| body.get(last..)).unwrap_or_default());
            let cut = in_pieces(body.get(..end.saturating_sub(1)).unwrap_or_default(), usize::MAX);
            assert_eq!(cut, Ok(None), "it ends before its last byte");
        }
        Ok(None) => assert_eq!(strict_end(input), None, "a strict reader knows its end already"),
        Err(_) => {}
    }
}

/// Where the body ends, if it does, fed in pieces of this size.
fn in_pieces(input: &[u8], size: usize) -> Result<Option<usize>, ChunkFault> {
    let mut chunks = Chunks::default();
    let mut taken = 0;
    for piece in input.chunks(size) {
        let progress = chunks.feed(piece).inspect_err(|fault| {
            assert_eq!(chunks.clone().feed(b"0"), Err(*fault), "a fault is for good");
        })?;
        assert_eq!(progress.ended, chunks.ended());
        taken += progress.taken;
        if progress.ended {
            assert_eq!(chunks.feed(b"x").map(|more| more.taken), Ok(0), "nothing is taken behind the end");
            return Ok(Some(taken));
        }
        assert_eq!(progress.taken, piece.len(), "all is taken before the end");
    }
    Ok(None)
}

/// RFC 9112 7.1, step by step, on bytes that are all there.
fn strict_end(input: &[u8]) -> Option<(usize, usize)> {
    end(input, |rest| {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        Some((rest.get(..end)?, end + 2))
    })
}

/// A reader that takes LF for the end of a line, and forgives spaces.
fn lenient_end(input: &[u8]) -> Option<(usize, usize)> {
    end(input, |rest| {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        Some((rest.get(..end)?.trim_ascii(), end + 1))
    })
}

/// Where the trailers begin and where the body ends. `line` gives a line, and its length with its end.
fn end<'a>(input: &'a [u8], line: impl Fn(&'a [u8]) -> Option<(&'a [u8], usize)>) -> Option<(usize, usize)> {
    let mut place = 0;
    loop {
        let (size, length) = line(input.get(place..)?)?;
        place += length;
        let digits = size.split(|byte| *byte == b';').next()?;
        let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        place = place.checked_add(usize::try_from(size).ok()?)?;
        let (nothing, length) = line(input.get(place..)?)?;
        if !nothing.is_empty() {
            return None;
        }
        place += length;
    }
    let trailers = place;
    loop {
        let (field, length) = line(input.get(place..)?)?;
        place += length;
        if field.is_empty() {
            return Some((trailers, place));
        }
    }
}

/// `trailers`: the lines behind that of the last chunk.
fn has_harmless_trailers(trailers: &[u8]) {
    assert!(reference::has_clean_lines(trailers), "control bytes in trailers");
    let read = reference::fields(trailers);
    for name in
        ["content-length", "transfer-encoding", "host", "authorization", "connection", "x-forwarded-for"]
    {
        assert!(
            !read.iter().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())),
            "{name} as a trailer"
        );
    }
}
