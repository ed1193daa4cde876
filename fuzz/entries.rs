//! What is fuzzed: one function for each kind of bytes that come from outside. It takes any bytes, never panics in the
//! code under test, and asserts what must hold whatever the bytes are. libFuzzer runs them (`targets/`), and
//! `tests/fuzz.rs` runs them over the seeds, the regressions and random changes of both.

pub mod access_log;
pub mod acl_expression;
pub mod ai_multipart;
pub mod ai_request;
pub mod authority;
pub mod chunk;
pub mod config;
pub mod event_stream;
pub mod forwarded_for;
pub mod h2_guard;
pub mod h2_request;
pub mod hop_by_hop;
pub mod path;
pub mod proxy_protocol;
pub mod request_head;
pub mod response_head;
pub mod rewrite_path;
pub mod stream_meter;

mod pieces;
mod reference;

/// A target: its name, which is also that of its directories, and what it runs.
pub type Entry = (&'static str, fn(&[u8]));

/// All targets, by name.
pub const ENTRIES: &[Entry] = &[
    ("access_log", access_log::run),
    ("acl_expression", acl_expression::run),
    ("ai_multipart", ai_multipart::run),
    ("ai_request", ai_request::run),
    ("authority", authority::run),
    ("chunk", chunk::run),
    ("config", config::run),
    ("event_stream", event_stream::run),
    ("forwarded_for", forwarded_for::run),
    ("h2_guard", h2_guard::run),
    ("h2_request", h2_request::run),
    ("hop_by_hop", hop_by_hop::run),
    ("path", path::run),
    ("proxy_protocol", proxy_protocol::run),
    ("request_head", request_head::run),
    ("response_head", response_head::run),
    ("rewrite_path", rewrite_path::run),
    ("stream_meter", stream_meter::run),
];
