//! `max_concurrent` while clients leave, time out, are cut, retried and hedged: never more at a server, and every place is
//! given back.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use socket2::SockRef;

use super::site::Site;
use crate::support::chaos::chat;
use crate::support::chaos::schedule::Chance;
use crate::support::http::{Connection, answer, ok};
use crate::support::upstream::{Peer, Upstream};
use crate::support::wait::until;

const MAX: usize = 3;

/// A server that counts who is there at once. It does to a request what its id tells, and all at the moment.
struct Counting {
    upstream: Upstream,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    there: Mutex<Vec<(usize, TcpStream)>>,
    arrived: AtomicUsize,
    most: AtomicUsize,
}

impl Counting {
    fn start(seed: u64) -> Counting {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let upstream = Upstream::start(move |peer| {
            while let Some(request) = peer.request() {
                let number = shared.arrive(peer.connection.socket().try_clone().unwrap());
                // Of a client that left in the middle of it.
                let Some(question) = chat::question(&request) else { return shared.leave(number) };
                let chance = Chance(seed.wrapping_mul(7919).wrapping_add(number as u64));
                let goes_on = treat(peer, &question, chance, || shared.leave(number));
                shared.leave(number);
                if !goes_on {
                    return;
                }
            }
        });
        Counting { upstream, state }
    }
}

impl State {
    fn arrive(&self, socket: TcpStream) -> usize {
        let number = self.arrived.fetch_add(1, Ordering::SeqCst);
        let mut there = self.there.lock().unwrap();
        there.push((number, socket));
        // Who left may not have been noticed yet.
        there.retain(|(_, socket)| !has_left(socket));
        self.most.fetch_max(there.len(), Ordering::SeqCst);
        number
    }

    fn leave(&self, number: usize) {
        self.there.lock().unwrap().retain(|(other, _)| *other != number);
    }
}

fn has_left(socket: &TcpStream) -> bool {
    let socket = SockRef::from(socket);
    let mut byte = [std::mem::MaybeUninit::uninit()];
    // Linux: MSG_PEEK | MSG_DONTWAIT.
    match socket.recv_with_flags(&mut byte, 0x2 | 0x40) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// One request; `leaving` is called before the last byte of an answer. False: the connection is done with.
fn treat(peer: &mut Peer, question: &chat::Question, mut chance: Chance, leaving: impl Fn()) -> bool {
    sleep(Duration::from_millis(chance.below(30)));
    let head = chat::STREAM_HEAD;
    match chance.below(14) {
        0 => peer.wait_until_left(),
        1 => return false,
        2 => {
            leaving();
            return peer.send(answer(503, &[], chat::error_body("scripted")));
        }
        // An error whose end never comes.
        3 => {
            peer.send("HTTP/1.1 503 Scripted\r\ncontent-length: 100\r\n\r\n{");
            peer.wait_until_left();
        }
        4 if question.stream => {
            peer.send(head);
            peer.wait_until_left();
        }
        5 if question.stream => {
            let chunks = chat::stream_chunks(&question.id, "s");
            peer.send([head.as_bytes(), &chunks[..3].concat()].concat());
            return false;
        }
        6 if question.stream => {
            let chunks = chat::stream_chunks(&question.id, "s");
            peer.send([head.as_bytes(), &chunks[..3].concat()].concat());
            peer.wait_until_left();
        }
        _ if question.stream => {
            let mut chunks = chat::stream_chunks(&question.id, "s");
            let last = chunks.pop().unwrap();
            if !peer.send([head.as_bytes(), &chunks.concat()].concat()) {
                return false;
            }
            sleep(Duration::from_millis(chance.below(30)));
            leaving();
            return peer.send(last);
        }
        _ => {
            leaving();
            return peer.send(ok(chat::plain_body(&question.id, "s")));
        }
    }
    false
}

/// Asks, and leaves at some time or waits for the end.
fn fickle(site: &Site, number: u64) {
    let mut chance = Chance(number);
    let (id, stream) = (format!("{number}"), chance.below(3) > 0);
    let ask = chat::ask(&id, stream);
    let patience = Duration::from_millis(chance.below(120));
    match chance.below(6) {
        0..3 => {
            let mut connection = Connection::open(site.plain());
            connection.send(ask.bytes());
            let _ = connection.answer();
        }
        3 => {
            let mut connection = Connection::open(site.plain());
            connection.send(ask.bytes());
            connection.ended_within(patience);
            if chance.below(2) == 0 {
                connection.reset_when_dropped();
            }
        }
        4 => {
            // In the middle of its request.
            let mut connection = Connection::open(site.plain());
            let bytes = ask.bytes();
            connection.send(&bytes[..bytes.len() - 5]);
            connection.ended_within(patience);
        }
        _ => {
            let mut connection = site.http2();
            let (one, two) = (connection.start(&ask), connection.start(&ask));
            sleep(patience);
            one.reset();
            if chance.below(2) == 0 {
                let _ = two.answer();
            }
        }
    }
}

#[test]
fn never_more_than_max_concurrent_and_every_place_comes_back() {
    let servers: Vec<Counting> = (0..2).map(Counting::start).collect();
    let lines: String = servers
        .iter()
        .enumerate()
        .map(|(index, server)| {
            format!("      s{index}: {{url: {}, max_concurrent: {MAX}}}\n", server.upstream.url())
        })
        .collect();
    let site = &Site::start(&format!(
        "
    breaker: off
    eject: off
    cooldown: off
    hedge: {{quantile: 50%, at_least: 1ms, budget: 100%}}
    retry: {{attempts: 3, backoff: 1ms..20ms, budget: 100%}}
    timeouts: {{queue: 300ms, first_byte: 90ms, first_content: 90ms, server: 90ms, total: 1s}}
    servers:
{lines}"
    ));
    // Few at first, so that there is room for hedges, then a crowd.
    for (lanes, clients) in [(4, 0..150), (50, 150..400)] {
        std::thread::scope(|scope| {
            for lane in 0..lanes {
                let numbers = clients.clone().filter(move |number| number % lanes == lane);
                scope.spawn(move || numbers.for_each(|number| fickle(site, number)));
            }
        });
    }
    site.is_at_rest();
    let metrics = site.edge.metrics();
    eprintln!(
        "arrived {:?}, hedges {} (and {} refused, {} begun), retries {}",
        servers.iter().map(|server| server.state.arrived.load(Ordering::SeqCst)).collect::<Vec<_>>(),
        metrics.sum("tidegate_hedges_total", &[]),
        metrics.sum("tidegate_hedges_refused_total", &[]),
        metrics.sum("tidegate_first_content_seconds_count", &[]),
        metrics.sum("tidegate_retries_total", &[]),
    );
    for server in &servers {
        assert_eq!(server.state.most.load(Ordering::SeqCst), MAX, "at once, at most");
        until("who left has left the server too", || server.state.there.lock().unwrap().is_empty());
    }
}
