//! `conf/observability/`: the rules do what they say, and dashboard and rules ask for metrics that exist. promtool is
//! Prometheus' own tool (scripts/install-tools.sh test).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its tools fail by panicking; the lints know only #[test] functions"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/observability")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(directory().join(name)).unwrap()
}

#[track_caller]
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(directory()).output();
    let output = output.unwrap_or_else(|error| panic!("promtool: {error}: scripts/install-tools.sh test"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}\n{}", String::from_utf8_lossy(&said));
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana-dashboard.json")).unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// Everything that the dashboard asks Prometheus for.
fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    targets.chain(annotations).filter_map(|query| query["expr"].as_str().map(str::to_owned)).collect()
}

fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let list = dashboard["templating"]["list"].as_array().unwrap().iter();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.map(|variable| (word(&variable["name"]), word(&variable["definition"]))).collect()
}

/// Names of metrics in a text that tidegate does not have.
fn unknown(text: &str) -> BTreeSet<String> {
    let names = tidegate::admin::metric_names();
    let word = Regex::new(r"\b(?:tidegate|process)_[a-z0-9_]+\b").unwrap();
    let known = |name: &&str| {
        let parts = ["_bucket", "_sum", "_count"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        names.contains(name) || names.contains(&family)
    };
    word.find_iter(text).map(|hit| hit.as_str()).filter(|name| !known(name)).map(str::to_owned).collect()
}

#[test]
fn rules_are_sound_and_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["test", "rules", "alerts_test.yml"]);
}

#[test]
fn every_rule_is_tested_and_says_what_to_do() {
    let (rules, tests) = (text("alerts.yml"), text("alerts_test.yml"));
    for rule in rules.split("\n      - alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        assert!(tests.contains(&format!("alertname: {name}\n")), "alerts_test.yml has no test of {name}");
        for part in ["severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
    }
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let dashboard = dashboard();
    for (_, query) in variables(&dashboard) {
        assert_eq!(unknown(&query), BTreeSet::new(), "{query}");
    }
    for expression in expressions(&dashboard) {
        assert_eq!(unknown(&expression), BTreeSet::new(), "{expression}");
    }
    for file in ["alerts.yml", "alerts_test.yml", "README.md"] {
        assert_eq!(unknown(&text(file)), BTreeSet::new(), "{file}");
    }
}

#[test]
fn dashboard_shows_every_metric_or_nearly() {
    // What there is beside the panels: figures that another one there contains.
    let without = [
        "tidegate_build_info",
        "tidegate_ready",
        "tidegate_connections_max",
        "tidegate_queue_max",
        "tidegate_queued_total",
        "tidegate_tier_changes_total",
        "tidegate_body_memory_max_bytes",
        "tidegate_server_weight",
        "tidegate_server_response_errors_total",
        "tidegate_server_bytes_in_total",
        "tidegate_server_bytes_out_total",
        "tidegate_server_checks_total",
        "tidegate_server_downs_total",
        "tidegate_server_down_seconds_total",
        "tidegate_table_evicted_total",
        "tidegate_table_full_total",
        "process_start_time_seconds",
        "process_threads",
    ];
    let shown = expressions(&dashboard()).join("\n");
    let missing: Vec<_> = tidegate::admin::metric_names()
        .into_iter()
        .filter(|name| !shown.contains(name) && !without.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "no panel shows {missing:?}: add one to grafana-dashboard.json, or name it above"
    );
}

#[test]
fn dashboard_asks_what_prometheus_understands() {
    let variable = Regex::new(r"\$(?:__)?[a-z_]+").unwrap();
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in expressions(&dashboard()).iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "5m");
        let expression = variable.replace_all(&expression, ".*");
        rules += &format!("  - {{record: panel:{number}, expr: {}}}\n", Value::from(&*expression));
    }
    let file = std::env::temp_dir().join(format!("tidegate-dashboard-{}.yml", std::process::id()));
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", &file.display().to_string()]);
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn dashboard_is_whole() {
    let dashboard = dashboard();
    let names: BTreeSet<String> = variables(&dashboard).into_iter().map(|(name, _)| name).collect();
    let wanted = ["datasource", "instance", "backend", "model"].map(str::to_owned);
    assert_eq!(names, wanted.into());
    let variable = Regex::new(r"\$([a-z]+)").unwrap();
    for expression in expressions(&dashboard) {
        for hit in variable.captures_iter(&expression) {
            assert!(names.contains(&hit[1]), "{expression} has an unknown variable");
        }
    }
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is there twice");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is wider than the page");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}
