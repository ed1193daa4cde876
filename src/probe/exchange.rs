//! One check over the network: a new connection, one request, one answer; all of it within `check.timeout`. TLS and the
//! version of HTTP as for traffic.

use std::borrow::Cow;
use std::time::Duration;

use http::{Method, Version};
use pingora::http::RequestHeader;

use super::expect::{BODY_LIMIT, Expectation, Judgement};
use super::request::Request;
use crate::base::clock;
use crate::config::checked::{self, CheckKind};
use crate::pool::health::{CheckResult, Verdict};
use crate::runtime::snapshot::Server;
use crate::upstream::connect::{self, ConnectError, Want};
use crate::upstream::session::{Fault, Session};

/// The check of a backend, ready to be made on any of its servers.
pub struct Check {
    question: Option<Question>,
    timeout: Duration,
    down_above: Option<Duration>,
}

/// What is asked over a connection; a TCP check asks nothing.
struct Question {
    request: Request,
    expected: Expectation,
}

/// What a check waits for, so that it can be said when it waited in vain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Connection,
    Answer,
    Body,
}

struct Told {
    verdict: Verdict,
    code: Option<u16>,
    reason: Cow<'static, str>,
}

impl Told {
    fn new(verdict: Verdict, reason: impl Into<Cow<'static, str>>) -> Told {
        Told { verdict, code: None, reason: reason.into() }
    }
}

impl Check {
    pub fn new(check: &checked::Check) -> Check {
        let question = match &check.kind {
            CheckKind::Http(http) => {
                let expected = Expectation::of_http(http);
                Some(Question { request: Request::of_http(http, expected.needs_body()), expected })
            }
            CheckKind::Chat(chat) => {
                Some(Question { request: Request::of_chat(chat), expected: Expectation::of_chat(chat) })
            }
            CheckKind::Tcp => None,
        };
        Check { question, timeout: check.timeout, down_above: check.down_above }
    }

    /// Asks a server once. Takes no longer than `check.timeout`, whatever the server does.
    pub async fn make(&self, server: &Server) -> CheckResult {
        let begun = clock::instant();
        let mut waiting = Waiting::Connection;
        let told = tokio::time::timeout(self.timeout, self.ask(server, &mut waiting)).await;
        let told = told.unwrap_or_else(|_| self.timed_out(waiting));
        let took = begun.elapsed();
        let Told { verdict, code, reason } = self.in_time(told, took);
        CheckResult { verdict, code, reason, took }
    }

    async fn ask(&self, server: &Server, waiting: &mut Waiting) -> Told {
        let method = self.question.as_ref().map_or(&Method::GET, |question| &question.request.method);
        let want = Want { method, upgrade: false, fresh: false, client: None };
        let mut session = match connect::open(&server.target, &want, self.timeout).await {
            Ok(session) => session,
            Err(error) => return not_connected(&error),
        };
        let Some(question) = &self.question else {
            let reason = if server.target.tls.is_some() { "connected, TLS is well" } else { "connected" };
            return Told::new(Verdict::ConnectOk, reason);
        };
        *waiting = Waiting::Answer;
        match question.put(server, &mut session, self.timeout, waiting).await {
            Ok(told) => told,
            Err(fault) => Told::new(Verdict::AnswerInvalid, no_answer(&fault)),
        }
    }

    fn timed_out(&self, waiting: Waiting) -> Told {
        let timeout = self.timeout;
        match waiting {
            Waiting::Connection => {
                Told::new(Verdict::ConnectTimeout, format!("no connection within {timeout:?}"))
            }
            Waiting::Answer => Told::new(Verdict::AnswerTimeout, format!("no answer within {timeout:?}")),
            Waiting::Body => {
                Told::new(Verdict::AnswerTimeout, format!("no end of the answer within {timeout:?}"))
            }
        }
    }

    /// A good answer that came too late is none.
    fn in_time(&self, told: Told, took: Duration) -> Told {
        let Some(limit) = self.down_above.filter(|limit| took > *limit && told.verdict.passed()) else {
            return told;
        };
        let (verdict, what) = match told.verdict {
            Verdict::ConnectOk => (Verdict::ConnectTimeout, "connected"),
            _ => (Verdict::AnswerTimeout, "answered"),
        };
        let took = Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let reason = format!("{what} in {took:?}, more than down_above {limit:?}");
        Told { verdict, reason: reason.into(), ..told }
    }
}

impl Question {
    async fn put(
        &self,
        server: &Server,
        session: &mut Session,
        patience: Duration,
        waiting: &mut Waiting,
    ) -> Result<Told, Fault> {
        let Ok(head) = self.head(server) else {
            // The configuration lets no such path pass.
            return Ok(Told::new(Verdict::AnswerInvalid, "`check.http.path` makes no valid request"));
        };
        let body = self.request.body.as_ref();
        session.send_head(head, body.is_none()).await?;
        if let Some(body) = body
            && session.send_part(body, patience).await
        {
            // What it has to say when it takes no more, it may have said already.
            session.finish(patience).await;
        }
        let (status, judged) = loop {
            session.read_head().await?;
            let Some(head) = session.head() else { return Err(Fault::Cut) };
            let status = head.status.as_u16();
            if status >= 200 {
                break (status, self.expected.head(status, &head.headers));
            }
        };
        let judged = match judged {
            Some(judged) => judged,
            None => {
                *waiting = Waiting::Body;
                match whole_body(session).await? {
                    Some(body) => self.expected.body(status, &body),
                    None => Judgement::WrongContent(format!(
                        "body is larger than {} MB, what is expected must come before",
                        BODY_LIMIT >> 20
                    )),
                }
            }
        };
        let (verdict, reason) = match judged {
            Judgement::Passed(reason) => (Verdict::AnswerOk, reason),
            Judgement::WrongStatus(reason) => (Verdict::AnswerUnexpected, reason.into()),
            Judgement::WrongContent(reason) => (Verdict::AnswerInvalid, reason.into()),
        };
        Ok(Told { verdict, code: Some(status), reason })
    }

    fn head(&self, server: &Server) -> pingora::Result<Box<RequestHeader>> {
        let path = self.request.path(server.target.base_path.as_deref());
        let mut head = RequestHeader::build_no_case(self.request.method.clone(), path.as_bytes(), Some(8))?;
        head.set_version(Version::HTTP_11);
        let headers = self.request.headers(&server.target.host, server.authorization.as_ref());
        for (name, value) in &headers {
            head.insert_header(name, value)?;
        }
        Ok(Box::new(head))
    }
}

/// `None`: it is larger than [`BODY_LIMIT`].
async fn whole_body(session: &mut Session) -> Result<Option<Vec<u8>>, Fault> {
    let mut body = Vec::new();
    while let Some(part) = session.read_body().await? {
        if body.len() + part.len() > BODY_LIMIT {
            return Ok(None);
        }
        body.extend_from_slice(part);
    }
    Ok(Some(body))
}

fn not_connected(error: &ConnectError) -> Told {
    let verdict = match error {
        ConnectError::Timeout(_) => Verdict::ConnectTimeout,
        ConnectError::Tls(_) | ConnectError::NoHttp2 | ConnectError::Http2(_) => Verdict::TlsFailed,
        ConnectError::Unresolved(_) | ConnectError::Connect(_) => Verdict::ConnectFailed,
    };
    Told::new(verdict, error.to_string())
}

fn no_answer(fault: &Fault) -> Cow<'static, str> {
    match fault {
        Fault::Refused => "the server refused the request on HTTP/2".into(),
        Fault::Goodbye => "the server closed the connection on HTTP/2 before the request".into(),
        Fault::Cut => "the connection ended before the answer did".into(),
        Fault::Reset => "the server reset the request on HTTP/2".into(),
        Fault::Broken(what) => format!("no valid answer: {what}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn check(down_above: Option<Duration>) -> Check {
        Check { question: None, timeout: 3 * SECOND, down_above }
    }

    #[test]
    fn a_good_answer_above_down_above_is_a_failed_check() {
        let check = check(Some(2 * SECOND));
        let judged = |verdict, ms| {
            let told = Told { verdict, code: Some(200), reason: "status 200".into() };
            let told = check.in_time(told, Duration::from_millis(ms));
            (told.verdict, told.code, told.reason.into_owned())
        };
        assert_eq!(judged(Verdict::AnswerOk, 2000), (Verdict::AnswerOk, Some(200), "status 200".to_owned()));
        let late = "answered in 2.3s, more than down_above 2s".to_owned();
        assert_eq!(judged(Verdict::AnswerOk, 2300), (Verdict::AnswerTimeout, Some(200), late));
        let late = "connected in 2.001s, more than down_above 2s".to_owned();
        assert_eq!(judged(Verdict::ConnectOk, 2001), (Verdict::ConnectTimeout, Some(200), late));
        let wrong = (Verdict::AnswerUnexpected, Some(200), "status 200".to_owned());
        assert_eq!(judged(Verdict::AnswerUnexpected, 2300), wrong);
    }

    #[test]
    fn without_down_above_only_the_timeout_holds() {
        let told = check(None).in_time(Told::new(Verdict::AnswerOk, "status 200"), 9 * SECOND);
        assert!(told.verdict.passed());
    }

    #[test]
    fn who_waits_in_vain_says_what_for() {
        let said = |waiting| {
            let told = check(None).timed_out(waiting);
            (told.verdict, told.reason.into_owned())
        };
        let expected = (Verdict::ConnectTimeout, "no connection within 3s".to_owned());
        assert_eq!(said(Waiting::Connection), expected);
        assert_eq!(said(Waiting::Answer), (Verdict::AnswerTimeout, "no answer within 3s".to_owned()));
        assert_eq!(said(Waiting::Body).0, Verdict::AnswerTimeout);
    }
}
