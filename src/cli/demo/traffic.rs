//! Sample traffic: clients that ask one thing after the other while one provider is killed and revived.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::RwLock;

use super::client::{Ask, Client, connector};
use super::plan::{Plan, TRAFFIC_KEY};
use super::stage::Stage;
use super::tally::{Kill, Phase, Tally};
use crate::base::clock::instant;

const CLIENTS: usize = 8;
/// Between two requests of a client; well below the flood limit of `conf/demo.yaml`.
const PAUSE: Duration = Duration::from_millis(10);
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// What a client asks, over and over.
const MIX: [Ask; 8] =
    [Ask::Chat, Ask::Stream, Ask::Chat, Ask::Embedding, Ask::Chat, Ask::Stream, Ask::Models, Ask::Chat];

struct Run {
    start: Instant,
    over: Cell<bool>,
    tally: RefCell<Tally>,
    /// Open streams hold it for reading. An answer that has begun cannot move to another provider, so the kill waits
    /// for a moment without one; requests that are not answered yet are what it is meant to hit.
    streams: RwLock<()>,
}

/// Runs for `seconds`; kills the second provider after a third of them and revives it after two thirds.
pub async fn drive(plan: &Plan, stage: &mut Stage, seconds: u32) -> anyhow::Result<Tally> {
    if !plan.knows(TRAFFIC_KEY) {
        bail!("--seconds needs a client with the key '{TRAFFIC_KEY}' in {}", plan.config.display());
    }
    let tls = connector(plan)?;
    let run =
        Run { start: instant(), over: Cell::new(false), tally: RefCell::default(), streams: RwLock::new(()) };
    let clients = (0..CLIENTS).map(|index| ask_away(&run, Client::new(plan, tls.clone()), index));
    let drama = async {
        let outcome = drama(&run, plan, stage, Duration::from_secs(seconds.into())).await;
        run.over.set(true);
        outcome
    };
    let (outcome, _) = tokio::join!(drama, futures::future::join_all(clients));
    outcome?;
    Ok(run.tally.into_inner())
}

async fn drama(run: &Run, plan: &Plan, stage: &mut Stage, whole: Duration) -> anyhow::Result<()> {
    let victim = 1.min(plan.providers.len().saturating_sub(1));
    run.until(whole / 3).await;
    {
        let _no_stream = run.streams.write().await;
        let pid = stage.kill(victim).await?;
        if let (Some(pid), Some(provider)) = (pid, plan.providers.get(victim)) {
            let mut tally = run.tally.borrow_mut();
            tally.killed = Some(Kill { name: provider.name.clone(), pid, at: run.start.elapsed() });
            tally.phase = Phase::Without;
        }
    }
    run.until(whole * 2 / 3).await;
    stage.revive(plan, victim).await?;
    {
        let mut tally = run.tally.borrow_mut();
        tally.revived = Some(run.start.elapsed());
        tally.phase = Phase::After;
    }
    run.until(whole).await;
    Ok(())
}

async fn ask_away(run: &Run, mut client: Client, index: usize) {
    for ask in MIX.into_iter().cycle().skip(index) {
        if run.over.get() {
            return;
        }
        let stream = if ask == Ask::Stream { Some(run.streams.read().await) } else { None };
        let result = client.call(ask).await;
        drop(stream);
        let pause = if result.is_ok() { PAUSE } else { AFTER_FAILURE };
        run.tally.borrow_mut().count(ask, result, run.start.elapsed());
        tokio::time::sleep(pause).await;
    }
}

impl Run {
    async fn until(&self, time: Duration) {
        tokio::time::sleep(time.saturating_sub(self.start.elapsed())).await;
    }
}
