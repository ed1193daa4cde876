//! What is in force: since when, whether the file says the same, and how long its certificates hold.

use super::{Metric, gauge};

pub(super) const STANDING: &[Metric] = &[
    gauge(
        "tidegate_reload_success",
        "0 when the last reload was refused, so that the file is not what is in force; else 1.",
        |source, family| {
            family.sample(&[], u64::from(!source.view.state.standing.reload().refused));
        },
    ),
    gauge(
        "tidegate_reload_timestamp_seconds",
        "When what is in force was put in force, by a reload or the start, in seconds since 1970.",
        |source, family| {
            let state = &source.view.state;
            family.sample(&[], state.standing.reload().applied.unwrap_or(state.started).as_secs_f64());
        },
    ),
    gauge(
        "tidegate_certificate_expiry_seconds",
        "When the certificates of a file end, the first of them, in seconds since 1970.",
        |source, family| {
            for certificate in source.view.state.standing.certificates() {
                family.sample(&[("file", &*certificate.file)], certificate.end.as_secs());
            }
        },
    ),
];
