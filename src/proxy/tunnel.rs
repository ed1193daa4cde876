//! After a protocol upgrade (RFC 9110 7.8): bytes both ways until one side closes or both are silent for too long.

use std::time::Duration;

use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;

use crate::outcome::Outcome;
use crate::proxy::context::Context;
use crate::proxy::{finish, reading};
use crate::transport::io::Reading;

/// How long a server may go on when its client has closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub async fn run(context: &mut Context, session: &mut ServerSession, mut server: HttpSession) -> Outcome {
    reading(session, Reading::Everything);
    server.maybe_upgrade_body_writer();
    let mut silence = context.backend().map_or_else(Default::default, |backend| backend.tunnel);
    // Neither side may hold the other up for ever by not reading.
    server.write_timeout = Some(silence);
    let mut ended = false;
    loop {
        let moved = async {
            tokio::select! {
                part = server.read_body_bytes() => Ok(part),
                part = session.read_request_body(), if !ended => Err(part),
            }
        };
        match pingora_timeout::timeout(silence, moved).await {
            Ok(Ok(Ok(Some(part)))) => {
                if session.write_response_body(part, false).await.is_err() {
                    return Outcome::ClientLeftInAnswer;
                }
            }
            Ok(Err(Ok(Some(part)))) => {
                if server.write_body(&part).await.is_err() {
                    return Outcome::AnswerCut;
                }
            }
            Ok(Ok(Ok(None))) => return Outcome::Tunnelled,
            Ok(Err(Ok(None))) => {
                // The client has said all; the server may still have something to say to that.
                ended = true;
                silence = silence.min(LAST_WORDS);
            }
            Ok(Ok(Err(_))) => return Outcome::AnswerCut,
            Ok(Err(Err(_))) => return Outcome::ClientLeftInAnswer,
            Err(_) if ended => return Outcome::Tunnelled,
            Err(_) => return Outcome::TunnelSilent,
        }
        finish::report_bytes(context, session);
    }
}
