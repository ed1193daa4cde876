//! Clients, budgets and streams of the report in which everything happens at once.

use crate::admin::report::{Budget, Client, Ledger, Limits, Listed, Stream};

pub fn clients() -> Listed<Client> {
    let list = vec![
        client("mobile", Some("premium"), 812, Some(budget("client", "mobile", "day", 50.0, 43.2))),
        client("batch", Some("premium"), 44, Some(budget("client", "batch", "month", 500.0, 500.4))),
        client("internal", Some("free"), 3, Some(budget("client", "internal", "month", 20.0, 1.4))),
        Client {
            plan: None,
            limits: Limits::default(),
            cost_today_usd: None,
            cost_month_usd: None,
            ..client("key:3fa91c22b07e", None, 12, None)
        },
        Client {
            in_flight: 0,
            requests_last_minute: 0,
            requests_per_second: 0.0,
            tokens_last_minute: 0,
            refused: 0,
            last_request_seconds_ago: None,
            ..client("<b>quiet</b>", Some("free"), 0, None)
        },
        Client {
            limits: Limits::default(),
            cost_today_usd: None,
            cost_month_usd: None,
            ..client("", None, 2, None)
        },
    ];
    Listed { total: 61, list }
}

fn client(name: &str, plan: Option<&str>, requests: u64, budget: Option<Budget>) -> Client {
    Client {
        name: name.into(),
        plan: plan.map(str::to_owned),
        requests: requests * 1000,
        refused: requests / 4,
        in_flight: requests.min(20),
        requests_per_second: requests as f64 / 60.0,
        requests_last_minute: requests,
        tokens_last_minute: requests * 1100,
        limits: Limits {
            concurrent: Some(20),
            requests_per_minute: Some(1000),
            tokens_per_minute: Some(1_000_000),
        },
        prompt_tokens: requests * 412_000,
        completion_tokens: requests * 51_000,
        cost_usd: requests as f64 * 0.61,
        cost_today_usd: Some(requests as f64 * 0.0532),
        cost_month_usd: Some(requests as f64 * 0.61),
        budget,
        last_request_seconds_ago: Some(2),
    }
}

pub fn budgets() -> Listed<Budget> {
    let list = vec![
        budget("all", "", "month", 20_000.0, 8123.4),
        budget("plan", "premium", "month", 5000.0, 4212.0),
        budget("client", "batch", "month", 500.0, 500.4),
        budget("client", "mobile", "day", 50.0, 43.2),
        budget("client", "internal", "month", 20.0, 1.4),
    ];
    Listed { total: 58, list }
}

pub fn budget(scope: &'static str, name: &str, period: &'static str, of: f64, spent: f64) -> Budget {
    Budget {
        scope,
        name: name.into(),
        period,
        budget_usd: of,
        spent_usd: spent,
        reserved_usd: 0.0412,
        left_usd: (of - spent).max(0.0),
        alert_at: 0.8,
        state: if spent >= of {
            "used_up"
        } else if spent >= 0.8 * of {
            "nearly_used_up"
        } else {
            "in_budget"
        },
        begins_anew_at: 1_795_274_098 + 33_200,
    }
}

pub fn streams() -> Listed<Stream> {
    let list = vec![
        stream(4711, 312.4, Some("mobile"), Some("ai")),
        stream(4790, 12.0, Some("batch"), Some("ai")),
        Stream {
            plan: None,
            model: None,
            streamed: None,
            prompt_tokens: None,
            completion_tokens: None,
            cost_usd: None,
            ..stream(4812, 0.3, None, None)
        },
    ];
    Listed { total: 43, list }
}

fn stream(number: u64, age_seconds: f64, client: Option<&str>, backend: Option<&str>) -> Stream {
    Stream {
        number,
        request_id: format!("req-{number}-8f3a2c<i>"),
        age_seconds,
        client: client.map(str::to_owned),
        plan: Some("premium".into()),
        frontend: "https".into(),
        src: "192.0.2.7".into(),
        model: Some("gpt-4.1".into()),
        backend: backend.map(str::to_owned),
        server: backend.map(|_| "primary".into()),
        attempts: u32::from(backend.is_some()),
        streamed: Some(true),
        prompt_tokens: Some(1200),
        completion_tokens: Some(3412),
        cost_usd: Some(0.029_696),
    }
}

pub fn ledger() -> Ledger {
    Ledger { file: "/var/lib/tidegate/usage.db".into(), durable: true, pending: 3, written: 812_344, lost: 0 }
}
