//! What became of alerts: counted here so that the metrics know.

use parking_lot::Mutex;

use crate::observe::cell::ByLabel;

#[derive(Debug, Default)]
pub struct AlertCounts {
    /// Those that a receiver took.
    pub sent: ByFormat,
    /// Those that were given up.
    pub failed: ByFormat,
    /// Those that were not sent, by the reason: `repeated`, `rate`, `queue`.
    pub suppressed: ByLabel,
}

/// Counts by format and event. Alerts are rare: one lock is enough.
#[derive(Debug, Default)]
pub struct ByFormat(Mutex<Vec<(&'static str, &'static str, u64)>>);

impl ByFormat {
    pub fn count(&self, format: &'static str, event: &'static str) {
        let mut cells = self.0.lock();
        match cells.iter_mut().find(|(a, b, _)| (*a, *b) == (format, event)) {
            Some((_, _, count)) => *count += 1,
            None => cells.push((format, event, 1)),
        }
    }

    /// In the order in which they first came.
    pub fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_its_count() {
        let counts = ByFormat::default();
        [("slack", "failover"), ("json", "failover"), ("slack", "failover")]
            .into_iter()
            .for_each(|(format, event)| counts.count(format, event));
        assert_eq!(counts.read(), [("slack", "failover", 2), ("json", "failover", 1)]);
    }
}
