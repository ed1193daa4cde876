//! The running instance, spoken to over its runtime socket: found by its configuration file, or by the path of the socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::config;

/// How an answer to an order begins that was carried out, and how else: as HAProxy's `reload` on the master's socket.
const DONE: &str = "Success=1\n--\n";
const REFUSED: &str = "Success=0\n--\n";
/// An order may have to wait for the first checks of new servers, and for the guard of a reload.
const PATIENCE: Duration = Duration::from_secs(120 + 600);

/// Which one.
#[derive(Debug, Args)]
pub struct Instance {
    /// The configuration file of the instance: its `admin.socket` is where it listens.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The path of its runtime socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
}

impl Instance {
    /// Sends a command and prints the answer. The exit code is 1 for an order that was refused.
    ///
    /// # Errors
    /// There is no instance, or it did not answer.
    pub fn tell(&self, command: &str) -> anyhow::Result<ExitCode> {
        self.tell_and_judge(command, |_| true)
    }

    /// The same for a command that is no order: `is_done` knows by its answer.
    ///
    /// # Errors
    /// There is no instance, or it did not answer.
    pub fn tell_and_judge(&self, command: &str, is_done: impl Fn(&str) -> bool) -> anyhow::Result<ExitCode> {
        let answer = self.ask(command)?;
        let (text, done) = match (answer.strip_prefix(DONE), answer.strip_prefix(REFUSED)) {
            (Some(text), _) => (text.trim_end(), true),
            (_, Some(text)) => (text.trim_end(), false),
            (None, None) => (answer.trim_end(), is_done(answer.trim_end())),
        };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn ask(&self, command: &str) -> anyhow::Result<String> {
        if command.contains(['\n', ';']) {
            bail!("one command at a time, without `;` and line breaks");
        }
        let path = self.path()?;
        let mut stream = UnixStream::connect(&path).with_context(|| {
            format!("nobody listens on {}: is tidegate running, and with this file?", path.display())
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{command}\n").as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .with_context(|| format!("no whole answer on {}", path.display()))?;
        Ok(answer)
    }

    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.socket {
            return Ok(path.clone());
        }
        let Some(file) = &self.config else {
            bail!("which instance? Give its configuration file (-c FILE) or its socket (--socket PATH)");
        };
        // The file may have mistakes by now, and the instance runs all the same: it is the one to say what is wrong.
        let checked = match (config::load(file), config::likely_socket(file)) {
            (Ok(checked), _) => checked,
            (Err(_), Some(socket)) if socket.exists() => return Ok(socket),
            (Err(mistakes), _) => {
                bail!("{mistakes}\nthe file has mistakes; name the socket instead: --socket PATH")
            }
        };
        checked.admin.socket.with_context(|| format!("{} has `admin.socket: off`", file.display()))
    }
}
