//! One request answered as the fault of the hour wants it.

use std::thread;
use std::time::Duration;

use super::chat::{self, Question};
use super::schedule::Fault;
use crate::support::http::{Connection, answer, chunk, ok};

const SLOW: Duration = Duration::from_millis(400);
const DRIPS: usize = 20;
const BETWEEN_DRIPS: Duration = Duration::from_millis(20);

/// How much of an answer was written to the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    #[default]
    Nothing,
    /// Bytes, but none of the content: of an error, all there is.
    Beginning,
    /// Some of the content, perhaps all of it, but not the end of the answer.
    Content,
    Whole,
}

/// What the connection is good for afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    GoOn,
    Close,
    Reset,
    /// Silence, until the other side leaves.
    Stall,
}

/// The parts of the right answer.
struct Right {
    head: Vec<u8>,
    /// What comes before the first content; part of the head when the answer is no stream.
    beginning: Vec<u8>,
    content: Vec<Vec<u8>>,
}

pub struct Answerer<'a> {
    pub connection: &'a mut Connection,
    pub server: &'a str,
    /// `None`: no chat completion; a check, say.
    pub question: Option<&'a Question>,
    /// Called whenever more was sent.
    pub sent: &'a mut dyn FnMut(Sent),
}

impl Answerer<'_> {
    pub fn answer(&mut self, fault: Fault) -> After {
        let stream = self.question.is_some_and(|question| question.stream);
        match fault {
            Fault::Well => self.all(),
            Fault::Slow => {
                thread::sleep(SLOW);
                self.all()
            }
            Fault::Drip => self.drip(),
            Fault::Refuse | Fault::ResetAtOnce | Fault::ResetUnanswered => After::Reset,
            Fault::CloseUnanswered => After::Close,
            Fault::ResetInHead => self.begin("HTTP/1.1 200 OK\r\ncontent-ty", After::Reset),
            Fault::StallBeforeHead => After::Stall,
            Fault::StallAfterHead if stream => self.without_content(After::Stall),
            Fault::StallAfterHead => After::Stall,
            Fault::CutBeforeContent if stream => self.without_content(After::Close),
            Fault::CutBeforeContent => After::Close,
            Fault::Garbage => self.begin("\u{1}\u{2} this is not HTTP\r\n\r\n", After::Close),
            Fault::LyingLength => self.lie(stream),
            Fault::ErrorEventFirst if stream => self.error_event(),
            Fault::ErrorEventFirst | Fault::ServerError => self.refuse(500, &[]),
            Fault::Unavailable => self.refuse(503, &[]),
            Fault::RateLimited => self.refuse(429, &[("retry-after", "1")]),
            Fault::QuotaExhausted => {
                let quota = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1s")];
                self.refuse(429, &quota)
            }
            Fault::StallAfterContent => {
                self.some_content();
                After::Stall
            }
        }
    }

    fn right(&self) -> Right {
        match self.question {
            Some(Question { id, stream: true }) => {
                let mut chunks = chat::stream_chunks(id, self.server);
                let beginning = chunks.remove(0);
                Right { head: chat::STREAM_HEAD.into(), beginning, content: chunks }
            }
            Some(Question { id, stream: false }) => Right::plain(&chat::plain_body(id, self.server)),
            None => Right::plain(r#"{"object":"list","data":[{"id":"gpt-4.1","object":"model"}]}"#),
        }
    }

    fn all(&mut self) -> After {
        let right = self.right();
        let last = right.content.len().saturating_sub(1);
        if !self.send([right.head, right.beginning].concat(), Sent::Beginning) {
            return After::Close;
        }
        for (index, part) in right.content.into_iter().enumerate() {
            if !self.send(part, if index == last { Sent::Whole } else { Sent::Content }) {
                return After::Close;
            }
        }
        After::GoOn
    }

    fn drip(&mut self) -> After {
        let right = self.right();
        let beginning = right.head.len() + right.beginning.len();
        let whole = [right.head, right.beginning, right.content.concat()].concat();
        let mut written = 0;
        for drop in whole.chunks(whole.len().div_ceil(DRIPS).max(1)) {
            written += drop.len();
            let sent = match written {
                _ if written == whole.len() => Sent::Whole,
                _ if written > beginning => Sent::Content,
                _ => Sent::Beginning,
            };
            if !self.send(drop, sent) {
                return After::Close;
            }
            thread::sleep(BETWEEN_DRIPS);
        }
        After::GoOn
    }

    fn without_content(&mut self, after: After) -> After {
        let right = self.right();
        self.begin([right.head, right.beginning].concat(), after)
    }

    fn lie(&mut self, stream: bool) -> After {
        if !stream {
            return self.begin("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}", After::Close);
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\n\r\n";
        let id = self.question.map_or("", |question| &question.id);
        let first = chat::first_event(id, self.server);
        self.begin([head, &first].concat(), After::Close)
    }

    fn error_event(&mut self) -> After {
        let event = format!("data: {}\n\n", chat::error_body("The server is overloaded"));
        let body = [chunk(event.as_bytes()), b"0\r\n\r\n".to_vec()].concat();
        self.begin([chat::STREAM_HEAD.as_bytes(), &body].concat(), After::GoOn)
    }

    fn refuse(&mut self, status: u16, headers: &[(&str, &str)]) -> After {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.begin(answer(status, &headers, chat::error_body("scripted")), After::GoOn)
    }

    fn some_content(&mut self) {
        let right = self.right();
        let content = right.content.concat();
        self.send([right.head, right.beginning].concat(), Sent::Beginning);
        self.send(&content[..content.len() / 2], Sent::Content);
    }

    fn begin(&mut self, bytes: impl AsRef<[u8]>, after: After) -> After {
        if self.send(bytes, Sent::Beginning) { after } else { After::Close }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>, sent: Sent) -> bool {
        let done = self.connection.try_send(bytes).is_ok();
        if done {
            (self.sent)(sent);
        }
        done
    }
}

impl Right {
    fn plain(body: &str) -> Right {
        let mut head = ok(body);
        let content = head.split_off(head.len() - body.len());
        Right { head, beginning: Vec::new(), content: vec![content] }
    }
}
