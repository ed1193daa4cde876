//! Turns an answer and the faults that strike it into what goes over the wire.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::faults::Faults;
use super::journal::{Mark, Outcome};
use super::openai::Problem;
use super::script::{Script, Step};

/// What a provider in good health would answer.
#[derive(Debug)]
pub enum Answer {
    Whole(StatusCode, Value),
    /// Server-sent events, `data:` and blank line included.
    Events(Vec<Bytes>),
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Answer {
        Answer::Whole(problem.status, problem.body())
    }
}

/// A response for hyper, or bytes to write on the bare connection before it closes.
pub enum Delivery {
    Response(Response<Script>),
    Bare(Bytes),
}

/// `identity` are the headers that say who answers.
pub fn deliver(
    answer: Answer,
    faults: &Faults,
    mark: Mark,
    identity: Vec<(&'static str, String)>,
) -> Delivery {
    if faults.cut_before_head || faults.garbage {
        mark.set(Outcome::Cut);
        let garbage: &'static [u8] = if faults.garbage { b"\x16\x03 this is not HTTP\r\n\r\n" } else { b"" };
        return Delivery::Bare(Bytes::from_static(garbage));
    }
    let (status, pieces, stream) = match answer {
        Answer::Whole(status, value) => (status, vec![Bytes::from(value.to_string())], false),
        Answer::Events(events) => (StatusCode::OK, events, true),
    };
    mark.status(status.as_u16());
    if faults.wrong_length {
        mark.set(Outcome::Cut);
        return Delivery::Bare(too_short(status, &pieces));
    }
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut response = Response::new(Script::new(steps(pieces, stream, faults), mark));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if stream {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(seconds) = faults.retry_after.filter(|_| faults.status.is_some()) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    for (name, value) in identity {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Delivery::Response(response)
}

fn steps(pieces: Vec<Bytes>, stream: bool, faults: &Faults) -> Vec<Step> {
    let broken = faults.stall_after_chunks.is_some() || faults.cut_after_chunks.is_some();
    let pieces = match (stream, pieces.first()) {
        // An answer in one piece breaks in its middle.
        (false, Some(whole)) if broken => {
            let middle = whole.len() / 2;
            return vec![Step::Send(whole.slice(..middle)), break_off(faults)];
        }
        _ => pieces,
    };
    if faults.stall_after_head {
        return vec![Step::Hang];
    }
    let mut steps = Vec::with_capacity(pieces.len() * 2);
    let limit = [faults.stall_after_chunks, faults.cut_after_chunks].into_iter().flatten().min();
    for (index, piece) in pieces.into_iter().enumerate() {
        if limit == Some(index) {
            steps.push(break_off(faults));
            return steps;
        }
        let wait = if index == 0 { faults.first_chunk_delay_ms } else { faults.chunk_delay_ms };
        if stream && wait > 0 {
            steps.push(Step::Wait(Duration::from_millis(wait)));
        }
        steps.push(Step::Send(piece));
    }
    steps
}

/// What comes first of stalling and cutting.
fn break_off(faults: &Faults) -> Step {
    match (faults.stall_after_chunks, faults.cut_after_chunks) {
        (Some(stall), Some(cut)) if cut < stall => Step::Cut,
        (Some(_), _) => Step::Hang,
        _ => Step::Cut,
    }
}

/// A head that promises 100 bytes more than come.
fn too_short(status: StatusCode, pieces: &[Bytes]) -> Bytes {
    let body = pieces.concat();
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Status"),
        body.len() + 100,
    );
    [head.into_bytes(), body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Bytes> {
        vec![Bytes::from_static(b"a"), Bytes::from_static(b"b"), Bytes::from_static(b"c")]
    }

    #[test]
    fn a_stream_is_cut_after_the_chunks_asked_for() {
        let faults = Faults { cut_after_chunks: Some(2), chunk_delay_ms: 7, ..Faults::default() };
        let wait = Step::Wait(Duration::from_millis(7));
        let (a, b) = (Step::Send(Bytes::from_static(b"a")), Step::Send(Bytes::from_static(b"b")));
        assert_eq!(steps(events(), true, &faults), [a, wait, b, Step::Cut]);
        let all = Faults { cut_after_chunks: Some(3), ..Faults::default() };
        assert_eq!(steps(events(), true, &all).len(), 3);
    }

    #[test]
    fn an_answer_in_one_piece_breaks_in_its_middle() {
        let faults = Faults { stall_after_chunks: Some(1), ..Faults::default() };
        let half = Step::Send(Bytes::from_static(b"wh"));
        assert_eq!(steps(vec![Bytes::from_static(b"whole")], false, &faults), [half, Step::Hang]);
    }
}
