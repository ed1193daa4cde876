//! Questions, against sums that are made by hand from the same calls.

use std::collections::BTreeMap;

use super::*;
use crate::ledger::query::{self, By, Question, Report, Sums};
use crate::ledger::range::Range;

/// The first of November 2026.
const START: u64 = 1_793_491_200;

/// Calls with everything that can be there or not, always the same ones.
fn calls() -> Vec<Call> {
    let mut state = 7u64;
    let mut dice = move |sides: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    };
    let mut some = move |sides: u64| dice(sides);
    (0..2000)
        .map(|_| {
            let mut maybe = |most| if some(4) == 0 { None } else { Some(some(most)) };
            let [prompt, completion, cached, reasoning, cost] =
                [2000, 500, 300, 100, 100_000].map(&mut maybe);
            Call {
                at: Duration::from_secs(START + some(20 * 86_400)),
                client: ["", "mobile", "web"][some(3) as usize].into(),
                plan: ["", "premium"][some(2) as usize].into(),
                model: ["a", "b", "c"][some(3) as usize].into(),
                backend: "ai".into(),
                server: ["one", "two"][some(2) as usize].into(),
                status: [None, Some(200), Some(200), Some(429)][some(4) as usize],
                estimated: some(5) == 0,
                prompt,
                completion,
                cached,
                reasoning,
                cost,
                ..call()
            }
        })
        .collect()
}

fn sums(call: &Call) -> Sums {
    let priced = |n: Option<u64>| if call.cost.is_some() { n.unwrap_or(0) } else { 0 };
    let billable = call.status.is_none_or(|status| status < 400);
    Sums {
        requests: 1,
        failed: u64::from(call.status != Some(200)),
        estimated: u64::from(call.estimated),
        uncounted: u64::from(billable && (call.prompt.is_none() || call.completion.is_none())),
        unpriced: u64::from(billable && call.cost.is_none()),
        prompt: call.prompt,
        completion: call.completion,
        cached: call.cached,
        reasoning: call.reasoning,
        cost: call.cost,
        priced: query::Priced {
            prompt: priced(call.prompt),
            completion: priced(call.completion),
            cached: priced(call.cached),
        },
    }
}

fn name(call: &Call, by: By) -> String {
    let time = crate::ledger::range::text(call.at.as_secs() / 3600 * 3600);
    match by {
        By::Client => call.client.to_string(),
        By::Plan => call.plan.to_string(),
        By::Model => call.model.to_string(),
        By::Backend => call.backend.to_string(),
        By::Server => call.server.to_string(),
        By::Day => time[..10].to_owned(),
        By::Month => time[..7].to_owned(),
        By::Hour => time,
    }
}

fn ask(dir: &Dir, by: &[By], range: Range, models: bool) -> Report {
    query::ask(&dir.0, &Question { by: by.to_vec(), range, models }).unwrap().unwrap()
}

#[test]
fn every_question_adds_up_to_what_the_calls_say() {
    let dir = Dir::new("query");
    let calls = calls();
    let (ledger, _told) = dir.start();
    calls.iter().for_each(|call| ledger.record(call.clone()));
    ledger.flush_and_stop(PATIENCE);
    let day = 86_400;
    for range in [
        Range { since: START, until: START + 20 * day },
        Range { since: START + 3 * day + 3600, until: START + 9 * day },
    ] {
        for by in [
            &[][..],
            &[By::Client],
            &[By::Model, By::Server],
            &[By::Day, By::Plan],
            &[By::Hour],
            &[By::Month],
            &By::ALL,
        ] {
            for models in [false, true] {
                let report = ask(&dir, by, range, models);
                let mut expected: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
                let mut total = Sums::default();
                let within = |call: &&Call| (range.since..range.until).contains(&call.at.as_secs());
                for call in calls.iter().filter(within) {
                    total.add(&sums(call));
                    let names = by.iter().map(|by| name(call, *by)).collect();
                    expected.entry(names).or_default().add(&sums(call));
                }
                let found: BTreeMap<_, _> =
                    report.rows.iter().map(|row| (row.names.clone(), row.sums)).collect();
                assert_eq!(found, expected, "{by:?}");
                assert_eq!(report.total, total);
                assert_eq!(report.rows.len(), found.len());
                let parts = report.rows.iter().flat_map(|row| row.models.values());
                let parts = parts.fold(Sums::default(), |mut sum, part| {
                    sum.add(part);
                    sum
                });
                assert_eq!(parts, if models { total } else { Sums::default() });
            }
        }
    }
}

#[test]
fn the_dearest_come_first_and_days_in_their_order() {
    let dir = Dir::new("order");
    let (ledger, _told) = dir.start();
    calls().into_iter().for_each(|call| ledger.record(call));
    ledger.flush_and_stop(PATIENCE);
    let range = Range { since: START, until: START + 20 * 86_400 };
    let costs: Vec<_> = ask(&dir, &[By::Model, By::Server], range, false).rows;
    assert!(costs.is_sorted_by_key(|row| std::cmp::Reverse(row.sums.cost)));
    let days = ask(&dir, &[By::Client, By::Day], range, false).rows;
    assert!(days.is_sorted_by_key(|row| row.names.clone()));
}

#[test]
fn a_name_of_a_column_is_taken_once_and_another_is_told() {
    assert_eq!(query::parse_by("client, model,client"), Ok(vec![By::Client, By::Model]));
    assert_eq!(query::parse_by("client,"), Err(String::new()));
    assert_eq!(query::parse_by("Client"), Err("Client".to_owned()));
}

#[test]
fn a_file_of_the_first_version_answers_too() {
    let dir = Dir::new("query-older");
    let old = dir.open();
    crate::ledger::schema::make(&old, 1);
    old.execute_batch(
        "INSERT INTO totals VALUES (1793491200, 'mobile', '', 'a', 'ai', 'one', 3, 1, 0, 900, 100, NULL, 10, 77, 0)",
    )
    .unwrap();
    drop(old);
    let report = ask(&dir, &[By::Client], Range { since: START, until: START + 3600 }, true);
    assert_eq!(report.total.cost, Some(77));
    assert_eq!(report.total.priced, query::Priced { prompt: 900, completion: 100, cached: 0 });
}
