//! What was told: events, and the alerts made of them.

use super::{Family, Metric, counter};
use crate::observe::events::ByFormat;

pub const ALERTS: &[Metric] = &[
    counter(
        "tidegate_events_total",
        "Changes that were told: one line in the log each; by kind.",
        |source, family| {
            for (kind, count) in source.view.state.events.counts() {
                family.sample(&[("kind", kind)], count);
            }
        },
    ),
    counter("tidegate_alerts_sent_total", "Alerts that a receiver took.", |source, family| {
        by_format(&source.view.state.events.alerts.sent, family);
    }),
    counter(
        "tidegate_alerts_failed_total",
        "Alerts that a receiver did not take, whatever was tried.",
        |source, family| by_format(&source.view.state.events.alerts.failed, family),
    ),
    counter(
        "tidegate_alerts_suppressed_total",
        "Alerts that were not sent: the same was told shortly before, there were too many, or the receiver is too slow.",
        |source, family| {
            for (reason, count) in source.view.state.events.alerts.suppressed.read() {
                family.sample(&[("reason", reason)], count);
            }
        },
    ),
];

fn by_format(counts: &ByFormat, family: &mut Family<'_>) {
    for (format, event, count) in counts.read() {
        family.sample(&[("format", format), ("event", event)], count);
    }
}
