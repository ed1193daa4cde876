//! HTTP/2 towards servers (RFC 9113): a connection that carries many exchanges, and one of those.

mod drive;
mod exchange;
mod head;
mod heard;
mod link;
mod links;

#[cfg(test)]
mod tests;

pub(super) use exchange::Http2;
pub(super) use link::{Link, Place};
pub(super) use links::{Joined, Links};

use crate::upstream::session::Fault;

/// What an error of a stream, or of its connection, means for the exchange. A stream above the last one of a GOAWAY gets
/// that GOAWAY as its error, and so does a request that came after it.
fn fault(error: &h2::Error) -> Fault {
    use h2::Reason;
    let reason = error.reason();
    if error.is_remote() {
        let untouched = matches!(reason, Some(Reason::REFUSED_STREAM | Reason::HTTP_1_1_REQUIRED));
        return match error.is_reset() {
            _ if error.is_go_away() => Fault::Goodbye,
            _ if untouched => Fault::Refused,
            true => Fault::Reset,
            false => Fault::Cut,
        };
    }
    match reason {
        // Ours, for what the server sent.
        Some(Reason::FLOW_CONTROL_ERROR) if error.is_library() => Fault::Broken("flow_control"),
        Some(Reason::COMPRESSION_ERROR) if error.is_library() => Fault::Broken("compression"),
        Some(Reason::ENHANCE_YOUR_CALM) if error.is_library() => Fault::Broken("flood"),
        // A head over our limit: RFC 9113 lets us discard it.
        Some(Reason::REFUSED_STREAM) if error.is_library() => Fault::Broken("head_too_large"),
        Some(Reason::NO_ERROR | Reason::CANCEL) => Fault::Cut,
        Some(_) if error.is_library() => Fault::Broken("http2_protocol"),
        _ => Fault::Cut,
    }
}
