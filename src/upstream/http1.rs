//! An exchange on an HTTP/1.1 connection, by Pingora's session over our own stream, which judges the answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::{Error, ErrorType};

use crate::base::clock::Tick;
use crate::runtime::target::Target;
use crate::transport::io::Nonsense;
use crate::upstream::connect::Want;
use crate::upstream::connections::Connections;
use crate::upstream::session::Fault;
use crate::upstream::stream::{self, Line};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How much earlier than the server we close an idle connection.
const MARGIN: Duration = Duration::from_secs(1);

pub(super) struct Http1 {
    session: HttpSession,
    target: Arc<Target>,
    /// Where the connection belongs: to the addresses that the name had when it was chosen.
    pool: u64,
    /// Whether the whole request went out; `None`: not yet tried.
    finished: Option<bool>,
    /// The server takes no more.
    stopped: bool,
}

impl Http1 {
    pub fn new(line: Line, pool: u64, target: &Arc<Target>, want: &Want<'_>) -> Http1 {
        let stream = line.expect_answer(want.method.clone(), want.upgrade);
        Http1 {
            session: HttpSession::new(stream),
            target: target.clone(),
            pool,
            finished: None,
            stopped: false,
        }
    }

    pub async fn send_head(&mut self, head: Box<RequestHeader>, end: bool) -> Result<(), Fault> {
        if let Err(e) = self.session.write_request_header(head).await {
            return Err(fault(&e));
        }
        if end {
            self.finished = Some(self.session.finish_body().await.is_ok());
        }
        Ok(())
    }

    pub async fn send_part(&mut self, part: &[u8], patience: Duration) -> bool {
        self.session.write_timeout = Some(patience);
        if !self.stopped && self.session.write_body(part).await.is_err() {
            self.stopped = true;
        }
        !self.stopped
    }

    pub async fn finish(&mut self, patience: Duration) -> bool {
        if self.finished.is_none() && !self.stopped {
            let finished = pingora_timeout::timeout(patience, self.session.finish_body()).await;
            let finished = matches!(finished, Ok(Ok(_)));
            self.finished = Some(finished);
            self.stopped = !finished;
        }
        !self.stopped
    }

    pub async fn read_head(&mut self) -> Result<(), Fault> {
        match self.session.read_response().await {
            Ok(_) => Ok(()),
            Err(e) => Err(fault(&e)),
        }
    }

    pub fn head(&self) -> Option<&ResponseHeader> {
        self.session.resp_header()
    }

    pub async fn read_body(&mut self) -> Result<Option<&[u8]>, Fault> {
        self.session.read_body_ref().await.map_err(|e| fault(&e))
    }

    pub fn body_done(&mut self) -> bool {
        self.session.is_body_done()
    }

    pub fn was_upgraded(&self) -> bool {
        self.session.was_upgraded()
    }

    pub async fn give_back(mut self, connections: &Connections, now: Tick) {
        self.session.respect_keepalive();
        if self.target.send_proxy
            || self.finished != Some(true)
            || self.stopped
            || !self.session.will_keepalive()
            || !stream::is_clean(self.session.stream())
        {
            return;
        }
        let until = now + self.idle_timeout();
        if let Some(line) = self.session.reuse().await.and_then(Line::of) {
            connections.put(self.pool, &self.target, line, until);
        }
    }

    /// Ours, or a little less than the server's own, where it tells.
    fn idle_timeout(&self) -> Duration {
        let told = self.session.get_header(KEEP_ALIVE).and_then(|value| told_timeout(value.as_bytes()));
        match told {
            Some(told) => self.target.idle_timeout.min(told.saturating_sub(MARGIN).max(MARGIN)),
            None => self.target.idle_timeout,
        }
    }

    pub fn into_inner(self) -> HttpSession {
        self.session
    }
}

/// `Keep-Alive: timeout=5, max=1000`: 5 s.
fn told_timeout(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| Duration::from_secs(seconds))
    })
}

/// What an error of Pingora's means. What our own stream refused is named by it.
fn fault(error: &Error) -> Fault {
    let cause = error.root_cause().downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match cause.and_then(|cause| cause.downcast_ref::<Nonsense>()) {
        Some(Nonsense(reason)) => Fault::Broken(reason),
        None if *error.etype() == ErrorType::InvalidHTTPHeader => Fault::Broken("invalid_head"),
        None => Fault::Cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_how_long_it_keeps_a_connection() {
        let told = |value: &str| told_timeout(value.as_bytes()).map(|told| told.as_secs());
        assert_eq!(told("timeout=5"), Some(5));
        assert_eq!(told("max=100, Timeout = 15"), Some(15));
        assert_eq!(told("timeout=\"7\""), Some(7));
        assert_eq!(told("timeout=x"), None);
        assert_eq!(told("max=3"), None);
    }
}
