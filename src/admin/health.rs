//! `/health` and `/ready`: whether the process lives, and whether it may be given traffic. Both speak of this node
//! alone: a node whose upstreams are all down still answers its clients properly, and its twin would do no better.

use std::sync::atomic::Ordering;

use crate::admin::View;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Before the end of the first round of checks.
    Starting,
    Ready,
    /// A stop or a drain was ordered.
    Draining,
}

impl Readiness {
    pub fn of(view: &View) -> Readiness {
        if view.draining.load(Ordering::Relaxed) || view.state.is_draining() {
            Readiness::Draining
        } else if view.state.ready.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Readiness::Starting => "starting",
            Readiness::Ready => "ready",
            Readiness::Draining => "draining",
        }
    }

    /// The body of `/ready`.
    pub fn explanation(self) -> &'static str {
        match self {
            Readiness::Starting => "starting: the first round of health checks is not over\n",
            Readiness::Ready => "ready\n",
            Readiness::Draining => "draining: a stop or a drain was ordered, send new traffic elsewhere\n",
        }
    }
}
