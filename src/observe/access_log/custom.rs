//! A line in a format of the operator's own: its parts one after the other. Nothing is allocated but what the buffer grows.
//!
//! Texts are written as HAProxy writes a request line: control bytes, bytes above 126, `"` and `#` as `#` and two hex digits.
//! Nothing that a client or a server says can end the line, or a quoted field.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderMap;

use super::{Record, ms, target};
use crate::base::calendar::Civil;
use crate::base::log_format::{Field, Flags, Part};

impl Record<'_> {
    pub(super) fn write_custom(&self, parts: &[Part], out: &mut Vec<u8>) {
        for part in parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Field(field, flags) => self.write_field(field, *flags, out),
            }
        }
        out.push(b'\n');
    }

    fn write_field(&self, field: &Field, flags: Flags, out: &mut Vec<u8>) {
        let flight = &self.in_flight;
        let tokens = &self.tokens;
        match field {
            Field::Date | Field::DateZone | Field::Time | Field::Seconds | Field::Milliseconds => {
                self.write_date(field, flags, out);
            }
            // Both are texts since the format was compiled.
            Field::Hostname | Field::ProcessId => text(out, flags, None),
            Field::RequestId => text(out, flags, bytes(self.request_id)),
            Field::ClientAddress => address(out, flags, self.client.map(|client| client.ip())),
            Field::ClientPort => port(out, flags, self.client.map(|client| client.port())),
            Field::Client => quoted(out, flags, self.client.is_some(), |out| {
                let _ = self.client.map(|client| write!(out, "{client}"));
            }),
            Field::LocalAddress => address(out, flags, self.local.map(|local| local.ip())),
            Field::LocalPort => port(out, flags, self.local.map(|local| local.port())),
            Field::Source => address(out, flags, self.src.or_else(|| self.client.map(|client| client.ip()))),
            Field::Frontend => text(out, flags, Some(self.frontend.as_bytes())),
            Field::FrontendTransport => quoted(out, flags, true, |out| {
                encoded(out, flags, self.frontend.as_bytes());
                out.extend_from_slice(if self.tls.is_some() { b"~" } else { b"" });
            }),
            Field::BackendOrFrontend => {
                text(out, flags, Some(self.backend.unwrap_or(self.frontend).as_bytes()))
            }
            Field::Backend => text(out, flags, bytes(self.backend)),
            Field::ServerOrNone => text(out, flags, Some(self.server.unwrap_or("<NOSRV>").as_bytes())),
            Field::Server => text(out, flags, bytes(self.server)),
            Field::RequestLine
            | Field::MethodOrBad
            | Field::TargetOrBad
            | Field::PathOrBad
            | Field::QueryOrBad
            | Field::ProtocolOrBad => quoted(out, flags, true, |out| self.write_line(field, flags, out)),
            Field::Method => text(out, flags, bytes(self.method)),
            Field::Target => quoted(out, flags, self.target.is_some(), |out| {
                target::masked(self.target.unwrap_or_default(), |piece| encoded(out, flags, piece));
            }),
            Field::Host => text(out, flags, self.host),
            Field::Protocol => text(out, flags, bytes(self.protocol)),
            Field::TlsVersion => text(out, flags, bytes(self.tls)),
            Field::TlsCipher => text(out, flags, bytes(self.tls_cipher)),
            Field::ClientCn => text(out, flags, bytes(self.client_cn)),
            Field::ClientDn => text(out, flags, bytes(self.client_dn)),
            Field::StatusOrMinus => match self.status {
                Some(status) => number(out, Some(u64::from(status))),
                None => out.extend_from_slice(b"-1"),
            },
            Field::Status => number(out, self.status.map(u64::from)),
            Field::BytesIn => number(out, Some(self.bytes_in)),
            Field::BytesOut => number(out, Some(self.bytes_out)),
            Field::TimeRequest => whole(out, self.request_time),
            Field::TimeQueue => whole(out, self.waited()),
            Field::TimeConnect => whole(out, self.connect_time),
            Field::TimeResponse => whole(out, self.response_time),
            Field::TimeData => whole(out, self.data_time()),
            Field::TimeActive => whole(out, Some(self.duration)),
            Field::Duration => exact(out, Some(self.duration)),
            Field::RequestTime => exact(out, self.request_time),
            Field::QueueTime => exact(out, self.queue_time),
            Field::ConnectTime => exact(out, self.connect_time),
            Field::ResponseTime => exact(out, self.response_time),
            Field::FirstByteTime => exact(out, self.first_byte_time),
            Field::FirstContentTime => exact(out, self.first_content_time),
            Field::Attempts => number(out, Some(u64::from(self.attempts))),
            Field::Retries => number(out, Some(u64::from(self.retries()))),
            Field::Hedged => flag(out, self.hedged),
            Field::TerminationShort => {
                text(out, flags, Some(self.termination.get(..2).unwrap_or("--").as_bytes()));
            }
            Field::Termination => text(out, flags, Some(self.termination.as_bytes())),
            Field::Cookie => text(out, flags, None),
            Field::Connections => number(out, Some(flight.process)),
            Field::FrontendConnections => number(out, Some(flight.frontend)),
            Field::BackendInFlight => number(out, Some(flight.backend.unwrap_or(0))),
            Field::ServerInFlight => number(out, Some(flight.server.unwrap_or(0))),
            Field::BackendQueue => number(out, Some(flight.queue.unwrap_or(0))),
            Field::ServerQueue => number(out, Some(0)),
            Field::ClientName => text(out, flags, bytes(self.client_name)),
            Field::Plan => text(out, flags, bytes(self.plan)),
            Field::ErrorCode => text(out, flags, bytes(self.error_code)),
            Field::Reason => text(out, flags, bytes(self.reason)),
            Field::Detail => text(out, flags, bytes(self.detail)),
            Field::Stream => flag(out, self.stream),
            Field::Model => text(out, flags, bytes(self.model)),
            Field::PromptTokens => number(out, tokens.prompt),
            Field::CompletionTokens => number(out, tokens.completion),
            Field::CachedTokens => number(out, tokens.cached),
            Field::ReasoningTokens => number(out, tokens.reasoning),
            Field::Cost => match tokens.cost {
                Some(cost) => {
                    let _ = write!(out, "{}.{:06}", cost / 1_000_000, cost % 1_000_000);
                }
                None => out.push(b'-'),
            },
            Field::TokensEstimated => flag(out, tokens.estimated),
            Field::RequestHeader(name) => text(out, flags, header(self.request_headers, name)),
            Field::ResponseHeader(name) => text(out, flags, header(self.response_headers, name)),
        }
    }

    fn write_date(&self, field: &Field, flags: Flags, out: &mut Vec<u8>) {
        let at = Civil::from_unix(self.at);
        // Writing to a Vec does not fail, here and below.
        let _ = match field {
            Field::Seconds if flags.hex => write!(out, "{:04X}", self.at.as_secs()),
            Field::Seconds => write!(out, "{}", self.at.as_secs()),
            Field::Milliseconds => write!(out, "{:03}", at.millisecond),
            Field::Time => at.write_rfc3339(out),
            _ => at.write_haproxy(out),
        };
        let _ = match field {
            Field::Date => write!(out, ".{:03}", at.millisecond),
            Field::DateZone => write!(out, " +0000"),
            _ => Ok(()),
        };
    }

    /// The request line, or a part of it.
    fn write_line(&self, field: &Field, flags: Flags, out: &mut Vec<u8>) {
        let (Some(method), Some(whole)) = (self.method, self.target) else {
            return out.extend_from_slice(b"<BADREQ>");
        };
        let query = whole.iter().position(|b| *b == b'?').unwrap_or(whole.len());
        let wanted = match field {
            Field::PathOrBad => whole.get(..query),
            Field::QueryOrBad => whole.get(query..),
            Field::MethodOrBad | Field::ProtocolOrBad => None,
            _ => Some(whole),
        };
        let line = matches!(field, Field::RequestLine);
        if line || matches!(field, Field::MethodOrBad) {
            encoded(out, flags, method.as_bytes());
        }
        if line {
            out.push(b' ');
        }
        target::masked(wanted.unwrap_or_default(), |piece| encoded(out, flags, piece));
        if line && self.protocol.is_some() {
            out.push(b' ');
        }
        if line || matches!(field, Field::ProtocolOrBad) {
            encoded(out, flags, self.protocol.unwrap_or_default().as_bytes());
        }
    }

    /// From the head of the answer to the end: HAProxy's Td.
    fn data_time(&self) -> Option<Duration> {
        let before = [self.request_time, self.waited(), self.connect_time, self.response_time];
        let before = before.into_iter().sum::<Option<Duration>>()?;
        Some(self.duration.saturating_sub(before))
    }
}

fn bytes(text: Option<&str>) -> Option<&[u8]> {
    text.map(str::as_bytes)
}

fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a [u8]> {
    headers?.get_all(name).iter().next_back().map(http::HeaderValue::as_bytes)
}

fn text(out: &mut Vec<u8>, flags: Flags, value: Option<&[u8]>) {
    let value = value.unwrap_or_default();
    quoted(out, flags, !value.is_empty(), |out| encoded(out, flags, value));
}

/// What is not there is `-`, or nothing between quotes.
fn quoted(out: &mut Vec<u8>, flags: Flags, known: bool, write: impl FnOnce(&mut Vec<u8>)) {
    if flags.quote {
        out.push(b'"');
    }
    match known {
        true => write(out),
        false if !flags.quote => out.push(b'-'),
        false => {}
    }
    if flags.quote {
        out.push(b'"');
    }
}

fn encoded(out: &mut Vec<u8>, flags: Flags, value: &[u8]) {
    if !flags.escape {
        return target::haproxy(out, value);
    }
    for piece in value.split_inclusive(|b| matches!(b, b'\\' | b']')) {
        match piece.split_last() {
            Some((last @ (b'\\' | b']'), before)) => {
                target::haproxy(out, before);
                out.extend_from_slice(&[b'\\', *last]);
            }
            _ => target::haproxy(out, piece),
        }
    }
}

fn address(out: &mut Vec<u8>, flags: Flags, address: Option<IpAddr>) {
    let _ = match address {
        Some(IpAddr::V4(ip)) if flags.hex => write!(out, "{:08X}", ip.to_bits()),
        Some(IpAddr::V6(ip)) if flags.hex => write!(out, "{:032X}", ip.to_bits()),
        address => {
            quoted(out, flags, address.is_some(), |out| {
                let _ = address.map(|ip| write!(out, "{ip}"));
            });
            Ok(())
        }
    };
}

fn port(out: &mut Vec<u8>, flags: Flags, port: Option<u16>) {
    let _ = match port {
        Some(port) if flags.hex => write!(out, "{port:04X}"),
        Some(port) => write!(out, "{port}"),
        None => write!(out, "-"),
    };
}

fn number(out: &mut Vec<u8>, number: Option<u64>) {
    let _ = match number {
        Some(number) => write!(out, "{number}"),
        None => write!(out, "-"),
    };
}

fn flag(out: &mut Vec<u8>, flag: bool) {
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}

/// Whole milliseconds, as HAProxy has them.
fn whole(out: &mut Vec<u8>, time: Option<Duration>) {
    let _ = write!(out, "{}", ms(time));
}

/// Milliseconds with three decimals.
fn exact(out: &mut Vec<u8>, time: Option<Duration>) {
    let _ = match time.map(|time| time.as_micros()) {
        Some(micros) => write!(out, "{}.{:03}", micros / 1000, micros % 1000),
        None => write!(out, "-"),
    };
}
