//! What a receiver is told.

use std::time::Duration;

use serde_json::Value;

/// One alert, in no format yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// As in `alerts.events`: `server_down`; or `test`, `many`.
    pub event: &'static str,
    pub severity: Severity,
    /// The problem is over.
    pub resolved: bool,
    /// Since 1970 UTC.
    pub at: Duration,
    pub subject: String,
    /// For people.
    pub text: String,
    /// The same for a problem and its end.
    pub key: String,
    pub details: Vec<(&'static str, Value)>,
}

impl Message {
    /// What `tidegate alert test` sends.
    pub fn test(event: &'static str, at: Duration) -> Message {
        Message {
            event,
            severity: Severity::Info,
            resolved: false,
            at,
            subject: "test".to_owned(),
            text: "this is a test of tidegate's alerts: nothing is wrong, and whoever reads this would have been told"
                .to_owned(),
            key: "test".to_owned(),
            details: vec![("test", true.into())],
        }
    }
}

/// PagerDuty's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    /// It still works, with less.
    Warning,
    /// Something failed, or will, unless a person acts.
    Error,
    /// Clients are being failed.
    Critical,
}

impl Severity {
    pub fn label(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }
}
