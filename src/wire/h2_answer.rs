//! The check of an HTTP/2 answer. The framing layer has refused wrong pseudo fields, fields about the connection, upper
//! case and control bytes in names and values, and bodies that differ from their Content-Length; what is left is what
//! our HTTP/1 clients could be misled with.

use http::header::{self, HeaderMap};
use http::{StatusCode, response};

use super::HeadFault;
use super::bytes::is_token;
use super::field::disguises_framing;
use super::framing::content_length;
use super::h2::CONNECTION_FIELDS;

/// Bytes of the head of an answer, counted as in RFC 9113 6.5.2: as for HTTP/1.
pub const LARGEST_H2_ANSWER: usize = 64 * 1024;
const FIELDS: usize = 256;

/// Checks the head of an answer as the HTTP/2 layer hands it over, a 1xx too.
///
/// # Errors
/// What HTTP/2 does not have (101, fields about the connection), framing that could be read two ways, a head that is too large.
pub fn check_h2_answer(answer: &response::Parts) -> Result<(), HeadFault> {
    // RFC 9113 8.6: there is no 101 on HTTP/2.
    if answer.status == StatusCode::SWITCHING_PROTOCOLS || answer.status.as_u16() > 599 {
        return Err(HeadFault::InvalidStatus);
    }
    check_fields(&answer.headers)?;
    let mut lengths = answer.headers.get_all(header::CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (Some(_), Some(_)) => return Err(HeadFault::RepeatedContentLength),
        (Some(length), None) => content_length(length.as_bytes())?,
        (None, _) => 0,
    };
    let bodiless = answer.status.is_informational() || answer.status == StatusCode::NO_CONTENT;
    if bodiless && length > 0 { Err(HeadFault::ForbiddenBody) } else { Ok(()) }
}

fn check_fields(headers: &HeaderMap) -> Result<(), HeadFault> {
    if headers.len() > FIELDS {
        return Err(HeadFault::TooManyFields);
    }
    let mut size = 0;
    for (name, value) in headers {
        if !name.as_str().bytes().all(is_token) || disguises_framing(name.as_str().as_bytes()) {
            return Err(HeadFault::InvalidFieldName);
        }
        if CONNECTION_FIELDS.contains(name) {
            return Err(HeadFault::ConnectionField);
        }
        if matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t']) {
            return Err(HeadFault::SpaceAroundValue);
        }
        size += name.as_str().len() + value.len() + 32;
    }
    if size > LARGEST_H2_ANSWER { Err(HeadFault::HeadTooLarge) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn check(status: u16, fields: &[(&str, &str)]) -> Result<(), HeadFault> {
        let mut answer = Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        check_h2_answer(&answer.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn ordinary_answers_pass() {
        assert_eq!(check(200, &[("content-length", "7"), ("x-a", "")]), Ok(()));
        assert_eq!(check(103, &[("link", "</a>")]), Ok(()));
        assert_eq!(check(304, &[("content-length", "7")]), Ok(()));
        assert_eq!(check(204, &[("content-length", "0")]), Ok(()));
    }

    #[test]
    fn every_other_answer_has_its_fault() {
        let large = "x".repeat(LARGEST_H2_ANSWER);
        let many = vec![("x", "y"); FIELDS + 1];
        for (status, fields, fault) in [
            (101, vec![], HeadFault::InvalidStatus),
            (600, vec![], HeadFault::InvalidStatus),
            (200, vec![("connection", "close")], HeadFault::ConnectionField),
            (200, vec![("transfer-encoding", "chunked")], HeadFault::ConnectionField),
            (200, vec![("keep-alive", "timeout=5")], HeadFault::ConnectionField),
            (200, vec![("upgrade", "h2c")], HeadFault::ConnectionField),
            (200, vec![("content-length", "1"), ("content-length", "1")], HeadFault::RepeatedContentLength),
            (200, vec![("content-length", "1, 1")], HeadFault::InvalidContentLength),
            (200, vec![("content_length", "1")], HeadFault::InvalidFieldName),
            (204, vec![("content-length", "1")], HeadFault::ForbiddenBody),
            (200, vec![("x", " a")], HeadFault::SpaceAroundValue),
            (200, vec![("x", large.as_str())], HeadFault::HeadTooLarge),
            (200, many, HeadFault::TooManyFields),
        ] {
            assert_eq!(check(status, &fields), Err(fault), "{status} {:.80}", format!("{fields:?}"));
        }
    }
}
