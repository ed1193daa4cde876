use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::courier::{Courier, LINE, Pace};
use super::post::{Post, Times, place};
use super::watcher::Watcher;
use super::*;
use crate::alert::{Message, Outgoing, Severity};
use crate::base::clock::{self, Clock};
use crate::base::secret::Secret;
use crate::config::checked::{Alert, AlertEvent, AlertFormat};
use crate::config::load_text;
use crate::config::source::Environment;
use crate::runtime::compile::compile;
use crate::runtime::events;

const QUICK: Pace = Pace {
    times: Times { connect: Duration::from_millis(200), total: Duration::from_millis(300) },
    pauses: &[Duration::from_millis(20), Duration::from_millis(40)],
};
const SOON: Duration = Duration::from_secs(5);

/// What a receiver does with a request, in turn; the last one goes on.
#[derive(Clone, Copy)]
enum Does {
    Answer(u16),
    /// 429, and how many seconds to wait.
    Limits(u64),
    /// Reads, and says nothing.
    Hangs,
    /// Half an answer.
    Breaks,
    /// Sends a byte of its head from time to time.
    Drips,
}

/// A webhook on this machine: its address, and the bodies that it was sent.
fn webhook(does: &'static [Does]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook/very-secret", listener.local_addr().unwrap());
    let (sender, received) = channel();
    thread::spawn(move || {
        let mut turn = 0;
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some(body) = request(&mut stream) {
                let _ = sender.send(body);
                let does = does[turn.min(does.len() - 1)];
                turn += 1;
                let answer = match does {
                    Does::Answer(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\nnah!"),
                    Does::Limits(wait) => {
                        format!("HTTP/1.1 429 X\r\nretry-after: {wait}\r\ncontent-length: 0\r\n\r\n")
                    }
                    Does::Breaks => "HTTP/1.1 2".to_owned(),
                    Does::Hangs => break,
                    Does::Drips => {
                        let mut slow = stream.try_clone().unwrap();
                        thread::spawn(move || {
                            while slow.write_all(b"H").is_ok() {
                                thread::sleep(Duration::from_millis(50));
                            }
                        });
                        break;
                    }
                };
                stream.write_all(answer.as_bytes()).unwrap();
                if matches!(does, Does::Breaks) {
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                    break;
                }
            }
            open.push(stream);
        }
    });
    (address, received)
}

/// The body of the next request of a connection.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).unwrap())
}

fn alert(webhook: &str) -> Alert {
    Alert {
        webhook: Secret::new(webhook),
        format: AlertFormat::Json,
        events: vec![AlertEvent::ServerDown],
        backends: None,
        every: Duration::from_secs(300),
    }
}

fn outgoing(subject: &str) -> Outgoing {
    let message = Message {
        event: "server_down",
        severity: Severity::Error,
        resolved: false,
        at: Duration::ZERO,
        subject: subject.into(),
        text: "it is down".into(),
        key: format!("server_down:{subject}"),
        details: Vec::new(),
    };
    Outgoing { to: 1, message }
}

/// A courier, its counters, and what it gives up.
fn courier(webhook: &str) -> (Courier, Arc<State>, Receiver<Outgoing>) {
    let state = Arc::new(State::new(Clock::fake()));
    let (sender, given_up) = channel();
    let back = move |outgoing| drop(sender.send(outgoing));
    let courier = Courier::start(alert(webhook), "lb1".into(), state.clone(), QUICK, back).unwrap();
    (courier, state, given_up)
}

fn brought(does: &'static [Does]) -> (usize, Arc<State>, Option<Outgoing>) {
    let (address, received) = webhook(does);
    let (courier, state, given_up) = courier(&address);
    assert_eq!(courier.take(outgoing("ai/one")), None);
    let deadline = clock::instant() + SOON;
    let given_up = loop {
        if let Ok(outgoing) = given_up.recv_timeout(Duration::from_millis(5)) {
            break Some(outgoing);
        }
        if !state.events.alerts.sent.read().is_empty() {
            break None;
        }
        assert!(clock::instant() < deadline, "nothing came of it");
    };
    (received.try_iter().count(), state, given_up)
}

#[test]
fn a_receiver_that_takes_it_is_told_once() {
    let (requests, state, given_up) = brought(&[Does::Answer(204)]);
    assert_eq!((requests, given_up), (1, None));
    assert_eq!(state.events.alerts.sent.read(), [("json", "server_down", 1)]);
}

#[test]
fn an_error_a_broken_answer_and_a_limit_are_tried_again() {
    assert_eq!(brought(&[Does::Answer(500), Does::Answer(200)]).0, 2);
    assert_eq!(brought(&[Does::Breaks, Does::Answer(200)]).0, 2);
    assert_eq!(brought(&[Does::Limits(0), Does::Answer(408), Does::Answer(200)]).0, 3);
}

#[test]
fn a_receiver_that_asks_for_patience_gets_it() {
    let begun = clock::instant();
    assert_eq!(brought(&[Does::Limits(1), Does::Answer(200)]).0, 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    for does in [&[Does::Answer(400)], &[Does::Answer(404)], &[Does::Answer(302)]] {
        let (requests, state, given_up) = brought(does);
        assert_eq!((requests, given_up), (1, Some(outgoing("ai/one"))));
        assert_eq!(state.events.alerts.failed.read(), [("json", "server_down", 1)]);
    }
}

#[test]
fn a_receiver_that_hangs_or_drips_is_given_up_in_bounded_time() {
    for does in [&[Does::Hangs], &[Does::Drips]] {
        let begun = clock::instant();
        let (requests, _, given_up) = brought(does);
        assert_eq!((requests, given_up), (3, Some(outgoing("ai/one"))));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_line_is_bounded_and_ends_soon_however_long_it_is() {
    let (address, _received) = webhook(&[Does::Hangs]);
    let (courier, _, given_up) = courier(&address);
    let refused = (0..LINE + 10).filter(|n| courier.take(outgoing(&n.to_string())).is_some()).count();
    // The first may be on its way already.
    assert!((9..=10).contains(&refused), "{refused}");
    courier.finish();
    assert!(courier.take(outgoing("late")).is_some());
    drop(given_up);
}

#[test]
fn nobody_there_is_said_without_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alert = alert(&format!("http://{closed}/hook/very-secret?token=abcdefgh"));
    let why = Post::new(&alert, QUICK.times).send(b"{}").unwrap_err();
    assert!(why.contains("refused") && !why.contains("secret"), "{why}");
    assert_eq!(place(&alert.webhook), format!("http://{closed}"));
    assert_eq!(place(&Secret::new("https://u:p@h.example:8?x=y")), "https://h.example:8");
    let (address, _received) = webhook(&[Does::Answer(404)]);
    let answer = Post::new(&self::alert(&address), QUICK.times).send(b"{}").unwrap();
    assert_eq!((answer.status, answer.said.as_str()), (404, "nah!"));
}

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn checked(alerts: &str) -> Checked {
    let text = format!(
        "
frontends: {{web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}}}
backends: {{ai: {{servers: {{one: {{url: http://127.0.0.1:9001/v1}}}}}}}}
alerts: [{alerts}]
"
    );
    load_text(std::path::Path::new("test.yaml"), &text, &Nothing)
        .map_err(|mistakes| mistakes.to_string())
        .unwrap()
}

/// A watcher on its thread.
fn watcher(checked: &Checked) -> (Arc<Watcher>, Arc<State>) {
    let state = Arc::new(State::new(Clock::real()));
    let store = Arc::new(Store::new(compile(checked, &state).unwrap()));
    let watcher = Arc::new(Watcher::with_pace(state.clone(), store, QUICK));
    watcher.follow(checked);
    let own = watcher.clone();
    thread::spawn(move || own.run());
    (watcher, state)
}

fn json(received: &Receiver<String>) -> serde_json::Value {
    serde_json::from_str(&received.recv_timeout(SOON).unwrap()).unwrap()
}

#[test]
fn what_happens_is_told_and_a_reload_changes_to_whom() {
    let (first, to_first) = webhook(&[Does::Answer(200)]);
    let (second, to_second) = webhook(&[Does::Answer(200)]);
    let (watcher, state) = watcher(&checked(&format!("{{webhook: \"{first}\", format: json}}")));
    events::reload_refused(&state, std::path::Path::new("a.yaml"), "a.yaml:1:1: error: no");
    let told = json(&to_first);
    assert_eq!((&told["event"], &told["resolved"]), (&"reload_failed".into(), &false.into()));
    assert_eq!(told["message"], "a reload was refused, nothing has changed: a.yaml:1:1: error: no");
    assert_eq!(told["details"]["to"], "refused");
    watcher.follow(&checked(&format!("{{webhook: \"{second}\", format: slack}}")));
    events::ledger_degraded(&state, "no space left");
    let told = json(&to_second);
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("*ledger* on ") && text.contains("no space left"), "{text}");
    watcher.stop(SOON);
    assert!(to_first.try_recv().is_err());
}

#[test]
fn the_end_tells_what_is_still_to_be_told_and_waits_for_nobody_for_long() {
    let (address, received) = webhook(&[Does::Answer(200)]);
    let (watcher, state) = watcher(&checked(&format!("{{webhook: \"{address}\", format: json}}")));
    events::ledger_degraded(&state, "no space left");
    watcher.stop(SOON);
    assert_eq!(json(&received)["event"], "ledger");

    let (address, _received) = webhook(&[Does::Hangs]);
    let (watcher, state) = self::watcher(&checked(&format!("{{webhook: \"{address}\", format: json}}")));
    events::ledger_degraded(&state, "no space left");
    let begun = clock::instant();
    watcher.stop(Duration::from_millis(500));
    assert!(begun.elapsed() < Duration::from_secs(2));

    let (watcher, _) = self::watcher(&checked(""));
    let begun = clock::instant();
    watcher.stop(SOON);
    assert!(begun.elapsed() < Duration::from_secs(1), "there is nobody to wait for");
}
