//! The proxy: a `ProxyHttp` whose request filter runs a request from its head to its log line.

mod asker;
mod attempt;
mod balance_key;
mod body;
mod budget;
mod call;
mod commit;
mod connection_rules;
mod context;
mod course;
mod deliver;
mod edge;
mod exchange;
mod facts;
mod feed;
mod finish;
mod header_changes;
mod hedge;
mod judgement;
mod meter;
mod models;
mod realtime;
mod reply;
mod request;
mod rules;
mod tunnel;
mod upstream_request;
mod worker;

pub use edge::Edge;
pub use worker::{Shared, Worker};

use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::protocols::http::ServerSession;

use crate::transport::io::{Io, Reading};
use crate::transport::socket::Socket;
use crate::transport::tls::ClientTls;

/// The status of the answer whose head was written; a 1xx is none, a 101 is.
fn answered(session: &ServerSession) -> Option<u16> {
    let status = session.response_written()?.status;
    (!status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS).then_some(status.as_u16())
}

/// Which of the bytes that an HTTP/1 client sends are for the session.
fn reading(session: &ServerSession, reading: Reading) {
    on_stream(session, |plain| plain.reading(reading), |tls| tls.reading(reading));
}

/// What was wrong with the body that an HTTP/1 client sent, if something was: a label of `tidegate_denied_total`.
fn fault(session: &ServerSession) -> Option<&'static str> {
    on_stream(session, Io::fault, Io::fault).flatten()
}

/// The answer of an HTTP/1 client was broken off. Where only the end of the connection tells the end of the answer (an
/// HTTP/1.0 client, no Content-Length) it must be a reset.
async fn break_off(session: &mut ServerSession) {
    let by_close = session.response_written().is_some_and(|head| {
        !head.headers.contains_key(CONTENT_LENGTH) && !head.headers.contains_key(TRANSFER_ENCODING)
    });
    if by_close && !session.was_upgraded() {
        on_stream(session, Io::reset_when_dropped, Io::reset_when_dropped);
    } else {
        // What was written goes out, and then the connection ends without the end of the message.
        session.shutdown().await;
    }
}

fn on_stream<R>(
    session: &ServerSession,
    plain: impl FnOnce(&Io<Socket>) -> R,
    tls: impl FnOnce(&ClientTls) -> R,
) -> Option<R> {
    let stream = (**session.stream()?).as_any();
    match stream.downcast_ref::<Io<Socket>>() {
        Some(stream) => Some(plain(stream)),
        None => stream.downcast_ref::<ClientTls>().map(tls),
    }
}

/// Once a stop or a drain was ordered, an answer says that it is the last on its connection.
fn announce_stop(context: &context::Context, session: &mut ServerSession) {
    if context.worker.shared.state.says_goodbye() {
        session.set_keepalive(None);
    }
}
