//! The end of a request: counted, logged, and what it held given back.

mod model;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;

use crate::base::clock;
use crate::observe::access_log::{Format, InFlight, Record, is_success};
use crate::observe::stats::Traffic;
use crate::outcome::{ClientError, Outcome};
use crate::proxy::context::Context;
use crate::proxy::facts::authority;
use crate::proxy::worker::Worker;
use crate::proxy::{answered, reply};
use crate::runtime::snapshot::Frontend;
use crate::transport::socket::NOWHERE;

/// Counts and logs a request that had a head.
pub fn run(mut context: Context, session: &mut ServerSession, outcome: Outcome) {
    let now = context.now();
    let status = answered(session).or(context.status);
    let sizes = Sizes::of(session);
    for (_, tracked) in &context.tracked {
        if client_fault(outcome, status) {
            tracked.error(now);
        }
        if server_fault(outcome, status) {
            tracked.failure(now);
        }
        let (received, sent) = context.reported;
        tracked.bytes(sizes.bytes_in.saturating_sub(received), sizes.bytes_out.saturating_sub(sent), now);
        tracked.touch(now);
    }
    if let Some(permit) = &context.permit {
        permit.touch(now);
    }
    if context.monitor {
        return;
    }
    let end = End { outcome, status, sizes, duration: context.times.begun.elapsed() };
    count(&context, &end);
    log(&context, &end, Some(session));
    context.leave_server();
}

/// A request that never came to be: counts and logs it, and makes its answer.
pub fn refused(context: Context, head: &[u8], outcome: Outcome, duration: Duration) -> Vec<u8> {
    let answer = match outcome.error() {
        Some(error) => raw_answer(&context, error).unwrap_or_default(),
        None => Vec::new(),
    };
    let status = outcome.error().map(|error| error.status);
    let sizes = Sizes { bytes_in: head.len() as u64, bytes_out: answer.len() as u64 };
    let now = context.now();
    for (_, tracked) in &context.tracked {
        tracked.error(now);
        tracked.bytes(sizes.bytes_in, sizes.bytes_out, now);
    }
    let end = End { outcome, status, sizes, duration };
    count(&context, &end);
    log(&context, &end, None);
    answer
}

/// HAProxy's `http_err`: what the client did wrong, and what a server said so of.
fn client_fault(outcome: Outcome, status: Option<u16>) -> bool {
    let told = |status| (400..500).contains(&status);
    outcome.client_fault() || (outcome.answer_is_the_servers() && status.is_some_and(told))
}

/// HAProxy's `http_fail`: no proper answer, or a server's own 5xx, but for 501 and 505, which are about the request.
fn server_fault(outcome: Outcome, status: Option<u16>) -> bool {
    let own = |status| (500..600).contains(&status) && status != 501 && status != 505;
    outcome.server_fault() || (outcome.answer_is_the_servers() && status.is_some_and(own))
}

/// Tells the tables how many bytes of a long answer have moved so far: a rate that only the end raises limits nobody.
pub fn report_bytes(context: &mut Context, session: &ServerSession) {
    let (received, sent) = (session.body_bytes_read() as u64, session.body_bytes_sent() as u64);
    let (known_received, known_sent) = context.reported;
    if context.tracked.is_empty() || (received - known_received) + (sent - known_sent) < REPORTED_AT_ONCE {
        return;
    }
    context.reported = (received, sent);
    let now = context.now();
    for (_, tracked) in &context.tracked {
        tracked.bytes(received - known_received, sent - known_sent, now);
    }
}

/// Bytes of a body that may have moved before the tables hear of them.
const REPORTED_AT_ONCE: u64 = 64 * 1024;

/// The answer to what never became a request. Of the request nothing is known, not even its method: the response rules see
/// `-` and `*`.
fn raw_answer(context: &Context, error: ClientError) -> pingora::Result<Vec<u8>> {
    let (content_type, body) = reply::error_content(context, "", error);
    let mut head = ResponseHeader::build_no_case(error.status, Some(8))?;
    head.insert_header(CONTENT_TYPE, content_type)?;
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    reply::own_fields(context, &RequestHeader::build_no_case("-", b"*", Some(0))?, &mut head)?;
    head.insert_header(CONNECTION, HeaderValue::from_static("close"))?;
    let reason = head.get_reason_phrase().unwrap_or("Error");
    let mut answer = format!("HTTP/1.1 {} {reason}\r\n", error.status).into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    Ok(answer)
}

/// How it ended, and what it came to.
struct End {
    outcome: Outcome,
    status: Option<u16>,
    sizes: Sizes,
    duration: Duration,
}

/// Bytes from and to the client. Heads are counted as HTTP/1 writes them, on HTTP/2 too.
struct Sizes {
    bytes_in: u64,
    bytes_out: u64,
}

impl Sizes {
    fn of(session: &ServerSession) -> Sizes {
        let request = session.req_header();
        let line = request.method.as_str().len() + request.raw_path().len() + 12;
        let answer = session.response_written().map_or(0, |head| 17 + fields(&head.headers));
        Sizes {
            bytes_in: (line + fields(&request.headers) + session.body_bytes_read()) as u64,
            bytes_out: (answer + session.body_bytes_sent()) as u64,
        }
    }
}

fn fields(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + 2
}

fn count(context: &Context, end: &End) {
    let End { outcome, status, sizes, duration } = end;
    let (outcome, status) = (*outcome, *status);
    let frontend = context.frontend();
    let stats = &frontend.stats;
    stats.bytes_in.add(sizes.bytes_in);
    stats.bytes_out.add(sizes.bytes_out);
    stats.duration.observe(*duration);
    if let Some(status) = status {
        stats.answers.count(status);
    }
    if let Some(reason) = outcome.denied_reason() {
        stats.denied.count(reason);
    }
    match outcome {
        Outcome::Denied(_)
        | Outcome::Tarpitted(_)
        | Outcome::SilentlyDropped
        | Outcome::Unauthorized
        | Outcome::ModelForbidden
        | Outcome::Limited(_) => stats.denied_requests.one(),
        Outcome::BadRequest { .. }
        | Outcome::UnknownModel
        | Outcome::BodyTooLarge
        | Outcome::BadBodyInAnswer { .. }
        | Outcome::RequestTimeout
        | Outcome::RequestCut
        | Outcome::ClientLeft => {
            stats.bad_requests.one();
        }
        Outcome::Returned(_) | Outcome::Redirected(_) => stats.answered_here.one(),
        _ => {}
    }
    if let Some(time) = context.times.first_byte {
        stats.first_byte.observe(time);
    }
    // A refusal of our own is no answer of the server that would have been asked.
    let asked = context.server.filter(|_| outcome != Outcome::OutOfMemory);
    let cells = match (context.backend.filter(|_| context.backend_session.is_some()), asked) {
        (Some(backend), Some(server)) => {
            frontend.answers.get(backend).and_then(|servers| servers.get(server))
        }
        (Some(backend), None) => frontend.unserved.get(backend),
        _ => None,
    };
    cells.unwrap_or(&frontend.local).count(status);
    let failed = outcome.server_fault() || status.is_some_and(|status| status >= 500);
    context.worker.shared.store.count(&context.snapshot, failed, context.times.first_byte);
    model::count(context, end);
    let Some(backend) = context.backend().filter(|_| context.backend_session.is_some()) else {
        return;
    };
    if context.queued() {
        backend.stats.queued.one();
    }
    if outcome == Outcome::Overloaded {
        backend.stats.queue_refusals.one();
    }
    traffic(&backend.stats.traffic, context, end);
    if let Some(server) = context.server() {
        traffic(&server.stats.traffic, context, end);
    }
}

fn traffic(to: &Traffic, context: &Context, end: &End) {
    to.bytes_in.add(end.sizes.bytes_in);
    to.bytes_out.add(end.sizes.bytes_out);
    if let Some(status) = end.status.filter(|_| end.outcome != Outcome::OutOfMemory) {
        to.answers.count(status);
    }
    match end.outcome {
        Outcome::ClientLeft | Outcome::ClientLeftInAnswer | Outcome::ClientSilentInAnswer => {
            to.client_aborts.one();
        }
        Outcome::AnswerCut | Outcome::AnswerBroken | Outcome::AnswerSilent => {
            to.server_aborts.one();
            to.response_errors.one();
        }
        _ => {}
    }
    let times = &context.times;
    if let Some(time) = times.queued {
        to.queue_time.add(time);
    }
    if let Some(time) = times.connected {
        to.connect_time.add(time);
    }
    if let Some(time) = times.server_first_byte {
        to.response_time.add(time);
    }
    if let Some(time) = times.first_byte {
        to.first_byte.observe(time);
    }
    if let Some(time) = times.first_content {
        to.first_content.observe(time);
    }
    to.total_time.add(end.duration);
    to.duration.observe(end.duration);
}

fn log(context: &Context, end: &End, session: Option<&ServerSession>) {
    let Some(access) = &context.snapshot.access_log else { return };
    let success = is_success(end.status, end.outcome.termination());
    if success && !access.sample.takes(SUCCESSES.replace(SUCCESSES.get().wrapping_add(1))) {
        return context.worker.shared.state.sampled_out.one();
    }
    let head = session.map(ServerSession::req_header);
    let times = &context.times;
    let tls = context.client.tls.as_ref();
    let subject = tls.and_then(|tls| tls.subject.as_ref());
    let state = &context.worker.shared.state;
    let client = context.identity.client();
    let plan = client.and_then(|client| context.snapshot.plans.get(client.plan?));
    let backend = context.backend().filter(|_| context.backend_session.is_some());
    let server = context.server();
    let record = Record {
        detail: None,
        at: times.unix,
        request_id: Some(context.id.as_str()),
        client: Some(context.client.peer).filter(|peer| *peer != NOWHERE),
        src: Some(context.src).filter(|src| *src != context.client.peer.ip().to_canonical()),
        local: Some(context.client.local).filter(|local| *local != NOWHERE),
        frontend: &context.frontend().name,
        tls: tls.map(|tls| tls.version),
        tls_cipher: tls.map(|tls| tls.cipher),
        client_cn: subject.and_then(|subject| subject.common_name.as_deref()),
        client_dn: subject.map(|subject| &*subject.distinguished_name),
        backend: backend.map(|backend| &*backend.name),
        server: server.map(|server| &*server.target.name),
        method: head.map(|head| head.method.as_str()),
        target: head.map(|head| context.original_target.as_deref().unwrap_or(head.raw_path())),
        protocol: head.map(|head| protocol(head.version)),
        host: head.map(|head| authority(head).as_bytes()),
        status: end.status,
        bytes_in: end.sizes.bytes_in,
        bytes_out: end.sizes.bytes_out,
        request_time: head.map(|_| Duration::ZERO),
        queue_time: times.queued,
        connect_time: times.connected,
        response_time: times.server_first_byte,
        first_byte_time: times.first_byte,
        first_content_time: times.first_content,
        hedged: context.hedged,
        duration: end.duration,
        attempts: context.attempts,
        termination: end.outcome.termination(),
        client_name: client.map(|client| &*client.name),
        plan: plan.map(|plan| &*plan.name),
        error_code: end.outcome.error().map(|error| error.code),
        reason: end.outcome.denied_reason().or(context.answer_fault),
        stream: context.streamed,
        model: context.call.as_ref().and_then(|call| model::name(&call.model)),
        tokens: context.usage.as_ref().map(model::tokens).unwrap_or_default(),
        in_flight: InFlight {
            process: state.connections.open() as u64,
            frontend: context.frontend().stats.connections.current(),
            backend: backend.map(|backend| backend.stats.traffic.sessions.current()),
            server: server.map(|server| server.stats.traffic.sessions.current()),
            queue: backend.map(|backend| backend.pool.queue().len() as u64),
        },
        request_headers: head.map(|head| &head.headers),
        response_headers: session.and_then(ServerSession::response_written).map(|head| &head.headers),
    };
    write(&record, &context.worker, &access.format);
}

/// A connection that was ended before, or instead of, a request has its line too: who it was, and what was wrong.
pub fn log_connection(
    worker: &Worker,
    frontend: &Frontend,
    peer: SocketAddr,
    reason: &'static str,
    detail: &str,
) {
    let snapshot = worker.snapshot();
    let Some(access) = &snapshot.access_log else { return };
    let record = Record {
        at: clock::unix_time(),
        client: Some(peer).filter(|peer| *peer != NOWHERE),
        frontend: &frontend.name,
        termination: "PR--",
        reason: Some(reason),
        detail: Some(detail).filter(|detail| !detail.is_empty()),
        in_flight: InFlight {
            process: worker.shared.state.connections.open() as u64,
            frontend: frontend.stats.connections.current(),
            ..InFlight::default()
        },
        ..Record::default()
    };
    write(&record, worker, &access.format);
}

fn write(record: &Record<'_>, worker: &Worker, format: &Format) {
    LINE.with_borrow_mut(|line| {
        line.clear();
        record.write(format, line);
        worker.shared.log.write(line, record.severity());
    });
}

thread_local! {
    /// The line being written, so that none needs a buffer of its own.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Successes of this thread, for the sample.
    static SUCCESSES: Cell<u64> = const { Cell::new(0) };
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
