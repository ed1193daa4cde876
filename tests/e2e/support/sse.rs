//! Event streams of the AI APIs, event by event, and servers that send them as a test wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::http::{Ask, chunk};
use super::rude::EVENT_STREAM_HEAD;
use super::upstream::{Peer, Upstream};
use super::wait::now;

/// The first event of a chat completion: it says nothing yet.
pub const ROLE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";

/// The last events of a chat completion.
pub const END: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A piece of a chat completion.
pub fn content(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The events of a whole chat completion.
pub fn completion(text: &str) -> String {
    [ROLE, &content(text), END].concat()
}

/// The head of a chunked event stream and these events in one chunk, without the end of the body.
pub fn begun(events: &str) -> Vec<u8> {
    let mut bytes = EVENT_STREAM_HEAD.as_bytes().to_vec();
    if !events.is_empty() {
        bytes.extend_from_slice(&chunk(events.as_bytes()));
    }
    bytes
}

/// The same with the end of the body.
pub fn whole(events: &str) -> Vec<u8> {
    [begun(events).as_slice(), b"0\r\n\r\n"].concat()
}

/// A server that answers everything with a completion that says `text`.
pub fn well(text: &str) -> Upstream {
    streams(&completion(text))
}

/// A server that answers everything with a whole stream of these events.
pub fn streams(events: &str) -> Upstream {
    let bytes = whole(events);
    Upstream::replying(move |_| bytes.clone())
}

/// A streamed request to one of the APIs.
pub fn streamed(path: &str) -> Ask {
    Ask::post(path, r#"{"model":"m","stream":true,"max_tokens":9,"messages":[],"input":"hi","prompt":"hi"}"#)
        .header("content-type", "application/json")
}

/// Something that a server waits for and the test lets happen.
#[derive(Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn shut(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether it is open within `time`; a server that sends meanwhile looks whether its test is over by itself.
    pub fn passed_within(&self, time: Duration) -> bool {
        let end = now() + time;
        while !self.0.load(Ordering::SeqCst) {
            if now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Waits in a server's script. False: the other side has left, which is counted, or the test is over.
    pub fn passed_by(&self, peer: &mut Peer) -> bool {
        loop {
            if self.0.load(Ordering::SeqCst) {
                return true;
            }
            if !peer.going_on() {
                return false;
            }
            if peer.connection.ended_within(Duration::from_millis(5)) {
                peer.wait_until_left();
                return false;
            }
        }
    }
}
