//! What the command prints, from a ledger on disk.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::*;
use crate::ledger::{Call, Keep, Ledger};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    arguments: Arguments,
}

/// A state directory that is removed again.
struct State(PathBuf);

impl State {
    fn empty(name: &str) -> State {
        let dir = std::env::temp_dir().join(format!("tidegate-usage-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        State(dir)
    }

    /// Calls of two days, with all that can be unknown.
    fn new(name: &str) -> State {
        let state = State::empty(name);
        let ledger = Ledger::start(&state.0, Keep::default(), |_| {});
        // Noon of the 20th and of the 21st of November 2026.
        let (first, second) = (Duration::from_secs(1_795_176_000), Duration::from_secs(1_795_262_400));
        let call = |at, client: &str, model: &str| Call {
            at,
            client: client.into(),
            model: model.into(),
            status: Some(200),
            ..Call::default()
        };
        let counted = |call, prompt, completion, cost| Call {
            prompt: Some(prompt),
            completion: Some(completion),
            cost: Some(cost),
            ..call
        };
        let big = counted(call(first, "mobile", "gpt-4.1"), 1_000_000, 200_000, 3_600_000);
        ledger.record(Call { cached: Some(400_000), ..big });
        ledger.record(counted(call(second, "mobile", "gpt-4.1"), 1200, 340, 5121));
        let small = counted(call(second, "web", "small"), 1000, 10, 7);
        ledger.record(Call { estimated: true, ..small });
        ledger.record(Call { status: Some(429), ..call(second, "web", "small") });
        ledger.record(call(second, "", "=own\u{1b}[2J"));
        ledger.flush_and_stop(Duration::from_secs(10));
        state
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let dir = self.0.display().to_string();
        let range = ["usage", "--state-dir", &dir, "--since", "2026-11-20", "--until", "2026-11-22"];
        let all = range.iter().chain(arguments);
        let arguments = Command::try_parse_from(all)?.arguments;
        let text = answer(&arguments, &self.0, false)?;
        Ok(text.replace(&dir, "DIR"))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_table_for_people() {
    let state = State::new("table");
    let text = state.ask(&[]).unwrap();
    assert_eq!(
        text,
        "Usage from 2026-11-20T00:00Z to 2026-11-22T00:00Z, of DIR/usage.db\n\
         The ledger begins at 2026-11-20T12:00Z.\n\
         \n\
         client  model     requests  failed     prompt   cached  completion  reasoning       USD\n\
         mobile  gpt-4.1          2       0  1,001,200  400,000     200,340          -  3.605121\n\
         web     small            2       1      1,000        -          10          -  0.000007\n\
         -       =own\u{fffd}[2J         1       0          -        -           -          -         -\n\
         total                    5       1  1,002,200  400,000     200,350          -  3.605128\n\
         \n\
         1 call has estimated tokens: its provider did not tell.\n\
         1 call has no count of tokens, or only of one side: what is unknown is in no sum.\n\
         1 call has no cost: its tokens are unknown, or its model has no price. It is not in USD.\n"
    );
}

#[test]
fn rows_are_told_apart_by_what_is_asked() {
    let state = State::new("by");
    let days = state.ask(&["--by", "day"]).unwrap();
    assert!(days.contains("\n2026-11-20         1       0  1,000,000"), "{days}");
    assert!(days.contains("\n2026-11-21         4       1      2,200"), "{days}");
    let months = state.ask(&["--by", "month,client"]).unwrap();
    assert!(months.contains("\n2026-11  -              1 "), "by time in its order: {months}");
    let hours = state.ask(&["--by=hour", "--csv"]).unwrap();
    assert!(hours.contains("\n2026-11-21T12:00Z,4,1,1,1,1,2200,,350,,0.005128\n"), "{hours}");
    let wrong = state.ask(&["--by", "client,user"]).unwrap_err().to_string();
    assert!(
        wrong.contains("`user` is none of client, plan, model, backend, server, day, month, hour"),
        "{wrong}"
    );
}

#[test]
fn commas_for_spreadsheets() {
    let state = State::new("csv");
    assert_eq!(
        state.ask(&["--csv"]).unwrap(),
        "client,model,requests,failed,estimated,uncounted,unpriced,prompt_tokens,cached_tokens,completion_tokens,\
         reasoning_tokens,cost_usd\n\
         mobile,gpt-4.1,2,0,0,0,0,1001200,400000,200340,,3.605121\n\
         web,small,2,1,1,0,0,1000,,10,,0.000007\n\
         ,'=own\u{1b}[2J,1,0,0,1,1,,,,,\n"
    );
}

#[test]
fn json_for_programs() {
    let state = State::new("json");
    let found: serde_json::Value =
        serde_json::from_str(&state.ask(&["--json", "--by", "client"]).unwrap()).unwrap();
    assert_eq!(found["since"], "2026-11-20T00:00Z");
    assert_eq!(found["ledger_begins"], "2026-11-20T12:00Z");
    assert_eq!(found["by"], serde_json::json!(["client"]));
    assert_eq!(found["total"]["cost_micro_usd"], 3_605_128);
    let rows = found["rows"].as_array().unwrap();
    let sum: u64 = rows.iter().filter_map(|row| row["cost_micro_usd"].as_u64()).sum();
    assert_eq!(sum, 3_605_128);
    assert_eq!((&rows[0]["client"], &rows[0]["cost_usd"]), (&"mobile".into(), &3.605121.into()));
    let unknown = &rows[2];
    for name in
        ["client", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_usd"]
    {
        assert!(unknown.get(name).is_some_and(serde_json::Value::is_null), "{name}");
    }
    assert!(found.get("comparison").is_none());
}

#[test]
fn the_same_tokens_by_another_list() {
    let state = State::new("compare");
    let prices =
        state.write("other.yaml", "models: {gpt-4.1: {input: 2.00, output: 8.00, cached_input: 0.50}}");
    let text = state.ask(&["--by", "client", "--compare", &prices]).unwrap();
    // 601,200 at 2.00, 400,000 at 0.50, 200,340 at 8.00: 1.2024 + 0.2 + 1.60272.
    assert!(text.contains("3.605121  3.605121  3.005120  -0.600001    -20.0\n"), "{text}");
    assert!(text.contains("0.000007         -         -          -        -\n"), "{text}");
    assert!(
        text.contains(
            "The same tokens would have cost 3.005120 USD by DIR/other.yaml; here they cost 3.605121 USD, \
             0.600001 USD more (20.0 % more).\n\
             Without a price there, and so left out of both sides: small. A price for \"*\" stands for all others.\n\
             Cached prompt tokens are reckoned at the other list's `cached_input`"
        ),
        "{text}"
    );
    let others = state.write("others.yaml", "models: {\"*\": {input: 10, output: 10}}");
    let found = state.ask(&["--json", "--compare", &others]).unwrap();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let total = &found["comparison"]["total"];
    assert_eq!(total["here_micro_usd"], 3_605_128);
    assert_eq!(total["there_micro_usd"], 12_015_400 + 10_100);
    assert_eq!(total["saved_percent"], 70.02);
    assert_eq!(found["rows"][2]["compared"], serde_json::Value::Null);
    let csv = state.ask(&["--csv", "--by", "client", "--compare", &others]).unwrap();
    assert!(csv.contains(",3.605121,3.605121,12.015400,8.410279,70.00\n"), "{csv}");
    let none = state.write("none.yaml", "models: {other: {input: 10, output: 10}}");
    let text = state.ask(&["--compare", &none]).unwrap();
    assert!(text.contains("Nothing can be compared: DIR/none.yaml has a price for none of these models."));
    let missing = state.ask(&["--compare", "/nowhere/prices.yaml"]).unwrap_err();
    assert!(
        format!("{missing:#}")
            .starts_with("cannot read the other prices, /nowhere/prices.yaml: No such file")
    );
}

#[test]
fn what_is_not_there_is_told_with_where_it_was_looked_for() {
    let state = State::empty("nothing");
    let wrong = state.ask(&[]).unwrap_err().to_string();
    assert!(
        wrong.starts_with("there is no ledger at ") && wrong.contains("/usage.db: no balancer has written"),
        "{wrong}"
    );
    let dir = state.0.clone();
    assert!(no_ledger(&dir, true).ends_with("`ai.ledger: off` in the configuration: nothing is kept"));
    let state = State::new("other-time");
    let text = state.ask(&["--since", "2020-01", "--until", "2020-02"]);
    assert!(text.is_err(), "an option twice");
    let arguments = ["usage", "--since", "2020-01", "--until", "2020-02"];
    let text = answer(&Command::parse_from(arguments).arguments, &state.0, false).unwrap();
    assert!(text.ends_with("The ledger begins at 2026-11-20T12:00Z.\n\nNo calls in this time.\n"), "{text}");
    let arguments = Command::parse_from(["usage", "--since", "last week"]).arguments;
    let wrong = answer(&arguments, &state.0, false).unwrap_err().to_string();
    assert!(wrong.starts_with("`last week` is no time: write how long ago (30d, 6h, 90m)"), "{wrong}");
}

#[test]
fn it_reads_while_a_balancer_writes() {
    let state = State::new("running");
    let ledger = Ledger::start(&state.0, Keep::default(), |_| {});
    let at = Duration::from_secs(1_795_262_400);
    ledger.record(Call { at, status: Some(200), model: "late".into(), ..Call::default() });
    let start = clock::instant();
    while ledger.figures().written == 0 && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(state.ask(&["--by", "model"]).unwrap().contains("\nlate "));
    ledger.flush_and_stop(Duration::from_secs(10));
}
