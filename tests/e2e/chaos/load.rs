//! Clients that ask all the time, plain and streamed, over HTTP/1.1 and HTTP/2, and hold every answer against the question.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::site::Site;
use crate::support::chaos::chat;
use crate::support::chaos::schedule::Chance;
use crate::support::http::Connection;
use crate::support::wait::now;

const HTTP1: u64 = 12;
const HTTP2: u64 = 3;
/// Requests beside each other on a connection of HTTP/2.
const STREAMS: usize = 4;

pub struct Load<'a> {
    pub site: &'a Site,
    pub seed: u64,
    pub until: Instant,
}

#[derive(Default)]
pub struct Seen {
    pub answers: usize,
    /// What was wrong, with the id of the question and how long after the beginning.
    pub failures: Vec<String>,
}

impl Load<'_> {
    /// Until the time is over; `meanwhile` is called again and again.
    pub fn run(&self, mut meanwhile: impl FnMut()) -> Seen {
        let begun = now();
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..HTTP1 + HTTP2)
                .map(|number| scope.spawn(move || Client::new(self, number, begun).run(number < HTTP1)))
                .collect();
            while now() < self.until {
                meanwhile();
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut all = Seen::default();
            for client in clients {
                let seen = client.join().unwrap();
                all.answers += seen.answers;
                all.failures.extend(seen.failures);
            }
            all
        })
    }
}

struct Client<'a> {
    load: &'a Load<'a>,
    number: u64,
    chance: Chance,
    begun: Instant,
    asked: usize,
    seen: Seen,
}

impl<'a> Client<'a> {
    fn new(load: &'a Load<'a>, number: u64, begun: Instant) -> Client<'a> {
        let chance = Chance(load.seed.wrapping_mul(1000) + number);
        Client { load, number, chance, begun, asked: 0, seen: Seen::default() }
    }

    fn run(mut self, http1: bool) -> Seen {
        while now() < self.load.until {
            // What the tools of a test do not expect, they say by a panic.
            let talk = AssertUnwindSafe(|| if http1 { self.over_http1() } else { self.over_http2() });
            if let Err(panic) = catch_unwind(talk) {
                let text = panic.downcast_ref::<String>().map_or("?", String::as_str).to_owned();
                self.failed(&text);
            }
        }
        self.seen
    }

    fn failed(&mut self, why: &str) {
        let id = format!("client {}, question {}", self.number, self.asked);
        self.seen.failures.push(format!("{id} at {:.2?}: {why}", self.begun.elapsed()));
    }

    fn question(&mut self) -> (String, bool) {
        self.asked += 1;
        (format!("{}-{}", self.number, self.asked), self.chance.below(2) == 0)
    }

    fn pause(&mut self) {
        std::thread::sleep(Duration::from_millis(self.chance.below(20)));
    }

    /// One connection, kept.
    fn over_http1(&mut self) {
        let mut connection = Connection::open(self.load.site.plain());
        while now() < self.load.until {
            let (id, stream) = self.question();
            let answer = connection.ask(&chat::ask(&id, stream).header("x-request-id", &id));
            let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            self.seen.answers += 1;
            if let Err(why) = chat::check(&answer, &id) {
                self.failed(&why);
                return;
            }
            if closes {
                return;
            }
            self.pause();
        }
    }

    fn over_http2(&mut self) {
        let mut connection = self.load.site.http2();
        while now() < self.load.until && !connection.has_ended() {
            let asked: Vec<_> = (0..STREAMS)
                .map(|_| {
                    let (id, stream) = self.question();
                    (connection.start(&chat::ask(&id, stream).header("x-request-id", &id)), id)
                })
                .collect();
            for (stream, id) in asked {
                self.seen.answers += 1;
                let checked = stream.answer().map_err(|error| error.to_string());
                if let Err(why) = checked.and_then(|answer| chat::check(&answer, &id)) {
                    self.failed(&format!("{id}: {why}"));
                }
            }
            self.pause();
        }
    }
}
