//! A server that does what the test says next, and how the edge sees it: its state, and the events it caused.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::edge::Edge;
use super::http::{answer, ok};
use super::upstream::{Peer, Upstream};
use super::wait::{eventually, until};

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Sends these bytes and keeps the connection.
    Says(Vec<u8>),
    /// Sends these bytes, however few, and closes.
    Ends(Vec<u8>),
    /// Sends these bytes and stands still.
    Stalls(Vec<u8>),
    /// Nothing, until it is told to do something else: then that.
    Holds,
}

pub struct Fickle {
    pub upstream: Upstream,
    name: &'static str,
    orders: Arc<Orders>,
}

struct Orders {
    now: Mutex<Does>,
    changed: Condvar,
}

impl Fickle {
    /// Answers with its name until told otherwise.
    pub fn new(name: &'static str) -> Fickle {
        let orders = Arc::new(Orders { now: Mutex::new(well(name)), changed: Condvar::new() });
        let shared = Arc::clone(&orders);
        let upstream = Upstream::start(move |peer| while shared.serve(peer) {});
        Fickle { upstream, name, orders }
    }

    pub fn url(&self) -> String {
        self.upstream.url()
    }

    pub fn count(&self) -> usize {
        self.upstream.count()
    }

    pub fn does(&self, what: Does) {
        *self.orders.now.lock().unwrap() = what;
        self.orders.changed.notify_all();
    }

    /// Answers with its name.
    pub fn recovers(&self) {
        self.does(well(self.name));
    }

    /// Answers with this status.
    pub fn fails(&self, status: u16) {
        self.answers(status, &[]);
    }

    pub fn answers(&self, status: u16, headers: &[(&str, &str)]) {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.does(Does::Says(answer(status, &headers, r#"{"error":{"message":"scripted"}}"#)));
    }

    pub fn holds(&self) {
        self.does(Does::Holds);
    }
}

impl Orders {
    fn serve(&self, peer: &mut Peer) -> bool {
        let Some(request) = peer.request() else { return false };
        match self.wait(peer) {
            _ if !request.whole => false,
            None | Some(Does::Holds) => false,
            Some(Does::Says(bytes)) => peer.send(bytes),
            Some(Does::Ends(bytes)) => {
                peer.send(bytes);
                false
            }
            Some(Does::Stalls(bytes)) => {
                peer.send(bytes);
                peer.wait_until_left();
                false
            }
        }
    }

    /// What to do, as soon as it is something; `None` when nobody waits for it any more.
    fn wait(&self, peer: &mut Peer) -> Option<Does> {
        loop {
            let now = self.now.lock().unwrap();
            if !matches!(*now, Does::Holds) {
                return Some(now.clone());
            }
            drop(self.changed.wait_timeout(now, Duration::from_millis(20)).unwrap());
            if !peer.going_on() || peer.connection.ended_within(Duration::from_millis(1)) {
                return None;
            }
        }
    }
}

fn well(name: &str) -> Does {
    Does::Says(ok(format!(r#"{{"server":"{name}"}}"#)))
}

impl Edge {
    /// `/api/v1/status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.admin_get("/api/v1/status").json()
    }

    /// The server of that name in `/api/v1/status`, of whatever backend.
    #[track_caller]
    pub fn server_status(&self, server: &str) -> Value {
        let status = self.status();
        let backends = status["backends"].as_array().unwrap();
        let mut servers = backends.iter().flat_map(|backend| backend["servers"].as_array().unwrap());
        servers
            .find(|known| known["name"] == server)
            .unwrap_or_else(|| panic!("no {server}: {status}"))
            .clone()
    }

    /// The label of its state.
    #[track_caller]
    pub fn state(&self, server: &str) -> String {
        self.server_status(server)["state"].as_str().unwrap().to_owned()
    }

    /// Waits until the server is in that state.
    #[track_caller]
    pub fn becomes(&self, server: &str, state: &str) {
        until(&format!("{server} is {state}\n{}", self.process.transcript()), || self.state(server) == state);
    }

    /// `/api/v1/events`, oldest first.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let mut events = self.admin_get("/api/v1/events").json()["events"].as_array().unwrap().clone();
        events.reverse();
        events
    }

    /// The events that brought a server into that state, oldest first.
    #[track_caller]
    pub fn events_to(&self, server: &str, state: &str) -> Vec<Value> {
        let fits = |event: &Value| event["server"] == server && event["to"] == state;
        self.events().into_iter().filter(fits).collect()
    }

    /// Waits for the first event that brought a server into that state.
    #[track_caller]
    pub fn event_to(&self, server: &str, state: &str) -> Value {
        eventually(&format!("{server} becomes {state}"), || self.events_to(server, state).into_iter().next())
    }
}
