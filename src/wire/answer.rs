//! The strict look at a server's head before its framing is believed: what two readers could end at different places is
//! no answer (RFC 9112 6.3). Pingora has parsed the head by then, and has dropped a Content-Length beside a
//! Transfer-Encoding, so this looks at the raw bytes.

use super::HeadFault;
use super::framing::FramingFields;

/// A whole response head, from its status line through its empty line. Equal Content-Lengths twice are refused too.
///
/// # Errors
/// Framing fields that contradict each other or say what we do not know; lines that end without CR, or are folded.
pub fn check_response_head(raw: &[u8]) -> Result<(), HeadFault> {
    if raw.len() > LARGEST {
        return Err(HeadFault::HeadTooLarge);
    }
    let mut framing = FramingFields::default();
    let old = raw.starts_with(b"HTTP/1.0");
    for (number, line) in raw.split(|byte| *byte == b'\n').enumerate() {
        let line = match line.strip_suffix(b"\r") {
            Some(line) => line,
            // Behind the last line feed there is nothing.
            None if line.is_empty() => continue,
            None => return Err(HeadFault::BareLf),
        };
        match line.first() {
            Some(b' ' | b'\t') if number > 0 => return Err(HeadFault::FoldedLine),
            Some(_) if number > 0 => field(line, &mut framing)?,
            Some(_) => status(line)?,
            None => {}
        }
    }
    framing.conclude(b"", old).map(drop)
}

/// Bytes of a response head.
const LARGEST: usize = 64 * 1024;

/// RFC 9110 15: three digits, of which the first is 1 to 5.
fn status(line: &[u8]) -> Result<(), HeadFault> {
    match line.get(9..12) {
        Some([b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']) => Ok(()),
        _ => Err(HeadFault::InvalidVersion),
    }
}

fn field(line: &[u8], framing: &mut FramingFields) -> Result<(), HeadFault> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Ok(()) };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.ends_with(b" ") || name.ends_with(b"\t") {
        return Err(HeadFault::InvalidFieldName);
    }
    if name.eq_ignore_ascii_case(b"content-length") {
        framing.length(value)
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        framing.encoding(value)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &str) -> Result<(), HeadFault> {
        check_response_head(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes())
    }

    #[test]
    fn one_way_to_read_an_answer_is_enough() {
        assert_eq!(check("content-type: a/b\r\nContent-Length: 5\r\n"), Ok(()));
        assert_eq!(check("Transfer-Encoding: Chunked\r\n"), Ok(()));
        assert_eq!(check(""), Ok(()));
    }

    #[test]
    fn answers_that_could_end_at_two_places_are_none() {
        assert!(check("content-length: 5\r\ntransfer-encoding: chunked\r\n").is_err());
        assert!(check("content-length: 5\r\ncontent-length: 6\r\n").is_err());
        assert!(check("content-length: +5\r\n").is_err());
        assert!(check("content-length : 5\r\n").is_err());
        assert!(check("x : 5\r\n").is_err());
        assert!(check_response_head(b"HTTP/1.1 600 OK\r\n\r\n").is_err());
        assert!(check("transfer-encoding: chunked, gzip\r\n").is_err());
        assert!(check("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n").is_err());
        assert!(check("x: y\r\n content-length: 5\r\n").is_err());
        assert!(check("x: y\ncontent-length: 5\r\n").is_err());
        assert!(check_response_head(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
