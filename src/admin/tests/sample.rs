//! A report in which everything happens at once.

use crate::admin::attention;
use crate::admin::report::{
    Backend, Check, Denied, Frontend, Node, Quantiles, Recent, Report, Responses, Server, ServerState, Table,
};

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
                    Server { check: failed(), state: ServerState::Down, ..server("primary", "DOWN", 1) },
                    Server { active: true, usable: true, ..server("secondary", "UP 2/3", 2) },
                    Server { state: ServerState::Drain, ..server("old", "DRAIN", 2) },
                    Server { state: ServerState::Maint, ..server("spare", "MAINT", 3) },
                ],
            ),
            Backend { active_tier: Some(1), ..backend("images", vec![quiet()]) },
        ],
        tables: vec![table("by_ip", 61_234, 100_000, 0), table("by_key", 1000, 1000, 12)],
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
        balance: "hash(header(x-session))".into(),
        in_flight: 61,
        queue: 7,
        queue_max: 1000,
        queue_refusals: 3,
        requests_total: 1_233_000,
        responses: responses(1),
        retries: 412,
        retries_refused: 2,
        connect_errors: 380,
        response_errors: 41,
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
        state: ServerState::Up,
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
        bytes_in: 3_100_000_000,
        bytes_out: 80_200_000_000,
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
