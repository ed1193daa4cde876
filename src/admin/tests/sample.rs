//! A report in which everything happens at once.

use crate::admin::attention;
use crate::admin::report::{
    Backend, Check, Denied, Event, Events, Failures, Frontend, Model, Node, Quantiles, Recent, Report,
    Responses, Server, Table,
};
use crate::admin::tests::spending;
use crate::pool::Status;

pub fn report() -> Report {
    let mut report = Report {
        node: Node {
            version: "0.1.0",
            pid: 4711,
            state: "ready",
            at: 1_795_274_098,
            started_at: 1_795_000_000,
            uptime_seconds: 274_098,
            connections: 184,
            max_connections: 10_000,
            log_lines_dropped: 0,
        },
        attention: Vec::new(),
        frontends: vec![frontend("https", 184), frontend("<script>alert(1)</script>", 0)],
        backends: vec![
            backend(
                "ai",
                vec![
                    Server { check: failed(), state: Status::Down, ..server("primary", "DOWN", 1) },
                    Server { active: true, usable: true, ..server("secondary", "UP 2/3", 2) },
                    Server { state: Status::Drain, ..server("old", "DRAIN", 2) },
                    Server { state: Status::Maint, ..server("spare", "MAINT", 3) },
                    Server {
                        why: Some("5 failures in a row, the last: status 503".into()),
                        state_ends_seconds: Some(48),
                        ..troubled("broken", Status::BreakerOpen)
                    },
                    Server {
                        why: Some("status 429, retry-after 20s".into()),
                        state_ends_seconds: Some(12),
                        ..troubled("limited", Status::Cooldown)
                    },
                    Server { usable: true, ..troubled("keyless", Status::Misconfigured) },
                    Server { usable: true, ..troubled("sluggish", Status::Slow) },
                    troubled("thrown", Status::Ejected),
                    Server { usable: true, ..troubled("trial", Status::HalfOpen) },
                    Server { check: None, ..troubled("nameless", Status::Unresolved) },
                ],
            ),
            Backend { active_tier: Some(1), ..backend("images", vec![quiet()]) },
        ],
        models: vec![model("gpt-4.1", Some(12.345)), model("<other>", None)],
        clients: spending::clients(),
        budgets: spending::budgets(),
        streams: spending::streams(),
        ledger: Some(spending::ledger()),
        tables: vec![table("by_ip", 61_234, 100_000, 0), table("by_key", 1000, 1000, 12)],
        events: events(),
    };
    report.attention = attention::notices(&report);
    report
}

fn recent(requests: u64) -> Recent {
    Recent {
        seconds: 60.0,
        requests,
        requests_per_second: requests as f64 / 60.0,
        responses: Responses {
            success: requests - requests / 20,
            client_error: requests / 40,
            server_error: requests / 80,
            ..Responses::default()
        },
        duration: Quantiles { p50: Some(0.84), p95: Some(4.2), p99: Some(12.4) },
        first_byte: Quantiles { p50: Some(0.182), p95: Some(0.91), p99: Some(2.1) },
        first_content: Quantiles { p50: Some(0.282), p95: Some(1.31), p99: Some(2.6) },
        failures: Vec::new(),
    }
}

fn events() -> Events {
    let event = |ago: f64, kind, tone, server: Option<&str>, from: &str, to: &str, why: &str| Event {
        at: 1_795_274_098.0 - ago,
        kind,
        tone,
        subject: server.map_or("ai".to_owned(), |server| format!("ai/{server}")),
        backend: Some("ai".into()),
        server: server.map(str::to_owned),
        from: from.into(),
        to: to.into(),
        why: why.into(),
        lasted_seconds: Some(7380.0),
        expected_seconds: (to == "breaker_open").then_some(60.0),
    };
    let broken = "5 failures in a row, the last: status 503";
    let events = vec![
        event(12.0, "server", "worse", Some("broken"), "up", "breaker_open", broken),
        event(40.0, "server", "better", Some("secondary"), "down", "up", "status 200"),
        event(754.0, "failover", "worse", None, "tier 1", "tier 2", "primary is down"),
        event(754.0, "server", "worse", Some("primary"), "up", "down", "connection refused"),
        event(800.0, "server", "alarm", Some("keyless"), "up", "misconfigured", "status 401 <with> our key"),
    ];
    Events { total: 5, events }
}

/// Out by what its traffic, or its name, came to.
fn troubled(name: &str, state: Status) -> Server {
    let failures = vec![
        Failures { kind: "status", count: 8 },
        Failures { kind: "first_byte", count: 3 },
        Failures { kind: "cut", count: 1 },
    ];
    Server {
        state,
        failures: failures.clone(),
        recent: Recent { failures, ..recent(120) },
        ..server(name, "DOWN", 2)
    }
}

fn frontend(name: &str, connections: u64) -> Frontend {
    let busy = connections > 0;
    Frontend {
        name: name.into(),
        addresses: vec!["0.0.0.0:8443".into()],
        status: "OPEN",
        connections,
        max_connections: 8000,
        connections_total: 81_234 * connections,
        requests_in_flight: connections / 3,
        requests_total: 1_234_567 * u64::from(busy),
        responses: responses(u64::from(busy)),
        denied: if busy { vec![Denied { reason: "plan_requests", count: 812 }] } else { Vec::new() },
        bytes_in: 3_412_000_000 * u64::from(busy),
        bytes_out: 81_412_000_000 * u64::from(busy),
        tls_failures: 3,
        recent: if busy { recent(2471) } else { Recent { seconds: 60.0, ..Recent::default() } },
    }
}

fn responses(n: u64) -> Responses {
    Responses {
        success: 1_201_334 * n,
        redirection: 12 * n,
        client_error: 31_200 * n,
        server_error: 2021 * n,
        ..Responses::default()
    }
}

fn backend(name: &str, servers: Vec<Server>) -> Backend {
    Backend {
        name: name.into(),
        up: true,
        usable_servers: 1,
        active_tier: Some(2),
        first_tier: Some(1),
        helping_tier: None,
        back_in_seconds: None,
        balance: "hash(header(x-session))".into(),
        in_flight: 61,
        queue: 7,
        queue_max: 1000,
        queue_refusals: 3,
        requests_total: 1_233_000,
        responses: responses(1),
        retries: 412,
        retries_refused: 2,
        hedges: 81,
        hedges_won: 42,
        hedges_refused: 3,
        connect_errors: 380,
        response_errors: 41,
        failures: vec![Failures { kind: "connect", count: 380 }, Failures { kind: "empty", count: 41 }],
        bytes_in: 3_100_000_000,
        bytes_out: 80_200_000_000,
        recent: recent(2430),
        servers,
    }
}

fn server(name: &str, status: &str, tier: u32) -> Server {
    Server {
        name: name.into(),
        address: format!("{name}.example.com:443"),
        status: status.into(),
        state: Status::Up,
        why: None,
        state_ends_seconds: None,
        usable: false,
        active: false,
        state_seconds: Some(754),
        check: Some(Check {
            passed: true,
            code: "L7OK",
            http_status: Some(200),
            reason: "status 200".into(),
            took_ms: 12,
            seconds_ago: 3,
        }),
        checks: 54_000,
        check_failures: 12,
        times_down: 2,
        down_seconds: 911,
        tier,
        weight: 100,
        in_flight: 20,
        max_concurrent: Some(20),
        requests_total: 611_000,
        responses: responses(1),
        retries: 400,
        connect_errors: 380,
        response_errors: 41,
        failures: vec![Failures { kind: "connect", count: 380 }, Failures { kind: "empty", count: 41 }],
        bytes_in: 3_100_000_000,
        bytes_out: 80_200_000_000,
        duration: Quantiles::default(),
        first_byte: Quantiles::default(),
        first_content: Quantiles::default(),
        recent: recent(2430),
    }
}

/// Without checks, limits or traffic.
fn quiet() -> Server {
    Server {
        usable: true,
        active: true,
        state_seconds: None,
        check: None,
        times_down: 0,
        in_flight: 0,
        max_concurrent: None,
        requests_total: 0,
        responses: Responses::default(),
        retries: 0,
        connect_errors: 0,
        response_errors: 0,
        failures: Vec::new(),
        recent: Recent::default(),
        ..server("painter", "no check", 1)
    }
}

fn failed() -> Option<Check> {
    Some(Check {
        passed: false,
        code: "L4CON",
        http_status: None,
        reason: "connection refused".into(),
        took_ms: 1,
        seconds_ago: 1,
    })
}

fn model(name: &str, cost_usd: Option<f64>) -> Model {
    Model {
        name: name.into(),
        requests: 1200,
        requests_per_second: 2.3,
        tokens_per_second: 1840.0,
        prompt_tokens: 1_234_567,
        completion_tokens: 45_678,
        cached_tokens: 100_000,
        reasoning_tokens: 0,
        cost_usd,
        first_content: Quantiles { p50: Some(0.41), p95: Some(1.9), p99: None },
        output_token: Quantiles { p50: Some(0.011), p95: Some(0.034), p99: None },
    }
}

fn table(name: &str, entries: usize, size: usize, full: u64) -> Table {
    Table {
        name: name.into(),
        key: "src",
        counters: vec!["http_req_rate(10000)".into(), "conn_cur".into()],
        expire_seconds: 30.0,
        entries,
        size,
        evicted: full * 100,
        full,
    }
}
