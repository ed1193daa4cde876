//! `/metrics`, written from the cells when a scraper asks. [`FAMILIES`] is the list of all there is; a test compares it
//! with `docs/metrics.md`.

mod alerts;
mod haproxy;
mod models;
mod names;
mod process;
mod servers;
mod spending;
mod standing;

pub use names::Names;
pub(super) use process::most_files;

use crate::admin::View;
use crate::admin::health::Readiness;
use crate::observe::exposition::{Exposition, Family, Kind};
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

/// The whole document, under tidegate's own names.
pub fn text(view: &View) -> String {
    let snapshot = view.store.load();
    let source = Source { view, snapshot: &snapshot };
    let mut page = Exposition::default();
    for metric in FAMILIES.iter().flat_map(|group| group.iter()) {
        (metric.samples)(&source, &mut page.family(metric.name, metric.kind, metric.help));
    }
    page.finish()
}

const FAMILIES: &[&[Metric]] = &[
    REQUESTS,
    FRONTENDS,
    BACKENDS,
    servers::SERVERS,
    models::MODELS,
    spending::SPENDING,
    TABLES,
    alerts::ALERTS,
    standing::STANDING,
    NODE,
    process::PROCESS,
];

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
        frontends(source, family, |f| f.gate.max(f.max_connections) as u64);
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
        let now = source.view.state.clock.now();
        backends(source, family, |b| Some(b.pool.usable_count(now) as u64));
    }),
    gauge(
        "tidegate_backend_active_tier",
        "The tier that takes new requests; no sample while no server is usable.",
        |source, family| {
            let now = source.view.state.clock.now();
            backends(source, family, |b| b.pool.active_tier(now).map(u64::from));
        },
    ),
    gauge(
        "tidegate_backend_helping_tier",
        "The tier that takes a share of the requests because the active one is short of servers; else no sample.",
        |source, family| {
            let now = source.view.state.clock.now();
            backends(source, family, |b| b.pool.shape(now).helping.map(u64::from));
        },
    ),
    counter(
        "tidegate_tier_changes_total",
        "Switches between tiers, by kind: failover, failback, outage, recovery, help_begins, help_ends.",
        |source, family| {
            for backend in &source.snapshot.backends {
                for (kind, count) in backend.stats.tier_changes.read() {
                    family.sample(&[("backend", &*backend.name), ("kind", kind)], count);
                }
            }
        },
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
    counter(
        "tidegate_hedges_total",
        "Requests for which a second server was asked while the first was still silent.",
        |source, family| backends(source, family, |b| Some(b.stats.hedges.get())),
    ),
    counter("tidegate_hedges_won_total", "Hedges in which the second server was first.", |source, family| {
        backends(source, family, |b| Some(b.stats.hedges_won.get()));
    }),
    counter("tidegate_hedges_refused_total", "Hedges that hedge.budget did not afford.", |source, family| {
        backends(source, family, |b| Some(b.stats.hedges_refused.get()))
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
    counter(
        "tidegate_log_lines_sampled_out_total",
        "Successes without a line in the access log, because log.access.sample does without them.",
        |source, family| family.sample(&[], source.view.state.sampled_out.get()),
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
                [
                    "_duration_seconds",
                    "_byte_seconds",
                    "_content_seconds",
                    "_token_seconds",
                    "_request_tokens",
                    "_request_cost_usd"
                ]
                .iter()
                .any(|end| metric.name.ends_with(end)),
                "{}",
                metric.name
            );
        }
    }
}
