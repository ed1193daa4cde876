//! What was told: events, and the alerts made of them.

use super::{Metric, counter};

pub const ALERTS: &[Metric] = &[counter(
    "tidegate_events_total",
    "Changes that were told: one line in the log each; by kind.",
    |source, family| {
        for (kind, count) in source.view.state.events.counts() {
            family.sample(&[("kind", kind)], count);
        }
    },
)];
