//! `tidegate usage`, beside a process that writes and after it: the same figures in every form.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::scratch::Scratch;
use crate::support::till::{Take, Terms, Till, chat, message};
use crate::support::upstream::Upstream;
use crate::support::usage_db::UsageDb;

fn usage(directory: &Scratch, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(directory.path()).arg("usage").args(arguments).output().unwrap()
}

#[track_caller]
fn told(directory: &Scratch, arguments: &[&str]) -> String {
    let out = usage(directory, arguments);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Exit code, and what it says of it.
fn refused(directory: &Scratch, arguments: &[&str]) -> (Option<i32>, String) {
    let out = usage(directory, arguments);
    assert!(out.stdout.is_empty(), "{}", String::from_utf8_lossy(&out.stdout));
    (out.status.code(), String::from_utf8(out.stderr).unwrap())
}

/// Three clients, two models, a failure; 3 x 3620 + 2 x 297 micro-dollars.
fn busy() -> Till {
    let till = Till::new(&Terms::default());
    let take = Take { prompt: 1200, completion: 340, cached: 1000 };
    for (key, stream) in [("sk-app", false), ("sk-app", true), ("sk-other", false)] {
        assert_eq!(till.ask(&chat(key, "gpt-4.1", stream, 10, take)).status(), 200);
    }
    for stream in [false, true] {
        let take = Take { prompt: 100, completion: 7, cached: 40 };
        assert_eq!(till.ask(&message("sk-free", stream, take)).status(), 200);
    }
    UsageDb::of(&till.edge).comes_to(5);
    till
}

/// A row without the columns that only say that all is well.
fn row(row: &Value) -> Value {
    let of = |name: &str| row.get(name).cloned().unwrap_or_default();
    json!([
        of("client"),
        of("model"),
        of("requests"),
        of("failed"),
        of("prompt_tokens"),
        of("cached_tokens"),
        of("completion_tokens"),
        of("cost_micro_usd")
    ])
}

#[test]
fn every_form_tells_the_same_while_it_runs_and_after() {
    let till = busy();
    let live = forms(&till.edge.directory);
    let directory = till.stop();
    assert_eq!(forms(&directory), live);
}

fn forms(directory: &Scratch) -> Value {
    let report: Value = serde_json::from_str(&told(directory, &["-c", "tidegate.yaml", "--json"])).unwrap();
    let rows: Vec<Value> = report["rows"].as_array().unwrap().iter().map(row).collect();
    let wanted = json!([
        ["app", "gpt-4.1", 2, 0, 2400, 2000, 680, 7240],
        ["other", "gpt-4.1", 1, 0, 1200, 1000, 340, 3620],
        ["free", "claude-sonnet-4.5", 2, 0, 200, 80, 14, 594]
    ]);
    assert_eq!(Value::from(rows), wanted, "the dearest first");
    assert_eq!(row(&report["total"]), json!([null, null, 5, 0, 3800, 3080, 1034, 11454]));

    // The configuration's directory is the default one here.
    let text = told(directory, &[]);
    assert!(text.contains("0.007240") && text.contains("0.011454"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("app") && line.contains("gpt-4.1")), "{text}");
    let rest = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rest(&told(directory, &["--state-dir", "state"])), rest(&text));

    let csv = told(directory, &["--csv", "--by", "plan"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("plan,requests,failed,"), "{csv}");
    assert_eq!(
        (lines.len(), lines[1].split(',').next(), lines[1].rsplit(',').next()),
        (3, Some("p"), Some("0.010860"))
    );

    let sums = |by: &str| {
        let report: Value = serde_json::from_str(&told(directory, &["--json", "--by", by])).unwrap();
        let rows = report["rows"].as_array().unwrap().clone();
        let sum: u64 = rows.iter().map(|row| row["cost_micro_usd"].as_u64().unwrap()).sum();
        assert_eq!(sum, 11454, "by {by}: rows add up to the total");
        rows.len()
    };
    let counts =
        ["client", "plan", "model", "backend", "server", "client,plan,model,backend,server"].map(sums);
    assert_eq!(counts, [3, 2, 2, 1, 1, 3]);
    assert!(["day", "month", "hour", "day,client"].map(sums).iter().all(|rows| (1..=6).contains(rows)));
    json!([wanted, rest(&text)])
}

#[test]
fn another_list_of_prices_is_compared() {
    let till = busy();
    let directory = till.stop();
    directory.write("cheap.yaml", "models: {gpt-4.1: {input: 1.00, output: 4.00, cached_input: 0.25}, '*': {input: 30, output: 150, cached_input: 3}}\n");
    let report: Value =
        serde_json::from_str(&told(&directory, &["--json", "--by", "model", "--compare", "cheap.yaml"]))
            .unwrap();
    let total = &report["comparison"]["total"];
    // Half of 10860, and ten times 594.
    let text = total.to_string();
    assert!(text.contains("11370") || text.contains("0.01137"), "{report}");
    assert!(told(&directory, &["--compare", "cheap.yaml"]).contains("0.011370"));
    // The same prices as here, taken from the configuration itself.
    let same = told(&directory, &["--compare", "tidegate.yaml", "--csv"]);
    assert!(same.lines().nth(1).unwrap().ends_with(",0.007240,0.007240,0.000000,0.00"), "{same}");
}

#[test]
fn a_range_leaves_out_what_is_not_in_it() {
    let till = busy();
    let directory = till.stop();
    for (arguments, requests) in [
        (&["--since", "1h"][..], 5),
        (&["--since", "2020-01-01"], 5),
        (&["--since", "2020-01", "--until", "2021-01"], 0),
        (&["--until", "2021-01-01T10:30", "--since", "2020-12-31"], 0),
    ] {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let report: Value = serde_json::from_str(&told(&directory, &all)).unwrap();
        assert_eq!(report["total"]["requests"], requests, "{arguments:?}");
    }
    for wrong in [
        &["--since", "yesterday"][..],
        &["--since", "2026-13-01"],
        &["--since", "1h", "--until", "2020-01-01"],
    ] {
        let (code, why) = refused(&directory, wrong);
        assert!(matches!(code, Some(1 | 2)) && why.len() > 20, "{wrong:?}: {code:?} {why}");
    }
    let (code, why) = refused(&directory, &["--by", "client,shoe"]);
    assert!(code == Some(2) && why.contains("shoe") && why.contains("model"), "{why}");
}

#[test]
fn a_failure_is_counted_and_not_paid() {
    let till = Till::with(&Terms::default(), Upstream::failing(500));
    till.ask(&chat("sk-app", "gpt-4.1", false, 10, Take::default()));
    UsageDb::of(&till.edge).comes_to(1);
    let report: Value = serde_json::from_str(&told(&till.edge.directory, &["--json"])).unwrap();
    assert_eq!(row(&report["rows"][0]), json!(["app", "gpt-4.1", 1, 1, null, null, null, null]));
}

#[test]
fn where_nothing_is_kept_it_says_where_it_looked() {
    let directory = Scratch::new();
    let (code, why) = refused(&directory, &[]);
    assert!(code == Some(1) && why.contains("usage.db") && why.contains("--state-dir"), "{why}");
    let till =
        Till::within(directory, &Terms { ai: "\n  ledger: off", ..Terms::default() }, Upstream::named("one"));
    let directory = till.stop();
    let (code, why) = refused(&directory, &["-c", "tidegate.yaml"]);
    assert!(code == Some(1) && why.contains("ledger: off"), "{why}");
    assert!(!Path::new(&directory.path().join("state/usage.db")).exists(), "who asks makes no file");
    std::fs::create_dir_all(directory.path().join("state")).unwrap();
    directory.write("state/usage.db", &"no database, but long enough to look like one. ".repeat(50));
    let (code, why) = refused(&directory, &[]);
    assert!(code == Some(1) && why.contains("usage.db"), "{why}");
}
