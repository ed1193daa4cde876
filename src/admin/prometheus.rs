//! `/metrics`, written from the cells when a scraper asks. [`FAMILIES`] is the list of all there is; a test compares it
//! with `docs/metrics.md`.

mod process;

pub(super) use process::most_files;

use crate::admin::View;
use crate::admin::collect::server_state;
use crate::admin::health::Readiness;
use crate::admin::report::ServerState;
use crate::observe::exposition::{Exposition, Family, Kind, Value};
use crate::observe::histogram;
use crate::runtime::snapshot::{Backend, Frontend, Server, Snapshot};

/// Everyone a metric is written from.
struct Source<'a> {
    view: &'a View,
    snapshot: &'a Snapshot,
}

/// One metric: its name, its help, and where its samples come from.
struct Metric {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: fn(&Source<'_>, &mut Family<'_>),
}

/// The names of all metrics, in the order of the page.
pub fn metric_names() -> Vec<&'static str> {
    FAMILIES.iter().flat_map(|group| group.iter()).map(|metric| metric.name).collect()
}

/// The whole document.
pub fn text(view: &View) -> String {
    let snapshot = view.store.load();
    let source = Source { view, snapshot: &snapshot };
    let mut page = Exposition::default();
    for metric in FAMILIES.iter().flat_map(|group| group.iter()) {
        (metric.samples)(&source, &mut page.family(metric.name, metric.kind, metric.help));
    }
    page.finish()
}

const FAMILIES: &[&[Metric]] = &[REQUESTS, FRONTENDS, BACKENDS, SERVERS, TABLES, NODE, process::PROCESS];

const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&Source<'_>, &mut Family<'_>),
) -> Metric {
    Metric { name, kind: Kind::Counter, help, samples }
}

const fn gauge(name: &'static str, help: &'static str, samples: fn(&Source<'_>, &mut Family<'_>)) -> Metric {
    Metric { name, kind: Kind::Gauge, help, samples }
}

const fn histogram(
    name: &'static str,
    help: &'static str,
    samples: fn(&Source<'_>, &mut Family<'_>),
) -> Metric {
    Metric { name, kind: Kind::Histogram, help, samples }
}

const REQUESTS: &[Metric] = &[
    counter(
        "tidegate_requests_total",
        "Requests that ended, by where they went and the status of the answer; code is \"none\" where the client left first, backend and server are empty where tidegate answered itself.",
        |source, family| {
            for ((frontend, backend, server), cells) in source.view.state.all_cells() {
                for (status, count) in cells.read() {
                    let code = status.map_or("none".to_owned(), |status| status.to_string());
                    let labels = [
                        ("frontend", &*frontend),
                        ("backend", &*backend),
                        ("server", &*server),
                        ("code", &*code),
                    ];
                    family.sample(&labels, count);
                }
            }
        },
    ),
    histogram(
        "tidegate_request_duration_seconds",
        "From the first byte of a request to the end of its answer, by the server of the last attempt.",
        |source, family| times(source, family, |server| server.stats.traffic.duration.snapshot()),
    ),
    histogram(
        "tidegate_first_byte_seconds",
        "From the first byte of a request to the first byte of its answer, by the server that answered.",
        |source, family| times(source, family, |server| server.stats.traffic.first_byte.snapshot()),
    ),
    counter(
        "tidegate_denied_total",
        "Requests and connections refused before they reached a server, by reason.",
        |source, family| {
            let mut reasons: Vec<(&'static str, u64)> = Vec::new();
            let frontends = source.view.state.all_frontend_stats();
            for (reason, count) in frontends.iter().flat_map(|stats| stats.denied.read()) {
                match reasons.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, sum)) => *sum += count,
                    None => reasons.push((reason, count)),
                }
            }
            reasons.sort_unstable();
            for (reason, count) in reasons {
                family.sample(&[("reason", reason)], count);
            }
        },
    ),
];

const FRONTENDS: &[Metric] = &[
    gauge("tidegate_connections", "Client connections open now.", |source, family| {
        frontends(source, family, |f| f.stats.connections.current());
    }),
    gauge("tidegate_connections_max", "Client connections that a frontend takes.", |source, family| {
        frontends(source, family, |f| f.max_connections as u64);
    }),
    counter("tidegate_connections_total", "Client connections accepted.", |source, family| {
        frontends(source, family, |f| f.stats.connections.total());
    }),
    counter("tidegate_tls_failures_total", "TLS handshakes with clients that failed.", |source, family| {
        frontends(source, family, |f| f.stats.tls_failures.get());
    }),
    gauge("tidegate_requests_in_flight", "Requests in progress.", |source, family| {
        frontends(source, family, |f| f.stats.requests.current());
    }),
    counter("tidegate_bytes_in_total", "Bytes received from clients, heads included.", |source, family| {
        frontends(source, family, |f| f.stats.bytes_in.get());
    }),
    counter("tidegate_bytes_out_total", "Bytes sent to clients, heads included.", |source, family| {
        frontends(source, family, |f| f.stats.bytes_out.get());
    }),
];

const BACKENDS: &[Metric] = &[
    gauge("tidegate_backend_usable_servers", "Servers that may take traffic now.", |source, family| {
        backends(source, family, |b| Some(b.pool.usable_count() as u64));
    }),
    gauge(
        "tidegate_backend_active_tier",
        "The tier that takes new requests; no sample while no server is usable.",
        |source, family| backends(source, family, |b| b.pool.active_tier().map(u64::from)),
    ),
    gauge("tidegate_queue_length", "Requests that wait for a free place on a server.", |source, family| {
        backends(source, family, |b| Some(b.pool.queue().len() as u64));
    }),
    gauge("tidegate_queue_max", "Requests that may wait.", |source, family| {
        backends(source, family, |b| Some(b.pool.queue_max() as u64));
    }),
    counter("tidegate_queued_total", "Requests that had to wait.", |source, family| {
        backends(source, family, |b| Some(b.stats.queued.get()));
    }),
    counter(
        "tidegate_queue_refusals_total",
        "Requests refused because the queue was full or the wait too long.",
        |source, family| backends(source, family, |b| Some(b.stats.queue_refusals.get())),
    ),
    counter("tidegate_retries_total", "Attempts after the first.", |source, family| {
        backends(source, family, |b| Some(b.stats.traffic.retries.get()));
    }),
    counter("tidegate_redispatches_total", "Retries that went to another server.", |source, family| {
        backends(source, family, |b| Some(b.stats.traffic.redispatches.get()));
    }),
    counter(
        "tidegate_retries_refused_total",
        "Retries that retry.budget did not afford.",
        |source, family| backends(source, family, |b| Some(b.stats.retries_refused.get())),
    ),
];

const SERVERS: &[Metric] = &[
    gauge(
        "tidegate_server_state",
        "1 for the state that a server is in, 0 for the others: up, down, drain, maint. Without a check it counts as up.",
        |source, family| {
            for backend in &source.snapshot.backends {
                for (server, member) in backend.servers.iter().zip(backend.pool.members()) {
                    let state = server_state(backend, member);
                    for known in ServerState::ALL {
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
                    if let Some(max) = member.max_concurrent {
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

const TABLES: &[Metric] = &[
    gauge("tidegate_table_entries", "Entries of a stick table.", |source, family| {
        tables(source, family, |table| table.entries() as u64);
    }),
    gauge("tidegate_table_size", "Entries that a stick table may have.", |source, family| {
        tables(source, family, |table| table.size() as u64);
    }),
    counter(
        "tidegate_table_evicted_total",
        "Entries that had to go before their time, for want of room.",
        |source, family| tables(source, family, crate::stick::Table::evicted),
    ),
    counter(
        "tidegate_table_full_total",
        "Requests that were not tracked, so not limited, because every entry was in use.",
        |source, family| tables(source, family, crate::stick::Table::full),
    ),
];

const NODE: &[Metric] = &[
    gauge("tidegate_build_info", "1; the version is a label.", |_, family| {
        family.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1u64);
    }),
    gauge("tidegate_ready", "1 while /ready answers 200: this node may take traffic.", |source, family| {
        family.sample(&[], u64::from(Readiness::of(source.view) == Readiness::Ready));
    }),
    gauge(
        "tidegate_process_connections",
        "Client connections open now, all frontends together.",
        |source, family| family.sample(&[], source.view.state.connections.open() as u64),
    ),
    gauge("tidegate_process_connections_max", "global.max_connections.", |source, family| {
        let most = source.view.state.max_connections(source.snapshot.max_connections);
        family.sample(&[], most as u64);
    }),
    gauge(
        "tidegate_body_memory_bytes",
        "Request bodies held until an answer is committed, all requests together.",
        |source, family| family.sample(&[], source.view.state.body_memory.held()),
    ),
    gauge("tidegate_body_memory_max_bytes", "global.max_body_memory.", |source, family| {
        family.sample(&[], source.snapshot.max_body_memory);
    }),
    counter(
        "tidegate_log_lines_dropped_total",
        "Access log lines that could not be written in time.",
        |source, family| family.sample(&[], (source.view.log_dropped)()),
    ),
];

fn frontends(source: &Source<'_>, family: &mut Family<'_>, value: impl Fn(&Frontend) -> u64) {
    for frontend in &source.snapshot.frontends {
        family.sample(&[("frontend", &frontend.name)], value(frontend));
    }
}

fn backends(source: &Source<'_>, family: &mut Family<'_>, value: impl Fn(&Backend) -> Option<u64>) {
    for backend in &source.snapshot.backends {
        if let Some(value) = value(backend) {
            family.sample(&[("backend", &backend.name)], value);
        }
    }
}

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

fn times(source: &Source<'_>, family: &mut Family<'_>, of: impl Fn(&Server) -> histogram::Snapshot) {
    for backend in &source.snapshot.backends {
        for server in &backend.servers {
            family.histogram(&[("backend", &backend.name), ("server", &server.target.name)], &of(server));
        }
    }
}

fn tables(source: &Source<'_>, family: &mut Family<'_>, value: impl Fn(&crate::stick::Table) -> u64) {
    for table in &source.snapshot.tables {
        family.sample(&[("table", table.table.name())], value(&table.table));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use regex::Regex;

    use super::*;

    #[test]
    fn every_metric_is_documented_and_nothing_else_is() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let entry = Regex::new(r"(?m)^\| `((?:tidegate|process)_[a-z_]+)").unwrap();
        let documented: BTreeSet<&str> =
            entry.captures_iter(&text).filter_map(|hit| hit.get(1)).map(|name| name.as_str()).collect();
        let names: BTreeSet<&str> = metric_names().into_iter().collect();
        let missing: Vec<_> = names.difference(&documented).collect();
        let gone: Vec<_> = documented.difference(&names).collect();
        assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
        assert!(gone.is_empty(), "in docs/metrics.md only: {gone:?}");
        assert_eq!(names.len(), metric_names().len(), "a name twice");
    }

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for metric in FAMILIES.iter().flat_map(|group| group.iter()) {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(
                metric.kind == Kind::Histogram,
                metric.name.ends_with("_duration_seconds") || metric.name.ends_with("_byte_seconds"),
                "{}",
                metric.name
            );
        }
    }
}
