//! Commands to the running instance: each is a line on its runtime socket, whose answer is printed.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::instance::Instance;

/// What can be ordered and asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the configuration file again and put it in force, or say why not.
    Reload(Reload),
    /// Put an older configuration in force: the one before, or a number of the history.
    Rollback(Rollback),
    /// List the configurations that were in force.
    History(Instance),
    /// What changed between two configurations of the history, or from one to the one in force.
    Diff(Diff),
    /// Ask for no new traffic: /ready says 503, connections end with their next answer. Requests are still served.
    Drain(Drain),
    /// show stat|info|servers|table NAME|streams|events|history|config [N]|...: as on the runtime socket.
    Show(Words),
    /// set server BACKEND/SERVER state|weight ...: as on the runtime socket.
    Set(Words),
    /// kill stream NUMBER|REQUEST-ID: as on the runtime socket.
    Kill(Words),
}

#[derive(Debug, Args)]
pub struct Reload {
    #[command(flatten)]
    instance: Instance,
    /// Give it to a share of the clients (5%) first, and to all of them when it does no worse, else to none.
    #[arg(long, value_name = "SHARE", conflicts_with = "guard")]
    canary: Option<String>,
    /// How long a canary is tried: 5s to 10m.
    #[arg(long = "for", value_name = "TIME", requires = "canary", default_value = "60s")]
    time: String,
    /// Watch requests for so long (5s to 10m) and put back what was in force before if they do worse.
    #[arg(long, value_name = "TIME")]
    guard: Option<String>,
}

#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    instance: Instance,
    /// Its number in `tidegate history`; without it the one that was in force before.
    number: Option<u64>,
    /// Also put it in the place of the file; what the file had is kept beside it.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    instance: Instance,
    from: u64,
    /// The one in force, if there is no number.
    to: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Drain {
    #[command(flatten)]
    instance: Instance,
    /// Take traffic again.
    #[arg(long)]
    undo: bool,
}

#[derive(Debug, Args)]
pub struct Words {
    #[command(flatten)]
    instance: Instance,
    #[arg(required = true)]
    words: Vec<String>,
}

impl Command {
    /// # Errors
    /// There is no instance, or it did not answer.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let words =
            |command: &str, of: &Words| of.instance.tell(&format!("{command} {}", of.words.join(" ")));
        match self {
            Command::Reload(Reload { instance, canary: Some(share), time, .. }) => {
                instance.tell(&format!("reload canary {share} for {time}"))
            }
            Command::Reload(Reload { instance, guard: None, .. }) => instance.tell("reload"),
            Command::Reload(Reload { instance, guard: Some(time), .. }) => {
                instance.tell(&format!("reload guard {time}"))
            }
            Command::Rollback(Rollback { instance, number, write }) => {
                let number = number.map_or(String::new(), |number| format!(" {number}"));
                instance.tell(&format!("rollback{number}{}", if *write { " write" } else { "" }))
            }
            Command::History(instance) => instance.tell("show history"),
            Command::Diff(Diff { instance, from, to }) => {
                let to = to.map_or(String::new(), |to| format!(" {to}"));
                instance.tell(&format!("show diff {from}{to}"))
            }
            Command::Drain(Drain { instance, undo: false }) => instance.tell("drain"),
            Command::Drain(Drain { instance, undo: true }) => instance.tell("undrain"),
            Command::Show(of) => words("show", of),
            Command::Set(of) => words("set", of),
            Command::Kill(of) => words("kill", of),
        }
    }
}
