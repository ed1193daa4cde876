//! The strict look at a request's head before anything interprets it: what two readers could understand differently is
//! refused. HTTP/1 heads and chunked bodies are checked on the raw bytes, HTTP/2 requests on what the framing layer made of
//! them. Owns the rules of RFC 9112 and RFC 9113 for heads and for where bodies end; not what a refused client is answered.

mod answer;
mod authority;
mod bytes;
pub mod chunk;
mod fault;
mod field;
mod follow;
mod framing;
mod h2;
mod h2_answer;
mod h2_frames;
pub mod h2_guard;
mod h2_sent;
mod head;
pub mod proxy_protocol;
mod scan;
mod target;

pub use answer::{AnswerBody, AnswerHead, check_response_head, response_head_end};
pub use authority::Authority;
pub use fault::HeadFault;
pub use follow::{AnswerFault, AnswerStream, RequestBody};
pub use framing::Framing;
pub use h2::check_h2_request;
pub use h2_answer::{LARGEST_H2_ANSWER, check_h2_answer};
pub use h2_guard::{Flood, Guard};
pub use h2_sent::{Refused, Sent};
pub use head::check_request_head;
pub use scan::head_end;

/// How large a request head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the request target; more: 414.
    pub target: usize,
    /// Bytes of the whole head; more: 431.
    pub head: usize,
    /// Bytes of all header fields; more: 431.
    pub header: usize,
    /// Header fields; more: 431.
    pub fields: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits { target: 16 * 1024, head: 32 * 1024, header: 16 * 1024, fields: 100 }
    }
}
