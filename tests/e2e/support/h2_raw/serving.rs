//! A server in exact frames, scripted over one connection at a time: it says what no library would say.

use std::sync::Arc;

use rustls::ServerConfig;

use super::{
    END_STREAM, Frame, GOAWAY, HEADERS, Next, PREFACE, block, field, frame, headers, next, settings,
};
use crate::support::upstream::{Peer, Upstream};
use crate::support::wait::DEADLINE;

/// Runs `script` for every connection, behind the preface and a SETTINGS of these pairs.
pub fn start_server(
    config: &ServerConfig,
    pairs: &'static [(u16, u32)],
    script: impl Fn(&mut Peer) + Send + Sync + 'static,
) -> Upstream {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Upstream::start_tls(Arc::new(config), move |peer| {
        let greeted = peer.connection.exactly(PREFACE.len()).is_ok_and(|preface| preface == PREFACE);
        if greeted && peer.send(settings(pairs)) {
            script(peer);
        }
    })
}

/// The stream of the next request, and whether it is whole; `None` when the other side has gone.
pub fn next_request(peer: &mut Peer) -> Option<(u32, bool)> {
    match peer_next(peer)? {
        Frame { kind: HEADERS, flags, stream, .. } => Some((stream, flags & END_STREAM != 0)),
        _ => next_request(peer),
    }
}

fn peer_next(peer: &mut Peer) -> Option<Frame> {
    match next(&mut peer.connection, DEADLINE, false) {
        Next::Frame(frame) => Some(frame),
        Next::Closed | Next::Nothing => None,
    }
}

/// The head of an answer.
pub fn head(stream: u32, end_stream: bool, status: &str, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    headers(stream, end_stream, &[field(b":status", status.as_bytes()), block(fields)].concat())
}

/// Says goodbye: streams above `last` were not touched.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}
