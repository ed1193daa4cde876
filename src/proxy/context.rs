//! One request: what is known of it, what it holds, and when things happened to it. Dropping it gives back what it
//! holds, however it ended.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::protocols::tls::SslDigest;

use crate::acl::CounterTest;
use crate::auth::Identity;
use crate::base::clock::{self, Tick};
use crate::limit::{Figures, Permit};
use crate::observe::stats::Session;
use crate::pool::Slot;
use crate::proxy::worker::Worker;
use crate::rewrite::request_id::RequestId;
use crate::runtime::snapshot::{Backend, Frontend, Server, Snapshot};
use crate::stick::Tracked;

pub struct Context {
    pub worker: Arc<Worker>,
    pub snapshot: Arc<Snapshot>,
    pub frontend: usize,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Where the request comes from.
    pub src: IpAddr,
    pub tls: Option<Arc<SslDigest>>,
    pub id: RequestId,
    pub identity: Identity,
    /// Entries of stick tables, by the index of the table.
    pub tracked: Vec<(usize, Tracked)>,
    pub permit: Option<Permit>,
    /// What `x-ratelimit-*` say.
    pub figures: Option<Figures>,
    pub retry_after: Option<Duration>,
    /// Rules whose header changes apply, by index.
    pub header_rules: Vec<usize>,
    pub backend: Option<usize>,
    pub server: Option<usize>,
    pub slot: Option<Slot>,
    pub attempts: u32,
    pub times: Times,
    /// The answer is being sent, or was.
    pub status: Option<u16>,
    pub streamed: bool,
    /// Answered by the monitor URI: not counted, not logged.
    pub monitor: bool,
    /// Counts it among the frontend's requests in progress.
    pub _session: Session,
    /// Counts it among the backend's.
    pub backend_session: Option<Session>,
    /// Counts the attempt among the server's.
    pub server_session: Option<Session>,
}

/// When the request reached its stages.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub begun: Instant,
    pub unix: Duration,
    /// Waited for a slot.
    pub queued: Option<Duration>,
    /// Took to connect, the last attempt; zero on a connection that was there.
    pub connected: Option<Duration>,
    /// From sending the request to the server to its first byte, the last attempt.
    pub server_first_byte: Option<Duration>,
    /// From the beginning to the head of the answer.
    pub first_byte: Option<Duration>,
}

impl Times {
    pub fn begin() -> Times {
        Times {
            begun: clock::instant(),
            unix: clock::unix_time(),
            queued: None,
            connected: None,
            server_first_byte: None,
            first_byte: None,
        }
    }
}

impl Context {
    pub fn frontend(&self) -> &Frontend {
        &self.snapshot.frontends[self.frontend]
    }

    pub fn backend(&self) -> Option<&Backend> {
        self.backend.map(|i| &self.snapshot.backends[i])
    }

    pub fn server(&self) -> Option<&Server> {
        Some(&self.backend()?.servers[self.server?])
    }

    pub fn now(&self) -> Tick {
        self.worker.now()
    }

    /// What is left of `timeouts.total`; zero when it ran out.
    pub fn time_left(&self) -> Duration {
        let total = self.backend().and_then(|b| b.total).unwrap_or(self.frontend().total);
        total.saturating_sub(self.times.begun.elapsed())
    }

    pub fn tracked(&self, table: usize) -> Option<&Tracked> {
        self.tracked.iter().find(|(index, _)| *index == table).map(|(_, tracked)| tracked)
    }

    /// Gives the place on the server back; the figures first, or they would show one more than there are places.
    pub fn leave_server(&mut self) {
        self.server_session = None;
        self.slot = None;
    }

    /// Whether it had to wait for a slot.
    pub fn queued(&self) -> bool {
        self.times.queued.is_some_and(|time| !time.is_zero())
    }

    /// How long until a counter that refused this request lets the next one pass: that one counts before it is tested.
    pub fn until_below(&self, test: CounterTest) -> Option<Duration> {
        let room_for_one = test.above.saturating_sub(1);
        Some(self.tracked(test.table)?.until_below(test.counter, room_for_one, self.now()))
    }
}
