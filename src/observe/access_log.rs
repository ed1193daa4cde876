//! One line for each request: in JSON, in HAProxy's httplog format, or in one of the operator's own. Fields are borrowed and
//! the line is written into the caller's buffer: nothing is allocated.
//!
//! The path is logged with its query, as HAProxy does; values of query parameters that carry keys (`key`, `api_key`,
//! `token`, `access_token` and the like) are written as `***`. Bodies are never logged, headers only where a format names
//! them, and never those that carry keys.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::HeaderMap;

use crate::base::calendar::Civil;

mod custom;
mod format;
mod json;
mod target;

pub use self::format::{Format, Sample, Severity, is_success};

use self::json::Object;

/// What is known of a request when it is over. Unknown is `None`, never 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// When its first byte came, since 1970 UTC.
    pub at: Duration,
    pub request_id: Option<&'a str>,
    /// `None` on a unix socket.
    pub client: Option<SocketAddr>,
    /// Where the request comes from by the word of a trusted proxy, where that is not the client's address.
    pub src: Option<IpAddr>,
    /// The address that it meant to reach; `None` on a unix socket.
    pub local: Option<SocketAddr>,
    pub frontend: &'a str,
    /// `TLSv1.3`; `None` without TLS.
    pub tls: Option<&'a str>,
    pub tls_cipher: Option<&'a str>,
    /// Of the client's certificate.
    pub client_cn: Option<&'a str>,
    pub client_dn: Option<&'a str>,
    pub backend: Option<&'a str>,
    pub server: Option<&'a str>,
    /// `None`: no request line could be read.
    pub method: Option<&'a str>,
    /// Path and query as they came, whatever bytes they are.
    pub target: Option<&'a [u8]>,
    /// `HTTP/1.1`.
    pub protocol: Option<&'a str>,
    pub host: Option<&'a [u8]>,
    /// `None`: nothing was answered.
    pub status: Option<u16>,
    /// From the client, head included.
    pub bytes_in: u64,
    /// To the client, head included.
    pub bytes_out: u64,
    /// To read the request's head (TR).
    pub request_time: Option<Duration>,
    /// Waited for a free place (Tw).
    pub queue_time: Option<Duration>,
    /// To connect to the server, the last attempt (Tc).
    pub connect_time: Option<Duration>,
    /// From the request being sent to the head of the answer, the last attempt (Tr).
    pub response_time: Option<Duration>,
    /// From the first byte of the request to the first byte of the answer.
    pub first_byte_time: Option<Duration>,
    /// From the first byte of the request to the first content of an event stream.
    pub first_content_time: Option<Duration>,
    /// From the first byte of the request to the end (Ta).
    pub duration: Duration,
    /// Tries on servers, the first included; 0 when no server was tried.
    pub attempts: u32,
    /// A second server was asked while the first was silent.
    pub hedged: bool,
    /// HAProxy's four letters: `SH--`.
    pub termination: &'a str,
    /// Who owns the key: a name, never the key.
    pub client_name: Option<&'a str>,
    pub plan: Option<&'a str>,
    /// `error.code` of an answer that tidegate made.
    pub error_code: Option<&'a str>,
    /// What exactly was wrong, or which limit it was: a label of `tidegate_denied_total`, or what was wrong with an answer.
    pub reason: Option<&'a str>,
    /// In words, where there is no request that could tell.
    pub detail: Option<&'a str>,
    /// The answer was an event stream.
    pub stream: bool,
    /// The model that was asked in the end.
    pub model: Option<&'a str>,
    pub tokens: Tokens,
    pub in_flight: InFlight,
    /// Of the request, for formats that name one.
    pub request_headers: Option<&'a HeaderMap>,
    /// Of the answer as the client got it.
    pub response_headers: Option<&'a HeaderMap>,
}

/// What a call took. Unknown is `None`, never 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    pub prompt: Option<u64>,
    pub completion: Option<u64>,
    pub cached: Option<u64>,
    pub reasoning: Option<u64>,
    /// Micro-dollars.
    pub cost: Option<u64>,
    /// The provider did not tell: they were reckoned.
    pub estimated: bool,
}

/// How many there were when the request ended, itself included: httplog's `act/fe/be/srv srvq/beq`.
#[derive(Clone, Copy, Debug, Default)]
pub struct InFlight {
    /// Connections of the process.
    pub process: u64,
    /// Connections of the frontend.
    pub frontend: u64,
    /// Requests on the backend; `None` when it reached none.
    pub backend: Option<u64>,
    /// Requests on the server; `None` when it reached none.
    pub server: Option<u64>,
    /// Requests in the backend's queue.
    pub queue: Option<u64>,
}

impl Record<'_> {
    /// One JSON object and a line feed. Keys whose value is unknown are left out. Bytes that are not UTF-8 become
    /// U+FFFD. Times are milliseconds with three decimals.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut line = Object::begin(out);
        line.time("time", Civil::from_unix(self.at));
        line.text("request_id", self.request_id);
        line.display("client", self.client);
        line.display("src", self.src);
        line.text("frontend", Some(self.frontend));
        line.text("backend", self.backend);
        line.text("server", self.server);
        line.text("method", self.method);
        line.target("path", self.target);
        line.bytes("host", self.host);
        line.text("protocol", self.protocol);
        line.text("tls", self.tls);
        line.number("status", self.status.map(u64::from));
        line.number("bytes_in", Some(self.bytes_in));
        line.number("bytes_out", Some(self.bytes_out));
        line.milliseconds("duration_ms", Some(self.duration));
        line.milliseconds("request_ms", self.request_time);
        line.milliseconds("queue_ms", self.queue_time);
        line.milliseconds("connect_ms", self.connect_time);
        line.milliseconds("response_ms", self.response_time);
        line.milliseconds("first_byte_ms", self.first_byte_time);
        line.milliseconds("first_content_ms", self.first_content_time);
        line.number("attempts", Some(u64::from(self.attempts)));
        line.number("retries", Some(u64::from(self.retries())));
        line.flag("hedged", self.hedged);
        line.text("termination", Some(self.termination));
        line.text("client_name", self.client_name);
        line.text("plan", self.plan);
        line.text("error_code", self.error_code);
        line.text("reason", self.reason);
        line.text("detail", self.detail);
        line.flag("stream", self.stream);
        line.text("model", self.model);
        line.number("prompt_tokens", self.tokens.prompt);
        line.number("completion_tokens", self.tokens.completion);
        line.number("cached_tokens", self.tokens.cached);
        line.number("reasoning_tokens", self.tokens.reasoning);
        line.millionths("cost_usd", self.tokens.cost);
        if self.tokens.estimated {
            line.flag("tokens_estimated", true);
        }
        line.number("connections", Some(self.in_flight.process));
        line.number("frontend_connections", Some(self.in_flight.frontend));
        line.number("backend_in_flight", self.in_flight.backend);
        line.number("server_in_flight", self.in_flight.server);
        line.number("backend_queue", self.in_flight.queue);
        line.end();
    }

    /// HAProxy's `option httplog` (configuration manual 8.2.3) without captures, and a line feed. Dates are UTC, a
    /// TLS frontend is marked with `~`, a stage that was not reached is -1. A request that waited for nothing has a
    /// queue time of 0, as there.
    pub fn write_httplog(&self, out: &mut Vec<u8>) {
        self.write_httplog_head(out);
        out.extend_from_slice(b" \"");
        match (self.method, self.target) {
            (Some(method), Some(target)) => {
                target::haproxy(out, method.as_bytes());
                out.push(b' ');
                target::masked(target, |piece| target::haproxy(out, piece));
                if let Some(protocol) = self.protocol {
                    out.push(b' ');
                    target::haproxy(out, protocol.as_bytes());
                }
            }
            _ => out.extend_from_slice(b"<BADREQ>"),
        }
        out.extend_from_slice(b"\"\n");
    }

    fn write_httplog_head(&self, out: &mut Vec<u8>) {
        let at = Civil::from_unix(self.at);
        let flight = &self.in_flight;
        // Writing to a Vec does not fail.
        let _ = match self.client {
            Some(client) => write!(out, "{}:{}", client.ip(), client.port()),
            None => write!(out, "unix:1"),
        };
        out.extend_from_slice(b" [");
        let _ = at.write_haproxy(out);
        let _ = write!(out, ".{:03}] ", at.millisecond);
        let secure = if self.tls.is_some() { "~" } else { "" };
        let (backend, server) = (self.backend.unwrap_or(self.frontend), self.server.unwrap_or("<NOSRV>"));
        let _ = write!(out, "{}{secure} {backend}/{server} ", self.frontend);
        let _ = write!(out, "{}/{}/", ms(self.request_time), ms(self.waited()));
        let _ = write!(out, "{}/{}/", ms(self.connect_time), ms(self.response_time));
        let status = self.status.map_or(-1, i32::from);
        let _ = write!(out, "{} {status} {} - - ", ms(Some(self.duration)), self.bytes_out);
        let _ = write!(out, "{} {}/{}/", self.termination, flight.process, flight.frontend);
        let _ = write!(out, "{}/{}/", flight.backend.unwrap_or(0), flight.server.unwrap_or(0));
        // We queue for a backend, never for one server.
        let _ = write!(out, "{} 0/{}", self.retries(), flight.queue.unwrap_or(0));
    }

    /// In a queue; a request that reached a server without one waited for nothing.
    fn waited(&self) -> Option<Duration> {
        let reached_server = self.connect_time.is_some() || self.response_time.is_some();
        self.queue_time.or(reached_server.then_some(Duration::ZERO))
    }

    fn retries(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }
}

fn ms(time: Option<Duration>) -> i128 {
    time.map_or(-1, |time| i128::try_from(time.as_millis()).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests;
