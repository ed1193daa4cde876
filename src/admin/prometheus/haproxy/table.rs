//! Which of HAProxy's metrics there are, and which column of `show stat` or line of `show info` each is read from.

use crate::observe::csv::{Column, Type};
use crate::observe::exposition::Kind;

/// A line of `show info` under the exporter's name.
pub(super) struct Process {
    pub name: &'static str,
    pub kind: Kind,
    /// As `show info` calls it.
    pub fact: &'static str,
    pub help: &'static str,
}

/// A metric of frontends, backends or servers.
pub(super) struct Object {
    /// Without `haproxy_frontend_`, `haproxy_backend_` or `haproxy_server_`.
    pub name: &'static str,
    pub kind: Kind,
    pub reading: Reading,
    of: &'static [Type],
    pub help: &'static str,
}

impl Object {
    /// HAProxy has it for these objects.
    pub fn is_of(&self, object: Type) -> bool {
        self.of.contains(&object)
    }
}

/// Where the values come from.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    Plain(Column),
    /// A time: seconds here.
    Milliseconds(Column),
    /// One sample for each class of status.
    Answers,
    /// One sample for each state, 1 for the one it is in.
    State,
    /// The same of the last check; no samples without checks.
    CheckState,
    CheckCode,
    CheckTime,
    /// How many servers of the backend are in each state.
    ServersByState,
    /// How many of them had their last check come to what.
    ChecksByState,
}

use Kind::{Counter, Gauge};
use Reading::{
    Answers, CheckCode, CheckState, CheckTime, ChecksByState, Milliseconds, Plain, ServersByState, State,
};

const F: &[Type] = &[Type::Frontend];
const B: &[Type] = &[Type::Backend];
const S: &[Type] = &[Type::Server];
const FB: &[Type] = &[Type::Frontend, Type::Backend];
const FS: &[Type] = &[Type::Frontend, Type::Server];
const BS: &[Type] = &[Type::Backend, Type::Server];
const FBS: &[Type] = &[Type::Frontend, Type::Backend, Type::Server];

const fn object(
    name: &'static str,
    kind: Kind,
    reading: Reading,
    of: &'static [Type],
    help: &'static str,
) -> Object {
    Object { name, kind, reading, of, help }
}

const fn process(name: &'static str, kind: Kind, fact: &'static str, help: &'static str) -> Process {
    Process { name, kind, fact, help }
}

/// In HAProxy's order.
pub(super) const OBJECTS: &[Object] = &[
    object(
        "current_queue",
        Gauge,
        Plain(Column::Qcur),
        BS,
        "Requests that wait for a place. A backend has one queue for all its servers.",
    ),
    object("max_queue", Gauge, Plain(Column::Qmax), BS, "The most that have waited at once."),
    object(
        "current_sessions",
        Gauge,
        Plain(Column::Scur),
        FBS,
        "Connections of a frontend, requests of a backend or server, now.",
    ),
    object("max_sessions", Gauge, Plain(Column::Smax), FBS, "The most of them at once."),
    object(
        "limit_sessions",
        Gauge,
        Plain(Column::Slim),
        FS,
        "max_connections of a frontend, max_concurrent of a server.",
    ),
    object(
        "sessions_total",
        Counter,
        Plain(Column::Stot),
        FBS,
        "Connections to a frontend, requests to a backend, attempts on a server.",
    ),
    object("bytes_in_total", Counter, Plain(Column::Bin), FBS, "Bytes of requests."),
    object("bytes_out_total", Counter, Plain(Column::Bout), FBS, "Bytes of answers."),
    object("requests_denied_total", Counter, Plain(Column::Dreq), FB, "Requests that were refused."),
    object("responses_denied_total", Counter, Plain(Column::Dresp), FBS, "Answers that were refused."),
    object(
        "request_errors_total",
        Counter,
        Plain(Column::Ereq),
        F,
        "Requests that were malformed, cut or late.",
    ),
    object(
        "connection_errors_total",
        Counter,
        Plain(Column::Econ),
        BS,
        "Connections to servers that failed.",
    ),
    object("response_errors_total", Counter, Plain(Column::Eresp), BS, "Broken, cut or missing answers."),
    object("retry_warnings_total", Counter, Plain(Column::Wretr), BS, "Attempts after the first."),
    object(
        "redispatch_warnings_total",
        Counter,
        Plain(Column::Wredis),
        BS,
        "Retries that went to another server.",
    ),
    object("status", Gauge, State, FBS, "1 for the state it is in, 0 for the others."),
    object(
        "weight",
        Gauge,
        Plain(Column::Weight),
        BS,
        "The weight in force; of a backend the sum of those in use.",
    ),
    object("active_servers", Gauge, Plain(Column::Act), B, "Usable servers of the first tier."),
    object("backup_servers", Gauge, Plain(Column::Bck), B, "Usable servers of later tiers."),
    object(
        "check_failures_total",
        Counter,
        Plain(Column::Chkfail),
        S,
        "Checks that failed while the server was up.",
    ),
    object("check_up_down_total", Counter, Plain(Column::Chkdown), BS, "Times it went from up to down."),
    object("check_last_change_seconds", Gauge, Plain(Column::Lastchg), BS, "Since its state changed."),
    object("downtime_seconds_total", Counter, Plain(Column::Downtime), BS, "All the time it was down."),
    object("limit_session_rate", Gauge, Plain(Column::RateLim), F, "0: there is no such limit."),
    object("loadbalanced_total", Counter, Plain(Column::Lbtot), BS, "Times the balancer chose."),
    object("max_session_rate", Gauge, Plain(Column::RateMax), FBS, "The most sessions in a second."),
    object("check_status", Gauge, CheckState, S, "1 for what the last check came to, 0 for the others."),
    object("check_code", Gauge, CheckCode, S, "The HTTP status of the last check."),
    object("check_duration_seconds", Gauge, CheckTime, S, "What the last check took."),
    object("http_responses_total", Counter, Answers, FBS, "Answers by class."),
    object("http_requests_rate_max", Gauge, Plain(Column::ReqRateMax), F, "The most requests in a second."),
    object("http_requests_total", Counter, Plain(Column::ReqTot), FB, "Requests."),
    object("client_aborts_total", Counter, Plain(Column::CliAbrt), BS, "Requests whose client left."),
    object("server_aborts_total", Counter, Plain(Column::SrvAbrt), BS, "Requests whose server broke off."),
    object("connections_rate_max", Gauge, Plain(Column::ConnRateMax), F, "The most connections in a second."),
    object("connections_total", Counter, Plain(Column::ConnTot), F, "Connections."),
    object(
        "intercepted_requests_total",
        Counter,
        Plain(Column::Intercepted),
        F,
        "Requests answered by a rule, a redirect or monitor.",
    ),
    object(
        "denied_connections_total",
        Counter,
        Plain(Column::Dcon),
        F,
        "Connections refused before a request.",
    ),
    object(
        "last_session_seconds",
        Gauge,
        Plain(Column::Lastsess),
        BS,
        "Since the last request; -1 before the first.",
    ),
    object(
        "queue_time_average_seconds",
        Gauge,
        Milliseconds(Column::Qtime),
        BS,
        "Mean queue time of about the last 512 requests.",
    ),
    object(
        "connect_time_average_seconds",
        Gauge,
        Milliseconds(Column::Ctime),
        BS,
        "Mean connect time of about the last 512 requests.",
    ),
    object(
        "response_time_average_seconds",
        Gauge,
        Milliseconds(Column::Rtime),
        BS,
        "Mean response time of about the last 512 requests.",
    ),
    object(
        "total_time_average_seconds",
        Gauge,
        Milliseconds(Column::Ttime),
        BS,
        "Mean total time of about the last 512 requests.",
    ),
    object("connection_attempts_total", Counter, Plain(Column::Connect), BS, "New connections to servers."),
    object(
        "connection_reuses_total",
        Counter,
        Plain(Column::Reuse),
        BS,
        "Requests sent on a connection that was there.",
    ),
    object("max_queue_time_seconds", Gauge, Milliseconds(Column::QtimeMax), BS, "Longest queue time."),
    object("max_connect_time_seconds", Gauge, Milliseconds(Column::CtimeMax), BS, "Longest connect time."),
    object("max_response_time_seconds", Gauge, Milliseconds(Column::RtimeMax), BS, "Longest response time."),
    object("max_total_time_seconds", Gauge, Milliseconds(Column::TtimeMax), BS, "Longest total time."),
    object("uweight", Gauge, Plain(Column::Uweight), BS, "The weight, as weight."),
    object("agg_server_status", Gauge, ServersByState, B, "Servers by state."),
    object("agg_server_check_status", Gauge, ServersByState, B, "The same under its old name."),
    object("agg_check_status", Gauge, ChecksByState, B, "Servers by what their last check came to."),
];

/// In HAProxy's order.
pub(super) const PROCESS: &[Process] = &[
    process("haproxy_process_nbproc", Gauge, "Nbproc", "1."),
    process("haproxy_process_relative_process_id", Gauge, "Process_num", "1."),
    process("haproxy_process_uptime_seconds", Gauge, "Uptime_sec", "Since the start."),
    process("haproxy_process_max_fds", Gauge, "Ulimit-n", "File descriptors that may be open."),
    process("haproxy_process_max_connections", Gauge, "Maxconn", "Client connections that may be open."),
    process("haproxy_process_hard_max_connections", Gauge, "Hard_maxconn", "global.max_connections."),
    process("haproxy_process_current_connections", Gauge, "CurrConns", "Client connections open now."),
    process("haproxy_process_connections_total", Counter, "CumConns", "Client connections accepted."),
    process("haproxy_process_requests_total", Counter, "CumReq", "Requests."),
    process(
        "haproxy_process_current_connection_rate",
        Gauge,
        "ConnRate",
        "Client connections in the last second.",
    ),
    process(
        "haproxy_process_current_session_rate",
        Gauge,
        "ConnRate",
        "The same: a session is a connection.",
    ),
    process("haproxy_process_stopping", Gauge, "Stopping", "1 while it stops."),
    process("haproxy_process_listeners", Gauge, "Listeners", "Listening sockets."),
    process(
        "haproxy_process_dropped_logs_total",
        Counter,
        "DroppedLogs",
        "Access log lines that could not be written in time.",
    ),
    process("haproxy_process_bytes_out_total", Counter, "TotalBytesOut", "Bytes of answers."),
    process("haproxy_process_start_time_seconds", Gauge, "Start_time_sec", "When it started, since 1970."),
];
