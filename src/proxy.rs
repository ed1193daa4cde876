//! The proxy: a `ProxyHttp` whose request filter runs a request from its head to its log line.

mod attempt;
mod context;
mod deliver;
mod edge;
mod exchange;
mod facts;
mod finish;
mod reply;
mod request;
mod rules;
mod tunnel;
mod upstream_request;
mod worker;

pub use edge::Edge;
pub use worker::{Shared, Worker};

use http::StatusCode;
use pingora::protocols::http::ServerSession;
use tokio::net::TcpStream;

use crate::transport::io::Io;
use crate::transport::tls::ClientTls;

/// The status of the answer whose head was written; a 1xx is none, a 101 is.
fn answered(session: &ServerSession) -> Option<u16> {
    let status = session.response_written()?.status;
    (!status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS).then_some(status.as_u16())
}

/// The request of an HTTP/1 client has come whole: what it sends now is its next one, kept for later, and only its
/// leaving is seen. See [`Io::hold`].
fn hold(session: &ServerSession, held: bool) {
    let Some(stream) = session.stream() else { return };
    let stream = (**stream).as_any();
    if let Some(plain) = stream.downcast_ref::<Io<TcpStream>>() {
        plain.hold(held);
    } else if let Some(tls) = stream.downcast_ref::<ClientTls>() {
        tls.hold(held);
    }
}
