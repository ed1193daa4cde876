//! Orders of operators to a process that goes on, by signal or at a door, carried out one after the other.

use std::sync::Arc;

use log::{info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;

use crate::app::guard::{self, Before, Readings, Watch};
use crate::app::reload::Reloader;
use crate::app::spawn;
use crate::proxy::Shared;
use crate::runtime::orders::{self, Answer, Order, Ordered};

/// SIGHUP reads the file again, SIGUSR1 opens the access log anew. SIGUSR2 will mean an upgrade; until then it must not end
/// the process. Caught from the start on: one that comes before the process is ready is obeyed then.
pub struct Orders {
    hangup: Signal,
    rotated: Signal,
    user: Signal,
    given: Receiver<Ordered>,
    give: orders::Orders,
    readings: Arc<Readings>,
}

impl Orders {
    /// And where the doors hand theirs over.
    ///
    /// # Errors
    /// The system has no room for one more signal handler.
    pub fn new() -> anyhow::Result<(Orders, orders::Orders)> {
        let (give, given) = orders::Orders::new();
        let taken = Orders {
            hangup: signal(SignalKind::hangup())?,
            rotated: signal(SignalKind::user_defined1())?,
            user: signal(SignalKind::user_defined2())?,
            given,
            give: give.clone(),
            readings: Arc::default(),
        };
        Ok((taken, give))
    }

    pub async fn obey(mut self, reloader: Reloader, shared: Arc<Shared>) {
        spawn(guard::read(shared.clone(), self.readings.clone()));
        loop {
            tokio::select! {
                _ = self.hangup.recv() => drop(reloader.reload("SIGHUP").await),
                _ = self.rotated.recv() => shared.log.reopen(),
                _ = self.user.recv() => warn!("SIGUSR2 (upgrade) is not implemented yet and changes nothing"),
                Some(ordered) = self.given.recv() => {
                    if let Order::Canary { share, time } = ordered.order {
                        let (answer, canary) = reloader.attempt(share, &ordered.who).await;
                        match canary {
                            Some(canary) => {
                                let watch = Watch::new(&reloader, self.give.clone(), time);
                                spawn(async move { ordered.answer(watch.canary(&canary, answer).await) });
                            }
                            None => ordered.answer(answer),
                        }
                        continue;
                    }
                    match carry_out(&ordered, &reloader, &shared).await {
                        answer if answer.done && let Order::GuardedReload(time) = ordered.order => {
                            let before = Before::new(&shared, &self.readings, time);
                            let watch = Watch::new(&reloader, self.give.clone(), time);
                            spawn(async move { ordered.answer(watch.guard(&before, answer).await) });
                        }
                        answer => ordered.answer(answer),
                    }
                }
            }
        }
    }
}

async fn carry_out(ordered: &Ordered, reloader: &Reloader, shared: &Shared) -> Answer {
    let who = &*ordered.who;
    match &ordered.order {
        Order::Reload | Order::GuardedReload(_) => reloader.reload(who).await,
        // Begun where it is taken: its answer comes at its end.
        Order::Canary { .. } => Answer::refused("a canary is no single step"),
        Order::EndCanary { generation, worse } => reloader.end_attempt(*generation, worse.as_deref()).await,
        Order::Undo { generation, why } => reloader.undo(*generation, why).await,
        Order::Rollback { to, write } => reloader.rollback(*to, *write, who).await,
        Order::Drain => drain(shared, true, who),
        Order::Undrain => drain(shared, false, who),
    }
}

/// Asks for no new traffic, or for traffic again. What is connected is served all the same.
fn drain(shared: &Shared, on: bool, who: &str) -> Answer {
    let state = &shared.state;
    let changed = state.drain(on);
    let left = format!(
        "{} connections are open, {} requests in flight ({} of them calls)",
        state.connections.open(),
        state.requests(),
        state.streams.count()
    );
    let message = match (on, changed) {
        (true, true) => format!(
            "draining: /ready says 503, and each connection ends with its next answer. {left}. New ones are still served; \
             `tidegate drain --undo` ends it"
        ),
        (true, false) => format!("it was draining already. {left}"),
        (false, true) => format!("no longer draining: /ready says 200. {left}"),
        (false, false) => format!("it was not draining. {left}"),
    };
    if changed {
        info!("{message} (ordered by {who})");
    }
    Answer::done(message)
}
