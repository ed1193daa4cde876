//! Where Pingora hands a request over: a `ProxyHttp` whose request filter is the whole proxy. Pingora's own upstream
//! phases never run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::modules::http::HttpModules;
use pingora::prelude::{HttpPeer, ProxyHttp, Session};
use pingora::proxy::FailToProxy;
use pingora::{Error, ErrorType};

use crate::auth::Identity;
use crate::listen::connection::{Refusal, Refusals};
use crate::outcome::Outcome;
use crate::proxy::context::{Context, Times};
use crate::proxy::worker::Worker;
use crate::proxy::{break_off, finish, request};
use crate::rewrite::request_id::RequestId;

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
        let mut context = self.begin(
            session.client_addr().and_then(|address| address.as_inet()).copied(),
            session.digest().and_then(|digest| digest.ssl_digest.clone()),
            RequestId::of(&session.req_header().headers),
        );
        session.set_write_timeout(Some(context.frontend().client));
        let outcome = request::run(&mut context, session).await;
        let whole = ends_clean(outcome);
        if !whole && !session.is_http2() {
            break_off(session).await;
        }
        finish::run(context, session, outcome);
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
    fn begin(
        &self,
        peer: Option<SocketAddr>,
        tls: Option<Arc<pingora::protocols::tls::SslDigest>>,
        id: RequestId,
    ) -> Context {
        let snapshot = self.worker.snapshot();
        let frontend = snapshot.binds[self.bind].frontend;
        let peer = peer.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        let now = self.worker.now();
        let session = snapshot.frontends[frontend].stats.request(now);
        Context {
            worker: self.worker.clone(),
            frontend,
            peer,
            src: peer.ip().to_canonical(),
            tls,
            id,
            identity: Identity::Anonymous,
            tracked: Vec::new(),
            permit: None,
            figures: None,
            retry_after: None,
            header_rules: Vec::new(),
            backend: None,
            server: None,
            slot: None,
            attempts: 0,
            times: Times::begin(),
            status: None,
            streamed: false,
            monitor: false,
            _session: session,
            backend_session: None,
            server_session: None,
            snapshot,
        }
    }
}

/// Whether the client has a whole message, so that the connection may go on.
fn ends_clean(outcome: Outcome) -> bool {
    match outcome {
        Outcome::ClientLeft
        | Outcome::ClientLeftInAnswer
        | Outcome::AnswerCut
        | Outcome::AnswerSilent
        | Outcome::TotalTimeoutInAnswer
        | Outcome::BodyTooLargeInAnswer
        | Outcome::Tunnelled
        | Outcome::Stopped => false,
        Outcome::Completed
        | Outcome::Returned(_)
        | Outcome::Redirected(_)
        | Outcome::Denied(_)
        | Outcome::BadRequest { .. }
        | Outcome::Unauthorized
        | Outcome::Limited(_)
        | Outcome::BodyTooLarge
        | Outcome::RequestTimeout
        | Outcome::NoServer
        | Outcome::Overloaded
        | Outcome::Failed(_)
        | Outcome::TotalTimeout
        | Outcome::Internal => true,
    }
}

impl Refusals for Edge {
    fn refuse(&self, refusal: Refusal, peer: SocketAddr, took: Duration, head: &[u8]) -> Vec<u8> {
        let outcome = match refusal {
            Refusal::Malformed(fault) => {
                Outcome::BadRequest { status: fault.status(), reason: fault.reason() }
            }
            Refusal::TooSlow => Outcome::RequestTimeout,
            Refusal::Cut => Outcome::ClientLeft,
        };
        let context = self.begin(Some(peer), None, RequestId::new());
        finish::refused(context, head, outcome, took)
    }

    fn handshake_failed(&self) {
        let snapshot = self.worker.snapshot();
        snapshot.frontends[snapshot.binds[self.bind].frontend].stats.tls_failures.one();
    }
}
