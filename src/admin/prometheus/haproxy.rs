//! `/metrics?names=haproxy`: the names of HAProxy's own exporter (version 2.6, `prometheus-exporter`), for dashboards and
//! rules that were made for it. Names, labels, types, units and meanings are HAProxy's; the values are those of `show stat`
//! and `show info`, by the tables below. What HAProxy has and tidegate has not is listed in `docs/metrics.md`.

mod table;

use crate::admin::{View, facts, stats_csv};
use crate::observe::csv::{Column, Row, Type};
use crate::observe::exposition::{Exposition, Family, Kind, Value};
use table::{OBJECTS, Object, PROCESS, Reading};

/// States of a server, in HAProxy's order.
const SERVER_STATES: [&str; 5] = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];

/// Of frontends and backends.
const PROXY_STATES: [&str; 2] = ["DOWN", "UP"];

/// What a check came to, in HAProxy's order. Some of them no check of tidegate has.
const CHECK_STATES: [&str; 16] = [
    "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP", "L7OK",
    "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
];

const ANSWERS: [(&str, Column); 6] = [
    ("1xx", Column::Hrsp1xx),
    ("2xx", Column::Hrsp2xx),
    ("3xx", Column::Hrsp3xx),
    ("4xx", Column::Hrsp4xx),
    ("5xx", Column::Hrsp5xx),
    ("other", Column::HrspOther),
];

/// The whole document.
pub fn text(view: &View) -> String {
    document(&facts::of_process(view), &stats_csv::rows(view))
}

fn document(process: &[(&'static str, String)], rows: &[Row]) -> String {
    let mut page = Exposition::default();
    for entry in PROCESS {
        let known = process.iter().find(|(name, _)| *name == entry.fact);
        if let Some((_, value)) = known {
            page.family(entry.name, entry.kind, entry.help).sample(&[], number(value));
        }
    }
    page.family("haproxy_process_build_info", Kind::Gauge, "1; the version is a label. It is tidegate's.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1u64);
    for (prefix, object) in
        [("frontend", Type::Frontend), ("backend", Type::Backend), ("server", Type::Server)]
    {
        for entry in OBJECTS.iter().filter(|entry| entry.is_of(object)) {
            let name = format!("haproxy_{prefix}_{}", entry.name);
            let mut family = page.family(&name, entry.kind, entry.help);
            for row in rows.iter().filter(|row| is(row, object)) {
                sample(entry, object, row, rows, &mut family);
            }
        }
    }
    page.finish()
}

fn sample(entry: &Object, object: Type, row: &Row, rows: &[Row], family: &mut Family<'_>) {
    let (proxy, server) = (text_of(row, Column::Pxname), text_of(row, Column::Svname));
    let own = [("proxy", proxy), ("server", server)];
    // Only a server has a name beside its backend's.
    let own = if object == Type::Server { &own[..] } else { &own[..1] };
    let mut say = |more: Option<(&str, &str)>, value: Value| {
        let labels: Vec<(&str, &str)> = own.iter().copied().chain(more).collect();
        family.sample(&labels, value);
    };
    match entry.reading {
        Reading::Plain(column) => say(None, of_column(row, column)),
        Reading::Milliseconds(column) => say(None, seconds(row, column)),
        Reading::Answers => {
            for (code, column) in ANSWERS {
                say(Some(("code", code)), of_column(row, column));
            }
        }
        Reading::State => {
            let states = if object == Type::Server { &SERVER_STATES[..] } else { &PROXY_STATES[..] };
            for state in states {
                say(Some(("state", state)), one_if(*state == state_of(row)));
            }
        }
        Reading::CheckState if has_checks(row) => {
            for state in CHECK_STATES {
                say(Some(("state", state)), one_if(row.get(Column::CheckStatus) == Some(state)));
            }
        }
        // A check that came to no answer has the code 0.
        Reading::CheckCode if has_checks(row) => {
            say(None, row.get(Column::CheckCode).map_or(Value::Whole(0), number));
        }
        Reading::CheckTime if row.get(Column::CheckDuration).is_some() => {
            say(None, seconds(row, Column::CheckDuration));
        }
        Reading::CheckState | Reading::CheckCode | Reading::CheckTime => {}
        Reading::ServersByState => {
            for state in SERVER_STATES {
                let those = servers(rows, proxy).filter(|row| state_of(row) == state).count();
                say(Some(("state", state)), Value::Whole(those as u64));
            }
        }
        Reading::ChecksByState => {
            for state in CHECK_STATES {
                let those =
                    servers(rows, proxy).filter(|row| row.get(Column::CheckStatus) == Some(state)).count();
                say(Some(("state", state)), Value::Whole(those as u64));
            }
        }
    }
}

fn is(row: &Row, object: Type) -> bool {
    row.get(Column::Type).and_then(|text| text.parse().ok()) == Some(object as u8)
}

fn servers<'a>(rows: &'a [Row], proxy: &'a str) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(move |row| is(row, Type::Server) && text_of(row, Column::Pxname) == proxy)
}

/// The `status` column in the words of the exporter, which knows fewer.
fn state_of(row: &Row) -> &'static str {
    let status = text_of(row, Column::Status);
    match status.split([' ', '(']).next().unwrap_or_default() {
        "UP" | "OPEN" | "FULL" | "no" => "UP",
        "MAINT" => "MAINT",
        "DRAIN" => "DRAIN",
        "NOLB" => "NOLB",
        _ => "DOWN",
    }
}

fn has_checks(row: &Row) -> bool {
    row.get(Column::CheckRise).is_some()
}

fn text_of(row: &Row, column: Column) -> &str {
    row.get(column).unwrap_or_default()
}

fn one_if(holds: bool) -> Value {
    Value::Whole(u64::from(holds))
}

/// HAProxy's word for a field that is empty, as a limit that is not set, is NaN.
fn of_column(row: &Row, column: Column) -> Value {
    row.get(column).map_or(Value::Real(f64::NAN), number)
}

fn seconds(row: &Row, column: Column) -> Value {
    let milliseconds = row.get(column).and_then(|text| text.parse::<f64>().ok());
    Value::Real(milliseconds.map_or(f64::NAN, |milliseconds| milliseconds / 1000.0))
}

fn number(text: impl AsRef<str>) -> Value {
    let text = text.as_ref();
    text.parse().map_or_else(|_| Value::Real(text.parse().unwrap_or(f64::NAN)), Value::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, kind: Type, status: &str) -> Row {
        let mut row = Row::new("ai", name, kind);
        row.set(Column::Status, status);
        row
    }

    fn page(rows: &[Row]) -> String {
        document(&[("Uptime_sec", "61".to_owned())], rows)
    }

    #[test]
    fn a_server_is_in_one_state_of_haproxys() {
        let cases = [
            ("UP", "UP"),
            ("UP 2/3", "UP"),
            ("UP (slow)", "UP"),
            ("no check", "UP"),
            ("DOWN 1/2", "DOWN"),
            ("DOWN (breaker open)", "DOWN"),
            ("MAINT", "MAINT"),
            ("DRAIN", "DRAIN"),
        ];
        for (status, state) in cases {
            let page = page(&[row("one", Type::Server, status)]);
            for known in SERVER_STATES {
                let value = u8::from(known == state);
                let line = format!(
                    "haproxy_server_status{{proxy=\"ai\",server=\"one\",state=\"{known}\"}} {value}\n"
                );
                assert!(page.contains(&line), "{status}: no {line}{page}");
            }
        }
    }

    #[test]
    fn a_backend_counts_its_servers_by_state_and_check() {
        let mut refused = row("one", Type::Server, "DOWN");
        refused.set(Column::CheckRise, 2).set(Column::CheckStatus, "L4CON");
        let page =
            page(&[refused, row("two", Type::Server, "no check"), row("BACKEND", Type::Backend, "UP")]);
        for line in [
            "haproxy_backend_agg_server_status{proxy=\"ai\",state=\"DOWN\"} 1",
            "haproxy_backend_agg_server_status{proxy=\"ai\",state=\"UP\"} 1",
            "haproxy_backend_agg_check_status{proxy=\"ai\",state=\"L4CON\"} 1",
            "haproxy_backend_agg_check_status{proxy=\"ai\",state=\"L7OK\"} 0",
            "haproxy_backend_status{proxy=\"ai\",state=\"UP\"} 1",
            "haproxy_server_check_status{proxy=\"ai\",server=\"one\",state=\"L4CON\"} 1",
            "haproxy_server_check_code{proxy=\"ai\",server=\"one\"} 0",
        ] {
            assert!(page.contains(&format!("{line}\n")), "no {line} in\n{page}");
        }
        assert!(!page.contains("haproxy_server_check_status{proxy=\"ai\",server=\"two\""));
    }

    #[test]
    fn times_are_seconds_and_what_is_not_set_is_nan() {
        let mut one = row("one", Type::Server, "UP");
        one.set(Column::Rtime, 1250).set(Column::Lastsess, -1);
        let page = page(&[one]);
        for line in [
            "haproxy_server_response_time_average_seconds{proxy=\"ai\",server=\"one\"} 1.25",
            "haproxy_server_last_session_seconds{proxy=\"ai\",server=\"one\"} -1",
            "haproxy_server_limit_sessions{proxy=\"ai\",server=\"one\"} NaN",
            "haproxy_process_uptime_seconds 61",
        ] {
            assert!(page.contains(&format!("{line}\n")), "no {line} in\n{page}");
        }
        assert!(!page.contains("haproxy_server_check_duration_seconds{"), "it has no checks");
    }
}
