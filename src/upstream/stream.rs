//! What a connection to a server knows of the exchange on it.

use http::Method;
use pingora::protocols::Stream;
use tokio::net::TcpStream;

use crate::transport::io::{Io, Reading, Watch};
use crate::transport::tls::ServerTls;
use crate::wire::AnswerStream;

/// Prepares a connection for the answer to a request: nothing but that passes. `upgrade`: the request asks for another
/// protocol. `None`: not a connection of ours.
pub fn expect_answer(stream: Stream, method: Method, upgrade: bool) -> Option<Stream> {
    let watch = Watch::Answer(Box::new(AnswerStream::new(method, upgrade)));
    let other = match stream.into_any().downcast::<Io<TcpStream>>() {
        Ok(mut plain) => {
            plain.watch(watch);
            return Some(plain);
        }
        Err(other) => other,
    };
    let mut tls = other.downcast::<ServerTls>().ok()?;
    tls.watch(watch);
    Some(tls)
}

/// The server agreed to another protocol: from now on everything passes, both ways at once.
pub fn begin_tunnel(stream: &Stream) {
    on_stream(stream, |plain| plain.reading(Reading::Everything), |tls| tls.reading(Reading::Everything));
}

/// What was wrong with the answer, if something was.
pub fn fault(stream: &Stream) -> Option<&'static str> {
    on_stream(stream, Io::fault, Io::fault).flatten()
}

/// Whether nothing of the last exchange is left on a connection: all of the request went out, nothing came unasked.
pub fn is_clean(stream: &Stream) -> bool {
    on_stream(stream, Io::is_clean, Io::is_clean).unwrap_or(false)
}

fn on_stream<R>(
    stream: &Stream,
    plain: impl FnOnce(&Io<TcpStream>) -> R,
    tls: impl FnOnce(&ServerTls) -> R,
) -> Option<R> {
    let stream = (**stream).as_any();
    match stream.downcast_ref::<Io<TcpStream>>() {
        Some(stream) => Some(plain(stream)),
        None => stream.downcast_ref::<ServerTls>().map(tls),
    }
}
