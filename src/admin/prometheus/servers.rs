//! What is told of each server.

use super::{Metric, Source, counter, gauge};
use crate::observe::exposition::{Family, Value};
use crate::pool::Status;
use crate::runtime::snapshot::{Backend, Server};

pub(super) const SERVERS: &[Metric] = &[
    gauge(
        "tidegate_server_state",
        "1 for the state that a server is in, 0 for the others. Without a check it counts as up.",
        |source, family| {
            let now = source.view.state.clock.now();
            for backend in &source.snapshot.backends {
                for (index, server) in backend.servers.iter().enumerate() {
                    let state = backend.pool.status(index, now);
                    for known in Status::ALL {
                        let labels = [
                            ("backend", &*backend.name),
                            ("server", &*server.target.name),
                            ("state", known.label()),
                        ];
                        family.sample(&labels, u64::from(state == known));
                    }
                }
            }
        },
    ),
    counter(
        "tidegate_server_changes_total",
        "Changes of a server's state, by the state that it came to.",
        |source, family| by_label(source, family, "to", |server| server.stats.changes.read()),
    ),
    counter(
        "tidegate_server_failures_total",
        "Attempts that failed by the server's fault, by what it was.",
        |source, family| by_label(source, family, "kind", |server| server.stats.failures.read()),
    ),
    gauge("tidegate_server_in_flight", "Requests on a server now.", |source, family| {
        for backend in &source.snapshot.backends {
            for (server, member) in backend.servers.iter().zip(backend.pool.members()) {
                server_sample(family, backend, server, u64::from(member.server.in_flight()));
            }
        }
    }),
    gauge(
        "tidegate_server_max_concurrent",
        "Requests that a server takes at once; no sample where there is no limit.",
        |source, family| {
            for backend in &source.snapshot.backends {
                for (server, member) in backend.servers.iter().zip(backend.pool.members()) {
                    if let Some(max) = member.limit() {
                        server_sample(family, backend, server, u64::from(max.get()));
                    }
                }
            }
        },
    ),
    gauge("tidegate_server_weight", "The weight in force.", |source, family| {
        for backend in &source.snapshot.backends {
            for (server, member) in backend.servers.iter().zip(backend.pool.members()) {
                server_sample(family, backend, server, u64::from(member.effective_weight()));
            }
        }
    }),
    counter("tidegate_server_attempts_total", "Attempts made on a server.", |source, family| {
        servers(source, family, |server| server.stats.traffic.sessions.total());
    }),
    counter(
        "tidegate_server_connect_errors_total",
        "Connections that could not be made: refused, unreachable, not resolved, too slow, TLS.",
        |source, family| servers(source, family, |server| server.stats.traffic.connect_errors.get()),
    ),
    counter(
        "tidegate_server_response_errors_total",
        "Answers that were broken, cut or missing.",
        |source, family| servers(source, family, |server| server.stats.traffic.response_errors.get()),
    ),
    counter("tidegate_server_connects_total", "New connections made to a server.", |source, family| {
        servers(source, family, |server| server.stats.traffic.connects.get())
    }),
    counter(
        "tidegate_server_reuses_total",
        "Requests sent on a connection that was already there.",
        |source, family| servers(source, family, |server| server.stats.traffic.reuses.get()),
    ),
    counter(
        "tidegate_server_bytes_in_total",
        "Bytes of the requests that a server was given.",
        |source, family| servers(source, family, |server| server.stats.traffic.bytes_in.get()),
    ),
    counter("tidegate_server_bytes_out_total", "Bytes of a server's answers.", |source, family| {
        servers(source, family, |server| server.stats.traffic.bytes_out.get());
    }),
    counter("tidegate_server_checks_total", "Health checks made.", |source, family| {
        servers(source, family, |server| server.stats.checks.get());
    }),
    counter(
        "tidegate_server_check_failures_total",
        "Health checks that failed while the server counted as up.",
        |source, family| servers(source, family, |server| server.stats.check_failures.get()),
    ),
    counter("tidegate_server_downs_total", "Times a server went from up to down.", |source, family| {
        let now = source.view.state.clock.now();
        servers(source, family, |server| server.stats.traffic.availability.read(now).times_down);
    }),
    counter("tidegate_server_down_seconds_total", "All the time a server was down.", |source, family| {
        let now = source.view.state.clock.now();
        servers(source, family, |server| server.stats.traffic.availability.read(now).downtime.as_secs_f64());
    }),
];

fn servers<V: Into<Value>>(source: &Source<'_>, family: &mut Family<'_>, value: impl Fn(&Server) -> V) {
    for backend in &source.snapshot.backends {
        for server in &backend.servers {
            server_sample(family, backend, server, value(server));
        }
    }
}

fn server_sample(family: &mut Family<'_>, backend: &Backend, server: &Server, value: impl Into<Value>) {
    family.sample(&[("backend", &backend.name), ("server", &server.target.name)], value);
}

/// Only what happened has a sample.
fn by_label(
    source: &Source<'_>,
    family: &mut Family<'_>,
    label: &str,
    counts: impl Fn(&Server) -> Vec<(&'static str, u64)>,
) {
    for backend in &source.snapshot.backends {
        for server in &backend.servers {
            for (value, count) in counts(server) {
                let names = [("backend", &*backend.name), ("server", &*server.target.name), (label, value)];
                family.sample(&names, count);
            }
        }
    }
}
