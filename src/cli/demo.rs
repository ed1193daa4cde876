//! `tidegate demo`: three mock providers and the balancer in one command. Prints what to try; with `--seconds` it tries
//! by itself, takes a provider down in the middle and says what the clients saw of it.

mod client;
mod guide;
pub mod leash;
mod plan;
mod stage;
mod tally;
mod traffic;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use plan::Plan;
use stage::Stage;

#[derive(Debug, Args)]
pub struct Arguments {
    /// What to run; its servers say where the mock providers listen
    #[arg(short, long, value_name = "FILE", default_value = "conf/demo.yaml")]
    config: PathBuf,
    /// Certificate of the authority that clients of the demo trust
    #[arg(long, value_name = "FILE", default_value = "certs/localhost-ca.pem")]
    ca: PathBuf,
    /// Drive sample traffic for this long, kill and revive a provider meanwhile, print a summary and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(6..=86_400))]
    seconds: Option<u32>,
}

/// Ends with success on SIGINT, SIGTERM or SIGHUP, and after sample traffic without a failure. No process that it
/// started outlives it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(plan) = Plan::load(&arguments.config, &arguments.ca)? else {
        return Ok(ExitCode::from(64));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, perform(&plan, arguments.seconds))
}

async fn perform(plan: &Plan, seconds: Option<u32>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    plan.require_free_ports()?;
    let mut stage = Stage::new(plan)?;
    let outcome = tokio::select! {
        biased;
        () = signals.any() => {
            // Whoever read this may be gone; the children end all the same.
            let _ = say("\nending");
            // Sample traffic that did not come to its end has shown nothing.
            Ok(if seconds.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        outcome = play(plan, &mut stage, seconds) => outcome,
    };
    stage.end().await;
    outcome
}

async fn play(plan: &Plan, stage: &mut Stage, seconds: Option<u32>) -> anyhow::Result<ExitCode> {
    stage.start(plan).await?;
    if let Some(seconds) = seconds {
        say(&guide::running(plan, stage))?;
        say(&format!("driving sample traffic for {seconds} s ..."))?;
        let tally = traffic::drive(plan, stage, seconds).await?;
        say(&tally.summary(plan, seconds))?;
        return Ok(if tally.good(plan) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    say(&guide::running(plan, stage))?;
    say(&guide::to_paste(plan, stage))?;
    loop {
        let provider = stage.next_death().await?;
        say(&guide::obituary(plan, &provider))?;
    }
}

/// Everything that asks this process to end.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        let of = |kind| signal(kind);
        let kinds = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?, of(SignalKind::hangup())?);
        Ok(Signals([kinds.0, kinds.1, kinds.2]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
