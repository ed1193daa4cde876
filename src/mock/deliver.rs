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
    Events(Events),
}

#[derive(Debug)]
pub struct Events {
    /// `data:` and blank line included.
    pub all: Vec<Bytes>,
    /// How many come before the first content.
    pub opening: usize,
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
    let (status, pieces, opening) = match answer {
        Answer::Whole(status, value) => (status, vec![Bytes::from(value.to_string())], None),
        Answer::Events(events) => (StatusCode::OK, events.all, Some(events.opening)),
    };
    mark.status(status.as_u16());
    if faults.wrong_length {
        mark.set(Outcome::Cut);
        return Delivery::Bare(too_short(status, &pieces));
    }
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut response = Response::new(Script::new(steps(pieces, opening, faults), mark));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if opening.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(seconds) = faults.retry_after.filter(|_| faults.status.is_some()) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let limits = faults.rate_limit.filter(|_| faults.status.is_some()).map(used_up);
    for (name, value) in identity.into_iter().chain(limits.into_iter().flatten()) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Delivery::Response(response)
}

/// The headers of a limit of requests that is used up for this many seconds; that of tokens is not.
fn used_up(seconds: u64) -> [(&'static str, String); 6] {
    [
        ("x-ratelimit-limit-requests", "60".to_owned()),
        ("x-ratelimit-remaining-requests", "0".to_owned()),
        ("x-ratelimit-reset-requests", go_duration(seconds)),
        ("x-ratelimit-limit-tokens", "150000".to_owned()),
        ("x-ratelimit-remaining-tokens", "149984".to_owned()),
        ("x-ratelimit-reset-tokens", "6ms".to_owned()),
    ]
}

/// As providers write a time: `7s`, `1m30s`, `1h0m0s`.
fn go_duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `opening`: how many pieces of a stream come before its content; `None` is an answer in one piece.
fn steps(pieces: Vec<Bytes>, opening: Option<usize>, faults: &Faults) -> Vec<Step> {
    let mut broken = break_off(opening, faults);
    if let (None, Some(whole)) = (opening, pieces.first())
        && let Some((_, end)) = broken
    {
        // It breaks in its middle.
        return vec![Step::Send(whole.slice(..whole.len() / 2)), end];
    }
    if faults.stall_after_head {
        return vec![Step::Hang];
    }
    let mut steps = Vec::with_capacity(pieces.len() * 2);
    for (index, piece) in pieces.into_iter().enumerate() {
        if let Some((_, end)) = broken.take_if(|(place, _)| *place == index) {
            steps.push(end);
            return steps;
        }
        let wait = match index {
            0 => faults.first_chunk_delay_ms,
            _ if opening == Some(index) => faults.first_content_delay_ms.max(faults.chunk_delay_ms),
            _ => faults.chunk_delay_ms,
        };
        if opening.is_some() && wait > 0 {
            steps.push(Step::Wait(Duration::from_millis(wait)));
        }
        steps.push(Step::Send(piece));
    }
    steps
}

/// What comes first of stalling and cutting, and before which piece.
fn break_off(opening: Option<usize>, faults: &Faults) -> Option<(usize, Step)> {
    let first = |after_chunks: Option<usize>, before_content: bool| {
        [after_chunks, opening.filter(|_| before_content)].into_iter().flatten().min()
    };
    let stall = first(faults.stall_after_chunks, faults.stall_before_content);
    let cut = first(faults.cut_after_chunks, faults.cut_before_content);
    match (stall, cut) {
        (Some(stall), Some(cut)) if cut < stall => Some((cut, Step::Cut)),
        (Some(stall), _) => Some((stall, Step::Hang)),
        (None, Some(cut)) => Some((cut, Step::Cut)),
        (None, None) => None,
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
        assert_eq!(steps(events(), Some(1), &faults), [a, wait, b, Step::Cut]);
        let all = Faults { cut_after_chunks: Some(3), ..Faults::default() };
        assert_eq!(steps(events(), Some(1), &all).len(), 3);
    }

    #[test]
    fn a_stream_breaks_or_waits_before_its_content() {
        let (a, b) = (|| Step::Send(Bytes::from_static(b"a")), || Step::Send(Bytes::from_static(b"b")));
        let cut = Faults { cut_before_content: true, stall_after_chunks: Some(2), ..Faults::default() };
        assert_eq!(steps(events(), Some(1), &cut), [a(), Step::Cut]);
        let stall = Faults { stall_before_content: true, ..Faults::default() };
        assert_eq!(steps(events(), Some(2), &stall), [a(), b(), Step::Hang]);
        let slow = Faults { first_content_delay_ms: 90, chunk_delay_ms: 7, ..Faults::default() };
        let wait = |ms| Step::Wait(Duration::from_millis(ms));
        let c = Step::Send(Bytes::from_static(b"c"));
        assert_eq!(steps(events(), Some(1), &slow), [a(), wait(90), b(), wait(7), c]);
        assert_eq!(steps(vec![Bytes::from_static(b"a")], None, &stall), [a()]);
    }

    #[test]
    fn times_are_written_as_providers_write_them() {
        assert_eq!([0, 7, 90, 3600].map(go_duration), ["0s", "7s", "1m30s", "1h0m0s"]);
    }

    #[test]
    fn an_answer_in_one_piece_breaks_in_its_middle() {
        let faults = Faults { stall_after_chunks: Some(1), ..Faults::default() };
        let half = Step::Send(Bytes::from_static(b"wh"));
        assert_eq!(steps(vec![Bytes::from_static(b"whole")], None, &faults), [half, Step::Hang]);
    }
}
