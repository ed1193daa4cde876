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
            Command::Show(of) => of.tell("show", |_| true),
            Command::Set(of) => of.tell("set", was_set),
            Command::Kill(of) => of.tell("kill", was_killed),
        }
    }
}

impl Words {
    fn tell(&self, command: &str, is_done: fn(&str) -> bool) -> anyhow::Result<ExitCode> {
        self.instance.tell_and_judge(&format!("{command} {}", self.words.join(" ")), is_done)
    }
}

/// Nothing to say; of an address what has changed, or that it is there already.
fn was_set(answer: &str) -> bool {
    let begins = ["IP changed from ", "port changed from ", "no need to change the addr by "];
    answer.is_empty() || begins.iter().any(|begin| answer.starts_with(begin))
}

/// It says what; a stream that ended in the same moment leaves nothing to say.
fn was_killed(answer: &str) -> bool {
    answer.is_empty() || answer.starts_with("Ended ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_from_what_was_done() {
        let by = "by 'stats socket command'";
        for done in ["", &format!("IP changed from 'a' to 'b', port changed from '1' to '2' {by}")] {
            assert!(was_set(done), "{done}");
        }
        assert!(was_set(&format!("port changed from '1' to '2' {by}")));
        assert!(was_set(&format!("no need to change the addr {by}")));
        for refused in [
            "No such server.",
            "Unknown command, but maybe one of the following ones is a better match:",
            "no need to change the addr, problem converting port 'x' to an int by 'stats socket command'",
        ] {
            assert!(!was_set(refused), "{refused}");
        }
        assert!(was_killed("Ended stream 1 (request a). What it took until now is counted and paid."));
        assert!(!was_killed("No such stream: 99999. 'kill stream' takes the number in the first column"));
        assert!(!was_killed("Which one? 'kill stream' takes the number"));
    }
}
