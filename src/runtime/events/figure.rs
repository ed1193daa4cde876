//! Figures of backends that went above what an alert allows, or came back.

use std::borrow::Cow;

use log::{info, warn};

use super::{EventKind, State, Tone, Word};
use crate::alert::fact::Measure;
use crate::alert::watch::Turn;
use crate::observe::events::span;

/// Tells of a figure; in which words, it returns.
pub fn figure(state: &State, turn: &Turn) -> String {
    let text = words(turn);
    if turn.over {
        warn!("{text}. The stats page and `show stat` tell which of its servers it is");
    } else {
        info!("{text}");
    }
    let (tone, from, to) = match turn.over {
        true => (Tone::Worse, "within_limit", "above_limit"),
        false => (Tone::Better, "above_limit", "within_limit"),
    };
    let kind = match turn.measure {
        Measure::Latency(_) => EventKind::Latency,
        Measure::Errors(_) => EventKind::Errors,
    };
    let subject = Cow::Owned(turn.backend.to_string());
    let mut event = Word { kind, tone, subject, from, to, why: text.clone() }.event();
    event.backend = Some(turn.backend.clone());
    event.figures = figures(turn);
    state.events.push(event);
    text
}

fn figures(turn: &Turn) -> Vec<(&'static str, f64)> {
    let (name, limit_name, limit) = match turn.measure {
        Measure::Latency(time) => ("p95_seconds", "limit_seconds", time.as_secs_f64()),
        Measure::Errors(share) => ("error_rate", "limit_rate", share),
    };
    let value = turn.value.map(|value| (name, value));
    value.into_iter().chain([(limit_name, limit), ("requests", turn.requests as f64)]).collect()
}

fn words(turn: &Turn) -> String {
    let Turn { backend, measure, over, value, requests } = turn;
    let Some(value) = value else {
        return format!(
            "backend {backend}: {requests} requests in the last minute are too few to tell of {measure}"
        );
    };
    match (measure, over) {
        (Measure::Latency(limit), over) => {
            let time = span(std::time::Duration::try_from_secs_f64(*value).unwrap_or_default());
            let verdict = if *over { "is slow" } else { "is fast enough again" };
            let limit = span(*limit);
            format!(
                "backend {backend} {verdict}: in the last minute 5% of {requests} requests waited longer than {time} for \
                 the first byte of their answer (alerts allow {limit})"
            )
        }
        (Measure::Errors(_), over) => {
            let verdict = if *over { "fails too often" } else { "fails no longer too often" };
            let share = (value * 1000.0).round() / 10.0;
            format!(
                "backend {backend} {verdict}: in the last minute {share}% of {requests} answers had a status of 500 and \
                 above or were cut (alerts allow {measure})"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use std::time::Duration;

    #[test]
    fn a_figure_is_told_with_its_limit_and_of_how_much_it_is() {
        let state = State::new(Clock::fake());
        let measure = Measure::Errors(0.05);
        let turn = Turn { backend: "ai".into(), measure, over: true, value: Some(0.1234), requests: 140 };
        let text = figure(&state, &turn);
        assert_eq!(
            text,
            "backend ai fails too often: in the last minute 12.3% of 140 answers had a status of 500 and above or were \
             cut (alerts allow 5%)"
        );
        let event = state.events.recent(1).remove(0);
        assert_eq!(
            (event.kind, event.tone, event.backend),
            (EventKind::Errors, Tone::Worse, Some("ai".into()))
        );
        assert_eq!(event.figures, [("error_rate", 0.1234), ("limit_rate", 0.05), ("requests", 140.0)]);
        let measure = Measure::Latency(Duration::from_secs(2));
        let turn = Turn { backend: "ai".into(), measure, over: false, value: Some(1.5), requests: 140 };
        assert_eq!(
            figure(&state, &turn),
            "backend ai is fast enough again: in the last minute 5% of 140 requests waited longer than 1.5s for the \
             first byte of their answer (alerts allow 2s)"
        );
        let turn = Turn { value: None, requests: 3, ..turn };
        assert!(figure(&state, &turn).ends_with("3 requests in the last minute are too few to tell of 2s"));
    }
}
