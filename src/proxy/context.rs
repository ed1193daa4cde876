//! One request: what is known of it, what it holds, and when things happened to it. Dropping it gives back what it
//! holds, however it ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::protocols::http::ServerSession;

use crate::acl::CounterTest;
use crate::auth::Identity;
use crate::base::clock::{self, Tick};
use crate::limit::{Figures, Permit, Wallet};
use crate::observe::stats::Session;
use crate::pool::Slot;
use crate::proxy::asker::Asker;
use crate::proxy::call::AiCall;
use crate::proxy::course::Place;
use crate::proxy::judgement;
use crate::proxy::meter::{Meter, Used};
use crate::proxy::worker::Worker;
use crate::rewrite::header::HeaderChange;
use crate::rewrite::request_id::RequestId;
use crate::runtime::snapshot::{Backend, Client as NamedClient, Frontend, NamedPlan, Server, Snapshot};
use crate::runtime::streams::Live;
use crate::stick::{Raised, Tracked};
use crate::transport::client::Client;

pub struct Context {
    pub worker: Arc<Worker>,
    pub snapshot: Arc<Snapshot>,
    pub frontend: usize,
    /// Whose connection it is.
    pub client: Arc<Client>,
    /// Where the request comes from.
    pub src: IpAddr,
    pub id: RequestId,
    pub identity: Identity,
    /// Its client, where that is counted.
    pub asker: Option<Asker>,
    /// Entries of stick tables, by the index of the table.
    pub tracked: Vec<(usize, Arc<Tracked>)>,
    pub permit: Option<Permit>,
    /// What `x-ratelimit-*` say.
    pub figures: Option<Figures>,
    pub retry_after: Option<Duration>,
    /// When the budget begins anew that has no room for it: since 1970 UTC.
    pub budget_anew: Option<Duration>,
    /// What the rules change in the header, in their order.
    pub header_steps: Vec<HeaderStep>,
    /// The target as it came, once a rule has rewritten it.
    pub original_target: Option<Box<[u8]>>,
    /// Bytes of the body, from and to the client, that the tables know of already.
    pub reported: (u64, u64),
    pub backend: Option<usize>,
    pub server: Option<usize>,
    pub slot: Option<Slot>,
    pub attempts: u32,
    /// A second server was asked at the same time.
    pub hedged: bool,
    /// The pool was told what came of the attempt.
    pub judged: bool,
    /// May be sent to a server twice.
    pub repeatable: bool,
    /// The call of an AI API that it is, where that was read.
    pub call: Option<Box<AiCall>>,
    /// Tokens of its answer, as far as they are known.
    pub usage: Option<Used>,
    /// Counts them while the answer passes.
    pub meter: Meter,
    /// What it may cost, reserved from budgets.
    pub wallet: Option<Wallet>,
    /// Its entry among those in flight.
    pub live: Option<Live>,
    pub times: Times,
    /// The answer is being sent, or was.
    pub status: Option<u16>,
    pub streamed: bool,
    /// The client did not take the whole of an answer that we made.
    pub undelivered: bool,
    /// What was wrong with a server's answer, the last that was.
    pub answer_fault: Option<&'static str>,
    /// Answered by the monitor URI: not counted, not logged.
    pub monitor: bool,
    /// Counts it among the frontend's requests in progress.
    pub _session: Session,
    /// Counts it among the backend's.
    pub backend_session: Option<Session>,
    /// Counts the attempt among the server's.
    pub server_session: Option<Session>,
}

/// Header changes of one rule that applied.
pub enum HeaderStep {
    /// As the rule has them: its index.
    Rule(usize),
    /// With what was fetched when the rule was run.
    Rendered(Vec<HeaderChange>),
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
    /// From the beginning to the first content of an event stream.
    pub first_content: Option<Duration>,
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
            first_content: None,
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

    /// The client, where the configuration names it.
    pub fn client_key(&self) -> Option<&NamedClient> {
        self.snapshot.clients.get(self.identity.client()?.place)
    }

    /// The plan of the client.
    pub fn plan(&self) -> Option<&NamedPlan> {
        self.snapshot.plans.get(self.identity.client()?.plan?)
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
        self.tracked.iter().find(|(index, _)| *index == table).map(|(_, tracked)| &**tracked)
    }

    /// Makes a place on a server its own, in place of the one it has.
    pub fn occupy(&mut self, place: Place) {
        self.leave_server();
        self.server = Some(place.slot.index());
        self.slot = Some(place.slot);
        self.server_session = Some(place.counted);
        self.judged = false;
    }

    /// Whether the server sees the client's own key.
    pub fn borrows_key(&self, session: &ServerSession) -> bool {
        self.server().is_some_and(|server| judgement::borrows_key(self, server, session.req_header()))
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

    /// How long until a counter that refused this request lets the next one pass. That one may be counted before it is
    /// tested, and to be refused is an error: there must be room for one more then.
    pub fn until_below(&self, test: CounterTest) -> Option<Duration> {
        let tracked = self.tracked(test.table)?;
        let kind = self.snapshot.tables.get(test.table)?.table.spec().counters.get(test.counter)?;
        let by_connection = self.client.tracked.iter().any(|held| std::ptr::eq(&**held, tracked));
        let one = u64::from(match kind.raised_by() {
            Raised::Request | Raised::Error => true,
            Raised::Connection => !by_connection,
            Raised::Other => false,
        });
        Some(tracked.until_below(test.counter, test.above.saturating_sub(one), self.now()))
    }
}
