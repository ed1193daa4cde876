//! Who wants to hear of what.

use std::sync::Arc;
use std::time::Duration;

use super::fact::Measure;
use crate::config::checked::AlertEvent;

/// One receiver and its wishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The same for the same receiver over reloads: what it was told is remembered by it.
    pub id: u64,
    pub events: Vec<AlertEvent>,
    /// By name; `None`: all. What is of no backend is told in any case.
    pub backends: Option<Vec<Arc<str>>>,
    /// The same event of the same subject is not told again sooner.
    pub every: Duration,
    /// It keeps incidents, and wants to hear of the end of each that it was told of; servers' too.
    pub incidents: bool,
}

impl Rule {
    pub(super) fn has(&self, topic: Topic) -> bool {
        self.events.iter().any(|event| topic.is(*event))
    }

    pub(super) fn cares_for(&self, backend: Option<&str>) -> bool {
        match (&self.backends, backend) {
            (Some(wanted), Some(backend)) => wanted.iter().any(|name| **name == *backend),
            _ => true,
        }
    }

    /// The figures that have to be watched for it.
    pub fn measures(&self) -> impl Iterator<Item = Measure> {
        self.events.iter().filter_map(|event| match event {
            AlertEvent::LatencyP95(time) => Some(Measure::Latency(*time)),
            AlertEvent::ErrorRate(share) => Some(Measure::Errors(*share)),
            _ => None,
        })
    }
}

/// The kind of a problem. [`AlertEvent`] without the end of one, and with the figures that can be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Topic {
    ServerDown,
    ServerUp,
    Failover,
    BreakerOpen,
    NoServer,
    Figure(Measure),
    Budget,
    Certificate,
    ReloadFailed,
    Rollback,
    Ledger,
}

impl Topic {
    fn is(self, event: AlertEvent) -> bool {
        match self {
            Topic::Figure(Measure::Latency(time)) => event == AlertEvent::LatencyP95(time),
            Topic::Figure(Measure::Errors(share)) => event == AlertEvent::ErrorRate(share),
            _ => self.name() == name(event),
        }
    }

    /// As the file has it.
    pub fn name(self) -> &'static str {
        name(match self {
            Topic::ServerDown => AlertEvent::ServerDown,
            Topic::ServerUp => AlertEvent::ServerUp,
            Topic::Failover => AlertEvent::Failover,
            Topic::BreakerOpen => AlertEvent::BreakerOpen,
            Topic::NoServer => AlertEvent::NoServer,
            Topic::Figure(Measure::Latency(time)) => AlertEvent::LatencyP95(time),
            Topic::Figure(Measure::Errors(share)) => AlertEvent::ErrorRate(share),
            Topic::Budget => AlertEvent::Budget,
            Topic::Certificate => AlertEvent::Certificate,
            Topic::ReloadFailed => AlertEvent::ReloadFailed,
            Topic::Rollback => AlertEvent::Rollback,
            Topic::Ledger => AlertEvent::Ledger,
        })
    }
}

/// All that [`name`] gives.
pub const NAMES: [&str; 12] = [
    "server_down",
    "server_up",
    "failover",
    "breaker_open",
    "no_server",
    "latency_p95",
    "error_rate",
    "budget",
    "certificate",
    "reload_failed",
    "rollback",
    "ledger",
];

/// An event as the file names it.
pub fn name(event: AlertEvent) -> &'static str {
    match event {
        AlertEvent::ServerDown => "server_down",
        AlertEvent::ServerUp => "server_up",
        AlertEvent::Failover => "failover",
        AlertEvent::BreakerOpen => "breaker_open",
        AlertEvent::NoServer => "no_server",
        AlertEvent::LatencyP95(_) => "latency_p95",
        AlertEvent::ErrorRate(_) => "error_rate",
        AlertEvent::Budget => "budget",
        AlertEvent::Certificate => "certificate",
        AlertEvent::ReloadFailed => "reload_failed",
        AlertEvent::Rollback => "rollback",
        AlertEvent::Ledger => "ledger",
    }
}
