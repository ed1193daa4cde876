//! Which problems a fact begins and which it ends.

use std::time::Duration;

use super::fact::{Fact, Measure, Stand, What};
use super::message::Severity;
use super::rule::Topic;

/// What a fact means for one problem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub topic: Topic,
    pub turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Turn {
    Begins {
        severity: Severity,
        /// It ends by itself after this time.
        ends: Option<Duration>,
        /// Of a failover: the tier that is missed.
        tier: Option<u32>,
    },
    /// `quiet`: only those who keep incidents hear of it.
    Ends { quiet: bool },
    /// It has no end: it happened.
    Happened(Severity),
}

/// The steps of a fact. `missed` is the tier that a failover of this backend left, if one stands.
pub(super) fn steps(fact: &Fact, missed: Option<u32>) -> Vec<Step> {
    let begins = |topic, severity| Step { topic, turn: Turn::Begins { severity, ends: None, tier: None } };
    let ends = |topic| Step { topic, turn: Turn::Ends { quiet: false } };
    let quietly = |topic| Step { topic, turn: Turn::Ends { quiet: true } };
    match fact.what {
        What::Server(Stand::Up) => vec![ends(Topic::ServerDown), ends(Topic::BreakerOpen)],
        What::Server(Stand::Down) => vec![begins(Topic::ServerDown, Severity::Error)],
        What::Server(Stand::BreakerOpen) => vec![begins(Topic::BreakerOpen, Severity::Warning)],
        What::Server(Stand::Passing) => Vec::new(),
        What::Server(Stand::TakenOut) => vec![quietly(Topic::ServerDown), quietly(Topic::BreakerOpen)],
        What::Tiers { from, to } => tiers(from, to, missed),
        What::Budget { used_up, anew } => {
            let severity = if used_up { Severity::Error } else { Severity::Warning };
            vec![Step { topic: Topic::Budget, turn: Turn::Begins { severity, ends: anew, tier: None } }]
        }
        What::LedgerDegraded => vec![begins(Topic::Ledger, Severity::Error)],
        What::CallsLost => vec![begins(Topic::Ledger, Severity::Critical)],
        What::LedgerBack => vec![ends(Topic::Ledger)],
        What::ReloadRefused => vec![begins(Topic::ReloadFailed, Severity::Error)],
        What::ReloadApplied => vec![ends(Topic::ReloadFailed)],
        What::Certificate { ended: false } => vec![begins(Topic::Certificate, Severity::Warning)],
        What::Certificate { ended: true } => vec![begins(Topic::Certificate, Severity::Critical)],
        What::CertificateRenewed => vec![ends(Topic::Certificate)],
        What::RolledBack => {
            vec![Step { topic: Topic::Rollback, turn: Turn::Happened(Severity::Error) }]
        }
        What::Figure { measure, over: true } => {
            let severity = match measure {
                Measure::Latency(_) => Severity::Warning,
                Measure::Errors(_) => Severity::Error,
            };
            vec![begins(Topic::Figure(measure), severity)]
        }
        What::Figure { measure, over: false } => vec![ends(Topic::Figure(measure))],
    }
}

fn tiers(from: Option<u32>, to: Option<u32>, missed: Option<u32>) -> Vec<Step> {
    let failover = |tier| Step {
        topic: Topic::Failover,
        turn: Turn::Begins { severity: Severity::Warning, ends: None, tier: Some(tier) },
    };
    let back = Step { topic: Topic::Failover, turn: Turn::Ends { quiet: false } };
    let mut steps = Vec::new();
    match (from, to) {
        (_, None) => {
            let turn = Turn::Begins { severity: Severity::Critical, ends: None, tier: None };
            steps.push(Step { topic: Topic::NoServer, turn });
        }
        (None, Some(to)) => {
            steps.push(Step { topic: Topic::NoServer, turn: Turn::Ends { quiet: false } });
            if missed.is_some_and(|missed| to <= missed) {
                // The end of the outage says it already.
                steps.push(Step { topic: Topic::Failover, turn: Turn::Ends { quiet: true } });
            }
        }
        (Some(from), Some(to)) if to > from => {
            steps.push(failover(missed.map_or(from, |missed| missed.min(from))));
        }
        (Some(_), Some(to)) => match missed {
            Some(missed) if to > missed => steps.push(failover(missed)),
            _ => steps.push(back),
        },
    }
    steps
}
