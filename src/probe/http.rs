//! An HTTP check: a new connection, one request, the status of its answer. TLS as for traffic.

use http::Version;
use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, USER_AGENT};
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::HttpSession;

use crate::base::clock;
use crate::config::checked::Check;
use crate::pool::health::{CheckResult, Verdict};
use crate::runtime::snapshot::Server;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::stream;

pub async fn check(check: &Check, server: &Server) -> CheckResult {
    let begun = clock::instant();
    let (verdict, code, reason) = match tokio::time::timeout(check.timeout, ask(check, server)).await {
        Ok(told) => told,
        Err(_) => {
            let reason = format!("no answer within {:?}", check.timeout);
            (Verdict::AnswerTimeout, None, reason)
        }
    };
    CheckResult { verdict, code, reason: reason.into(), took: begun.elapsed() }
}

type Told = (Verdict, Option<u16>, String);

async fn ask(check: &Check, server: &Server) -> Told {
    let stream = match connect(&server.target, None, check.timeout).await {
        Ok(stream) => stream,
        Err(e) => {
            let verdict = match e {
                ConnectError::Timeout(_) => Verdict::ConnectTimeout,
                ConnectError::Tls(_) => Verdict::TlsFailed,
                ConnectError::Unresolved(_) | ConnectError::Connect(_) => Verdict::ConnectFailed,
            };
            return (verdict, None, e.to_string());
        }
    };
    let Some(stream) = stream::expect_answer(stream, check.method.clone(), false) else {
        return (Verdict::AnswerInvalid, None, "not a connection of ours".to_owned());
    };
    let mut session = HttpSession::new(stream);
    session.write_timeout = Some(check.timeout);
    let asked = async {
        session.write_request_header(request(check, server)?).await?;
        loop {
            session.read_response().await?;
            let status = session.get_status().map_or(0, |status| status.as_u16());
            if status >= 200 {
                return Ok(status);
            }
        }
    };
    let answer: pingora::Result<u16> = asked.await;
    match answer {
        Ok(status) if check.expect.contains(&status) => {
            (Verdict::AnswerOk, Some(status), format!("status {status}"))
        }
        Ok(status) => {
            let expected: Vec<String> = check.expect.iter().map(u16::to_string).collect();
            let reason = format!("status {status}, expected {}", expected.join(" or "));
            (Verdict::AnswerUnexpected, Some(status), reason)
        }
        Err(e) => (Verdict::AnswerInvalid, None, format!("no valid answer: {}", e.etype().as_str())),
    }
}

/// `check.http.path` behind the base path. A server's own key goes along unless the check brings one.
fn request(check: &Check, server: &Server) -> pingora::Result<Box<RequestHeader>> {
    let path = format!("{}{}", server.target.base_path.as_deref().unwrap_or(""), check.path);
    let mut head = RequestHeader::build_no_case(check.method.clone(), path.as_bytes(), Some(8))?;
    head.set_version(Version::HTTP_11);
    head.insert_header(HOST, server.target.host.clone())?;
    head.insert_header(USER_AGENT, HeaderValue::from_static("tidegate-check"))?;
    head.insert_header(CONNECTION, HeaderValue::from_static("close"))?;
    if let Some(key) = &server.authorization {
        head.insert_header(AUTHORIZATION, key.clone())?;
    }
    for (name, value) in &check.headers {
        head.insert_header(name, value)?;
    }
    Ok(Box::new(head))
}
