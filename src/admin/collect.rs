//! Reads the cells, the pools and the tables into a [`Report`].

mod models;
pub mod spending;

use crate::admin::View;
use crate::admin::attention;
use crate::admin::health::Readiness;
use crate::admin::report::{
    Backend, Check, Denied, Event, Events, Frontend, Listed, Node, Quantiles, Recent, Report, Server, Table,
};
use crate::admin::trend::{self, Reading, Readings, Subject};
use crate::base::clock::{self, Tick};
use crate::config::checked::TableKey;
use crate::observe::events::KEPT;
use crate::observe::histogram::{self, Histogram};
use crate::observe::stats::Traffic;
use crate::pool::Member;
use crate::runtime::snapshot::{self, Snapshot};

/// Of clients, and of clients' budgets, in a report.
const MOST_CLIENTS: usize = 50;
/// Of calls in flight in a report.
const MOST_STREAMS: usize = 20;

impl View {
    /// Everything as it stands.
    pub fn report(&self) -> Report {
        let (snapshot, now) = (self.store.load(), self.state.clock.now());
        let mut report = Report {
            node: self.node(&snapshot),
            attention: Vec::new(),
            frontends: (0..snapshot.frontends.len())
                .map(|index| self.frontend(&snapshot, index, now))
                .collect(),
            backends: snapshot.backends.iter().map(|backend| self.backend(backend, now)).collect(),
            models: self.models(now),
            clients: Listed::first(self.clients(&snapshot, now), MOST_CLIENTS),
            budgets: self.budgets(&snapshot, MOST_CLIENTS),
            streams: self.streams(MOST_STREAMS),
            ledger: self.ledger(),
            tables: snapshot.tables.iter().map(table).collect(),
            events: self.events(None),
        };
        report.attention = attention::notices(&report);
        report
    }

    /// What has changed lately, newest first; of one backend, or of all.
    pub fn events(&self, backend: Option<&str>) -> Events {
        let wanted = |event: &crate::observe::events::Event| {
            backend.is_none_or(|name| event.backend.as_deref() == Some(name))
        };
        let events = self.state.events.recent(KEPT).into_iter().filter(wanted).map(event).collect();
        Events { total: self.state.events.total(), events }
    }

    /// Keeps a reading for what is recent; called every [`super::trend::EVERY`].
    pub fn keep_reading(&self) {
        let (snapshot, now) = (self.store.load(), self.state.clock.now());
        let mut readings = Readings::new();
        for frontend in &snapshot.frontends {
            readings.insert(Subject::Frontend(frontend.name.to_string()), of_frontend(frontend));
        }
        for backend in &snapshot.backends {
            let name = backend.name.to_string();
            readings.insert(Subject::Backend(name.clone()), of_backend(backend));
            for server in &backend.servers {
                let subject = Subject::Server(name.clone(), server.target.name.to_string());
                readings.insert(subject, of_server(server));
            }
        }
        self.trend.lock().keep(now, readings);
    }

    /// The lock is held for this call alone: a guard inside a larger expression lives to the end of all of it.
    fn recent(&self, subject: &Subject, reading: &Reading, now: Tick) -> Recent {
        self.trend.lock().recent(subject, reading, now)
    }

    fn node(&self, snapshot: &Snapshot) -> Node {
        Node {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            state: Readiness::of(self).word(),
            at: clock::unix_time().as_secs(),
            started_at: self.state.started.as_secs(),
            uptime_seconds: self.uptime().as_secs(),
            connections: self.state.connections.open(),
            max_connections: self.state.max_connections(snapshot.max_connections),
            log_lines_dropped: (self.log_dropped)(),
        }
    }

    fn frontend(&self, snapshot: &Snapshot, index: usize, now: Tick) -> Frontend {
        let frontend = &snapshot.frontends[index];
        let stats = &frontend.stats;
        let subject = Subject::Frontend(frontend.name.to_string());
        Frontend {
            name: frontend.name.to_string(),
            addresses: self.addresses(snapshot, index),
            status: self.frontend_status(frontend),
            connections: stats.connections.current(),
            max_connections: frontend.gate.max(frontend.max_connections),
            connections_total: stats.connections.total(),
            requests_in_flight: stats.requests.current(),
            requests_total: stats.requests.total(),
            responses: stats.answers.read().into(),
            denied: stats.denied.read().into_iter().map(|(reason, count)| Denied { reason, count }).collect(),
            bytes_in: stats.bytes_in.get(),
            bytes_out: stats.bytes_out.get(),
            tls_failures: stats.tls_failures.get(),
            recent: self.recent(&subject, &of_frontend(frontend), now),
        }
    }

    /// HAProxy's word.
    pub fn frontend_status(&self, frontend: &snapshot::Frontend) -> &'static str {
        if Readiness::of(self) == Readiness::Draining {
            "STOP"
        } else if frontend.stats.connections.current() >= frontend.gate.max(frontend.max_connections) as u64 {
            "FULL"
        } else {
            "OPEN"
        }
    }

    fn addresses(&self, snapshot: &Snapshot, frontend: usize) -> Vec<String> {
        let binds = snapshot.binds.iter().zip(&self.listeners);
        binds.filter(|(bind, _)| bind.frontend == frontend).map(|(_, address)| address.clone()).collect()
    }

    pub fn backend(&self, backend: &snapshot::Backend, now: Tick) -> Backend {
        let (pool, traffic) = (&backend.pool, &backend.stats.traffic);
        let usable = pool.usable_count(now);
        let shape = pool.shape(now);
        let subject = Subject::Backend(backend.name.to_string());
        Backend {
            name: backend.name.to_string(),
            up: usable > 0,
            usable_servers: usable,
            active_tier: shape.active,
            helping_tier: shape.helping,
            back_in_seconds: pool.back_in(now).filter(|_| usable == 0).map(|time| time.as_secs_f64()),
            first_tier: pool.members().iter().map(|member| member.tier).min(),
            balance: backend.balance.to_string(),
            in_flight: traffic.sessions.current(),
            queue: pool.queue().len(),
            queue_max: pool.queue_max(),
            queue_refusals: backend.stats.queue_refusals.get(),
            requests_total: traffic.sessions.total(),
            responses: traffic.answers.read().into(),
            retries: traffic.retries.get(),
            retries_refused: backend.stats.retries_refused.get(),
            hedges: backend.stats.hedges.get(),
            hedges_won: backend.stats.hedges_won.get(),
            hedges_refused: backend.stats.hedges_refused.get(),
            connect_errors: traffic.connect_errors.get(),
            response_errors: traffic.response_errors.get(),
            failures: trend::failures(&failures(backend), &[]),
            bytes_in: traffic.bytes_in.get(),
            bytes_out: traffic.bytes_out.get(),
            recent: self.recent(&subject, &of_backend(backend), now),
            servers: (0..backend.servers.len())
                .filter_map(|index| self.server(backend, index, now))
                .collect(),
        }
    }

    pub fn server(&self, backend: &snapshot::Backend, index: usize, now: Tick) -> Option<Server> {
        let (server, member) = (backend.servers.get(index)?, backend.pool.members().get(index)?);
        let traffic = &server.stats.traffic;
        let up_time = traffic.availability.read(now);
        let usable = backend.pool.usable(index, now);
        let state = backend.pool.status(index, now);
        let latest = server.stats.latest_change.lock().clone().filter(|latest| latest.to == state.label());
        let since = latest.as_ref().map(|latest| latest.at).or(member.server.last_change());
        let subject = Subject::Server(backend.name.to_string(), server.target.name.to_string());
        Some(Server {
            name: server.target.name.to_string(),
            address: super::host_and_port(server),
            status: backend.pool.status_text(index, now).into_owned(),
            state,
            state_ends_seconds: latest.as_ref().and_then(|latest| ahead(latest.until?, now)),
            why: latest.map(|latest| latest.why),
            usable,
            active: usable && backend.pool.active_tier(now) == Some(member.tier),
            state_seconds: since.map(|at| now.since(at).as_secs()),
            check: check(member, now),
            checks: server.stats.checks.get(),
            check_failures: server.stats.check_failures.get(),
            times_down: up_time.times_down,
            down_seconds: up_time.downtime.as_secs(),
            tier: member.tier,
            weight: member.effective_weight(),
            in_flight: member.server.in_flight(),
            max_concurrent: member.limit().map(std::num::NonZeroU32::get),
            requests_total: traffic.sessions.total(),
            responses: traffic.answers.read().into(),
            retries: traffic.retries.get(),
            connect_errors: traffic.connect_errors.get(),
            response_errors: traffic.response_errors.get(),
            failures: trend::failures(&server.stats.failures.read(), &[]),
            bytes_in: traffic.bytes_in.get(),
            bytes_out: traffic.bytes_out.get(),
            duration: quantiles(&traffic.duration),
            first_byte: quantiles(&traffic.first_byte),
            first_content: quantiles(&traffic.first_content),
            recent: self.recent(&subject, &of_server(server), now),
        })
    }
}

/// Whole seconds until then, the one that has begun counts; `None` when it is over.
fn ahead(then: Tick, now: Tick) -> Option<u64> {
    let left = then.since(now);
    (!left.is_zero()).then(|| left.as_millis().div_ceil(1000)).and_then(|seconds| u64::try_from(seconds).ok())
}

fn event(event: crate::observe::events::Event) -> Event {
    Event {
        // To the millisecond: more digits would only be noise.
        at: event.at.as_millis() as f64 / 1000.0,
        kind: event.kind.label(),
        tone: event.tone.label(),
        subject: event.subject.into_owned(),
        backend: event.backend.map(|backend| backend.to_string()),
        server: event.server.map(|server| server.to_string()),
        from: event.from.into_owned(),
        to: event.to.into_owned(),
        why: event.why,
        lasted_seconds: event.lasted.map(|lasted| lasted.as_secs_f64()),
        expected_seconds: event.expected.map(|expected| expected.as_secs_f64()),
    }
}

/// Since the start.
fn quantiles(histogram: &Histogram) -> Quantiles {
    of_snapshot(&histogram.snapshot())
}

fn of_snapshot(snapshot: &histogram::Snapshot) -> Quantiles {
    let at = |q| snapshot.quantile(q).map(|time| time.as_secs_f64());
    Quantiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

fn check(member: &Member, now: Tick) -> Option<Check> {
    let last = member.server.last_check()?;
    Some(Check {
        passed: last.result.passed(),
        code: last.result.verdict.haproxy_code(),
        http_status: last.result.code,
        reason: last.result.reason.to_string(),
        took_ms: u64::try_from(last.result.took.as_millis()).unwrap_or(u64::MAX),
        seconds_ago: now.since(last.at).as_secs(),
    })
}

pub fn table(table: &snapshot::StickTable) -> Table {
    let (key, table) = (table.key, &table.table);
    Table {
        name: table.name().to_owned(),
        key: match key {
            TableKey::Src => "src",
            TableKey::ApiKey => "api_key",
            TableKey::Model => "model",
            TableKey::Plan => "plan",
        },
        counters: table.spec().counters.iter().map(ToString::to_string).collect(),
        expire_seconds: table.spec().expire.as_secs_f64(),
        entries: table.entries(),
        size: table.size(),
        evicted: table.evicted(),
        full: table.full(),
    }
}

fn of_frontend(frontend: &snapshot::Frontend) -> Reading {
    let stats = &frontend.stats;
    Reading {
        requests: stats.requests.total(),
        classes: stats.answers.read(),
        duration: stats.duration.snapshot(),
        first_byte: stats.first_byte.snapshot(),
        ..Reading::default()
    }
}

fn of_backend(backend: &snapshot::Backend) -> Reading {
    Reading { failures: failures(backend), ..of_traffic(&backend.stats.traffic) }
}

/// Those of all its servers.
fn failures(backend: &snapshot::Backend) -> Vec<(&'static str, u64)> {
    let mut failures: Vec<(&'static str, u64)> = Vec::new();
    for (kind, count) in backend.servers.iter().flat_map(|server| server.stats.failures.read()) {
        match failures.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += count,
            None => failures.push((kind, count)),
        }
    }
    failures
}

fn of_server(server: &snapshot::Server) -> Reading {
    Reading { failures: server.stats.failures.read(), ..of_traffic(&server.stats.traffic) }
}

fn of_traffic(traffic: &Traffic) -> Reading {
    Reading {
        requests: traffic.sessions.total(),
        classes: traffic.answers.read(),
        duration: traffic.duration.snapshot(),
        first_byte: traffic.first_byte.snapshot(),
        first_content: traffic.first_content.snapshot(),
        failures: Vec::new(),
    }
}
