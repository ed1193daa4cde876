//! What reached this provider: the last requests with their headers, a fingerprint of the body, and how each ended.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use hyper::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::connection::Peer;

/// Requests kept; older ones only count.
const KEPT: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    InProgress,
    /// The whole answer was handed to the connection.
    Answered,
    /// The client was gone before it had the whole answer, or before its own body was complete.
    ClientLeft,
    /// This provider broke off, as a fault told it to.
    Cut,
}

/// One request as it came in. `body_*` stand once the body is complete.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Counts from 1, over all requests to the API of this provider.
    number: u64,
    connection: u64,
    tls: bool,
    server_name: Option<String>,
    method: String,
    /// With the query.
    path: String,
    /// All values of a name, in order.
    headers: BTreeMap<String, Vec<String>>,
    body_length: Cell<Option<usize>>,
    body_sha256: RefCell<Option<String>>,
    status: Cell<Option<u16>>,
    outcome: Cell<Outcome>,
}

#[derive(Debug, Default)]
pub struct Journal {
    total: u64,
    requests: VecDeque<Rc<Entry>>,
}

/// Follows one request to its end. Dropped before another outcome is set, it says that the client left.
#[derive(Debug)]
pub struct Mark(Option<Rc<Entry>>);

impl Journal {
    pub fn open(&mut self, peer: &Peer, head: &hyper::http::request::Parts) -> Mark {
        self.total += 1;
        let entry = Rc::new(Entry {
            number: self.total,
            connection: peer.number,
            tls: peer.tls,
            server_name: peer.server_name.clone(),
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers: values(&head.headers),
            body_length: Cell::new(None),
            body_sha256: RefCell::new(None),
            status: Cell::new(None),
            outcome: Cell::new(Outcome::InProgress),
        });
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(entry.clone());
        Mark(Some(entry))
    }

    /// All of it, oldest request first.
    pub fn page(&self) -> Value {
        let requests: Vec<&Entry> = self.requests.iter().map(Rc::as_ref).collect();
        json!({"total": self.total, "requests": requests})
    }

    pub fn clear(&mut self) {
        *self = Journal::default();
    }
}

impl Mark {
    /// For what is not a request to the API.
    pub fn detached() -> Mark {
        Mark(None)
    }

    /// 0 when detached.
    pub fn number(&self) -> u64 {
        self.0.as_ref().map_or(0, |entry| entry.number)
    }

    pub fn body(&self, bytes: &[u8]) {
        if let Some(entry) = &self.0 {
            entry.body_length.set(Some(bytes.len()));
            entry.body_sha256.replace(Some(hex(&Sha256::digest(bytes))));
        }
    }

    pub fn status(&self, status: u16) {
        if let Some(entry) = &self.0 {
            entry.status.set(Some(status));
        }
    }

    pub fn set(&self, outcome: Outcome) {
        if let Some(entry) = &self.0 {
            entry.outcome.set(outcome);
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if self.0.as_ref().is_some_and(|entry| entry.outcome.get() == Outcome::InProgress) {
            self.set(Outcome::ClientLeft);
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn values(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        all.entry(name.to_string()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    all
}
