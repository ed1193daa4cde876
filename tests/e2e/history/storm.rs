//! Many reloads, by all doors at once, under load: nobody is cut, and every answer is true.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::House;
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::http2::Http2;
use crate::support::reload::APPLIED;
use crate::support::rude::{EVENT_STREAM_HEAD, event};
use crate::support::scratch::Scratch;
use crate::support::sse::Gate;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
acls: {stream: {path: /stream}}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    rules: [{use_backend: long, if: stream}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>}}}
  long: {servers: {one: {url: <long>}}}";

/// Events, until the gate is open; each has its number.
fn long(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::start(move |peer| {
        if peer.request().is_none() {
            return;
        }
        peer.send(EVENT_STREAM_HEAD);
        for number in 0.. {
            peer.send(event(&number.to_string()));
            if gate.passed_within(Duration::from_millis(100)) {
                break;
            }
            if !peer.going_on() {
                return;
            }
        }
        peer.send([&event("[DONE]")[..], b"0\r\n\r\n"].concat());
    })
}

/// None of its events is missing.
#[track_caller]
fn is_whole(text: &str) {
    let events: Vec<&str> = text.trim_end().split("\n\n").collect();
    let (last, before) = events.split_last().unwrap();
    assert_eq!(*last, "data: [DONE]");
    let numbered = before.iter().enumerate().all(|(number, event)| *event == format!("data: {number}"));
    assert!(numbered && before.len() > 2, "{text}");
}

#[test]
fn fifty_reloads_by_all_doors_at_once_cut_and_fail_nothing() {
    let gate = Gate::default();
    let (one, two, long) = (Upstream::named("one"), Upstream::named("two"), long(&gate));
    let (directory, authority) = (Scratch::new(), Authority::new("a"));
    let pem = authority.issue(&["tidegate.test"]).write(&directory, "front.pem").display().to_string();
    let values = [("pem", pem.as_str()), ("one", &one.url()), ("long", &long.url())];
    let edge = Edge::start_with(&Settings::default(), directory, SECTIONS, &values);
    let texts = [edge.text(), edge.text().replace(&one.url(), &two.url())];
    let tls = edge.addresses("web")[1];
    let (over, served, rounds) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (bad, writing) = (Mutex::new(Vec::<String>::new()), Mutex::new(()));
    std::thread::scope(|scope| {
        let streams: Vec<_> = (0..4)
            .map(|_| {
                let mut client = edge.open();
                client.send(Ask::get("/stream").bytes());
                scope.spawn(move || client.answer().map(|answer| (answer.whole, answer.text())))
            })
            .collect();
        let mut http2 = Http2::connect(tls, &authority, "tidegate.test");
        let stream = http2.start(&Ask::get("/stream"));
        until("all streams", || long.count() == 5);
        let note = |answer: Result<(u16, bool), String>| match answer {
            Ok((200, true)) => drop(served.fetch_add(1, Ordering::SeqCst)),
            other => bad.lock().unwrap().push(format!("{other:?}")),
        };
        let (over, edge, authority) = (&over, &edge, &authority);
        for _ in 0..12 {
            scope.spawn(move || {
                let mut client = edge.open();
                while !over.load(Ordering::SeqCst) {
                    let _ = client.try_send(Ask::chat(false).bytes());
                    let answer = client.answer().map(|answer| (answer.status(), answer.whole));
                    let gone = answer.is_none();
                    note(answer.ok_or_else(|| "cut".to_owned()));
                    if gone {
                        return;
                    }
                }
            });
        }
        for _ in 0..4 {
            scope.spawn(move || {
                let mut client = Http2::connect(tls, authority, "tidegate.test");
                while !over.load(Ordering::SeqCst) {
                    let two = [client.start(&Ask::chat(false)), client.start(&Ask::get("/v1/models"))];
                    for stream in two {
                        let answer = stream.answer().map(|answer| (answer.status(), answer.whole));
                        note(answer.map_err(|error| error.to_string()));
                    }
                }
            });
        }
        let (texts, rounds, writing) = (&texts, &rounds, &writing);
        let ordering: Vec<_> = ["signal", "socket", "command"]
            .into_iter()
            .map(|door| {
                scope.spawn(move || {
                    for _ in 0..17 {
                        let round = rounds.fetch_add(1, Ordering::SeqCst);
                        {
                            let _one_at_a_time = writing.lock().unwrap();
                            edge.writes(&texts[round % 2]);
                        }
                        match door {
                            "signal" => edge.process.signal("HUP"),
                            "socket" => drop(edge.obeys("reload")),
                            _ => drop(edge.tells(&["reload"]).good().to_owned()),
                        }
                    }
                })
            })
            .collect();
        for door in ordering {
            door.join().unwrap();
        }
        edge.writes(&texts[1]);
        edge.obeys("reload");
        assert_eq!(edge.servers(2), ["two", "two"]);
        let before = served.load(Ordering::SeqCst);
        until("requests go on", || {
            served.load(Ordering::SeqCst) > before + 50 || !bad.lock().unwrap().is_empty()
        });
        over.store(true, Ordering::SeqCst);
        gate.open();
        for stream in streams {
            let (whole, text) = stream.join().unwrap().unwrap();
            assert!(whole);
            is_whole(&text);
        }
        is_whole(&stream.answer().unwrap().text());
        assert!(!http2.has_ended());
    });
    assert_eq!(*bad.lock().unwrap(), Vec::<String>::new());
    // Signals that come together are one; what is ordered at a door is carried out for each.
    assert!(edge.told(APPLIED) >= 35, "{}", edge.told(APPLIED));
    let numbers = edge.numbers();
    assert!(numbers.windows(2).all(|two| two[0] == two[1] + 1), "no gap, none twice: {numbers:?}");
    let connections = edge.metrics().sum("tidegate_connections_total", &[("frontend", "web")]);
    assert!(connections <= 4.0 + 1.0 + 12.0 + 4.0 + 1.0, "every client kept its connection: {connections}");
}

#[test]
fn orders_that_come_together_are_each_answered() {
    let house = House::new();
    let edge = &house.edge;
    edge.writes(house.other());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..40).map(|_| scope.spawn(|| edge.obeys("reload"))).collect();
        let said: Vec<String> = all.into_iter().map(|one| one.join().unwrap()).collect();
        let changed = said.iter().filter(|said| said.contains("backends.ai.servers.one.url: ")).count();
        let same =
            said.iter().filter(|said| said.ends_with("as number 2 of the history: nothing has changed"));
        assert_eq!((changed, same.count()), (1, 39), "{said:?}");
    });
    assert_eq!(edge.numbers(), [2, 1]);
    // Several in a line are carried out in their order.
    let answer = edge.command("rollback; show history; drain; rollback 1; undrain");
    let places: Vec<_> =
        ["as number 3", "3 20", "draining: ", "number 3 of the history: nothing", "no longer draining"]
            .iter()
            .map(|part| answer.find(part).unwrap_or_else(|| panic!("no {part}: {answer}")))
            .collect();
    assert!(places.is_sorted(), "{answer}");
}

#[test]
fn order_of_one_who_leaves_is_carried_out_all_the_same() {
    let house = House::new();
    house.edge.writes(house.other());
    let mut socket = UnixStream::connect(house.edge.socket()).unwrap();
    socket.write_all(b"reload\n").unwrap();
    drop(socket);
    house.edge.says("is in force");
    house.serves("two");
    house.edge.obeys("reload");
}
