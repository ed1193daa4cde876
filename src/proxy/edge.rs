//! Where Pingora hands a request over: a `ProxyHttp` whose request filter is the whole proxy. Pingora's own upstream
//! phases never run.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use pingora::modules::http::HttpModules;
use pingora::prelude::{HttpPeer, ProxyHttp, Session};
use pingora::proxy::FailToProxy;
use pingora::{Error, ErrorType};

use crate::auth::Identity;
use crate::base::clock::{self, Tick};
use crate::listen::connection::{Door, Entry, Refusal};
use crate::observe::protocol_errors::{self, Culprit, ProtocolError};
use crate::observe::stats::FrontendStats;
use crate::outcome::Outcome;
use crate::pool::balance::hash;
use crate::proxy::context::{Context, Times};
use crate::proxy::meter::Meter;
use crate::proxy::upstream_request::FORWARDED_FOR;
use crate::proxy::worker::Worker;
use crate::proxy::{balance_key, break_off, connection_rules, finish, request};
use crate::rewrite::forwarded_for;
use crate::rewrite::request_id::RequestId;
use crate::runtime::snapshot::Snapshot;
use crate::stick::Tracked;
use crate::transport::client::Client;
use crate::transport::socket::{LAST_ACKNOWLEDGEMENTS, NOWHERE};

/// The requests of one bind on one worker thread.
#[derive(Clone)]
pub struct Edge {
    pub worker: Arc<Worker>,
    /// Position in [`crate::runtime::snapshot::Snapshot::binds`].
    pub bind: usize,
}

/// How long the rest of a request body may take that nobody wants any more.
const DRAIN: Duration = Duration::from_secs(2);

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> pingora::Result<bool> {
        let session = session.as_downstream_mut();
        // Its default would cut `timeouts.client` at a minute; we time every wait ourselves.
        session.set_read_timeout(None);
        session.set_total_drain_timeout(Some(DRAIN));
        // Every stream of ours carries its client.
        let client = Client::of(session.digest()).unwrap_or_else(nobody);
        let headers = &session.req_header().headers;
        let snapshot = self.worker.shared.store.load_for(|| number(&client, headers));
        let mut context = self.begin(client, RequestId::of(headers), snapshot);
        context.src = src(&context, headers);
        session.set_write_timeout(Some(context.frontend().client));
        let outcome = request::run(&mut context, session).await;
        let whole = ends_clean(outcome) && !context.undelivered;
        if !whole && !session.is_http2() && !context.client.is_forgotten() {
            break_off(session).await;
        }
        finish::run(context, session, outcome);
        if outcome == Outcome::SilentlyDropped {
            pingora_timeout::sleep(LAST_ACKNOWLEDGEMENTS).await;
        }
        if whole { Ok(true) } else { Error::e_explain(ErrorType::InternalError, "ended without an end") }
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Error::e_explain(ErrorType::InternalError, "the request filter serves every request")
    }

    /// Everything was said and logged by the request filter.
    async fn fail_to_proxy(&self, _: &mut Session, _: &Error, _: &mut ()) -> FailToProxy {
        FailToProxy { error_code: 0, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _: &Session, _: &(), _: &Error) -> bool {
        true
    }
}

impl Edge {
    /// Counts a connection that ends for what its client did, and gives it its line in the log.
    fn connection(
        &self,
        peer: SocketAddr,
        reason: &'static str,
        why: &str,
        count: impl FnOnce(&FrontendStats),
    ) {
        let snapshot = self.worker.snapshot();
        let frontend = &snapshot.frontends[snapshot.binds[self.bind].frontend];
        count(&frontend.stats);
        finish::log_connection(&self.worker, frontend, peer, reason, why);
    }

    fn begin(&self, client: Arc<Client>, id: RequestId, snapshot: Arc<Snapshot>) -> Context {
        let frontend = snapshot.binds[self.bind].frontend;
        let now = self.worker.now();
        let session = snapshot.frontends[frontend].stats.request(now);
        Context {
            worker: self.worker.clone(),
            frontend,
            src: client.peer.ip().to_canonical(),
            tracked: tracked(&client, &snapshot, now),
            client,
            id,
            identity: Identity::Anonymous,
            asker: None,
            permit: None,
            figures: None,
            retry_after: None,
            budget_anew: None,
            header_steps: Vec::new(),
            original_target: None,
            reported: (0, 0),
            backend: None,
            server: None,
            slot: None,
            attempts: 0,
            hedged: false,
            judged: false,
            call: None,
            usage: None,
            meter: Meter::Off,
            wallet: None,
            live: None,
            repeatable: false,
            times: Times::begin(),
            status: None,
            streamed: false,
            undelivered: false,
            answer_fault: None,
            monitor: false,
            _session: session,
            backend_session: None,
            server_session: None,
            snapshot,
        }
    }
}

/// The entries that the connection tracks, as far as the tables are still those of the configuration; they count the
/// request.
fn tracked(client: &Client, snapshot: &Snapshot, now: Tick) -> Vec<(usize, Arc<Tracked>)> {
    let known = client.tracked.iter().filter_map(|tracked| {
        let index = snapshot.tables.iter().position(|table| tracked.is_of(&table.table))?;
        tracked.request(now);
        Some((index, tracked.clone()))
    });
    known.collect()
}

/// Stands for a client while a configuration is tried on some of them: its key, else its address.
fn number(client: &Client, headers: &HeaderMap) -> u64 {
    let key = headers.get(AUTHORIZATION).or_else(|| headers.get("x-api-key"));
    match key {
        Some(key) => hash::key(key.as_bytes().iter().copied()),
        None => hash::key(balance_key::octets(client.peer.ip().to_canonical())),
    }
}

/// Where the request comes from: what a trusted proxy says, else the connection's other end.
fn src(context: &Context, headers: &HeaderMap) -> IpAddr {
    match &context.frontend().forwarded_for_trust {
        Some(trust) => {
            let lines = headers.get_all(FORWARDED_FOR).iter();
            forwarded_for::client_address(context.src, lines, |address| trust.contains(address))
        }
        None => context.src,
    }
}

fn nobody() -> Arc<Client> {
    Client::new(NOWHERE, NOWHERE, None, Vec::new())
}

/// Whether the client has a whole message, so that the connection may go on.
fn ends_clean(outcome: Outcome) -> bool {
    match outcome {
        Outcome::RequestCut
        | Outcome::ClientLeft
        | Outcome::ClientLeftInAnswer
        | Outcome::ClientSilentInAnswer
        | Outcome::BadBodyInAnswer { .. }
        | Outcome::AnswerCut
        | Outcome::AnswerBroken
        | Outcome::AnswerSilent
        | Outcome::SilentlyDropped
        | Outcome::TotalTimeoutInAnswer
        | Outcome::BodyTooLargeInAnswer
        | Outcome::Tunnelled
        | Outcome::TunnelSilent
        | Outcome::Killed
        | Outcome::Stopped => false,
        Outcome::Completed
        | Outcome::Exhausted(_)
        | Outcome::Returned(_)
        | Outcome::Redirected(_)
        | Outcome::Denied(_)
        | Outcome::Tarpitted(_)
        | Outcome::BadRequest { .. }
        | Outcome::Unauthorized
        | Outcome::Limited(_)
        | Outcome::UnknownModel
        | Outcome::ModelForbidden
        | Outcome::BodyTooLarge
        | Outcome::RequestTimeout
        | Outcome::NoServer
        | Outcome::Overloaded
        | Outcome::OutOfMemory
        | Outcome::Failed(_)
        | Outcome::TotalTimeout
        | Outcome::Internal => true,
    }
}

impl Door for Edge {
    fn admit(&self, peer: SocketAddr) -> Entry {
        let snapshot = self.worker.snapshot();
        connection_rules::run(&snapshot, &snapshot.binds[self.bind], peer, self.worker.now())
    }

    fn refuse(&self, refusal: Refusal, client: &Arc<Client>, took: Duration, head: &[u8]) -> Vec<u8> {
        let outcome = match refusal {
            Refusal::Malformed(fault) => {
                Outcome::BadRequest { status: fault.status(), reason: fault.reason() }
            }
            Refusal::Http2 => Outcome::BadRequest { status: 400, reason: "h2_malformed" },
            Refusal::TooSlow => Outcome::RequestTimeout,
            Refusal::Cut => Outcome::RequestCut,
        };
        let context = self.begin(client.clone(), RequestId::new(), self.worker.snapshot());
        if let Refusal::Malformed(fault) = refusal {
            let frontend = context.frontend().name.clone();
            self.worker.shared.state.protocol_errors.keep(ProtocolError {
                at: clock::unix_time(),
                who: Culprit::Client { frontend, src: client.peer },
                reason: fault.reason(),
                why: fault.to_string(),
                sent: protocol_errors::shown(head),
            });
        }
        finish::refused(context, head, outcome, took)
    }

    fn turn_away(&self, peer: SocketAddr, reason: &'static str, why: &str) {
        self.connection(peer, reason, why, |stats| {
            stats.denied.count(reason);
            stats.refused_connections.one();
        });
    }

    fn ended(&self, peer: SocketAddr, reason: &'static str) {
        self.connection(peer, reason, "", |stats| stats.denied.count(reason));
    }

    fn handshake_failed(&self, peer: SocketAddr, why: &str) {
        self.connection(peer, "tls_handshake", why, |stats| stats.tls_failures.one());
    }
}
