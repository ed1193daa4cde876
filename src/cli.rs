//! The command line: one file per command.

mod alert;
mod check;
mod commands;
pub mod demo;
mod hash_key;
mod instance;
pub mod mock;
mod run;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code of a configuration with mistakes (sysexits.h EX_USAGE).
const BAD_CONFIG: u8 = 64;

/// An L7 load balancer for AI APIs.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about)]
struct Arguments {
    /// Change to this directory first: paths in the configuration are relative to it.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the load balancer.
    Run(run::Arguments),
    /// Check a configuration: every mistake at once. Exit code 0: good, 64: not.
    Check(check::Arguments),
    /// Whether alerts reach anybody.
    Alert(alert::Arguments),
    #[command(flatten)]
    ToInstance(commands::Command),
    /// Who took how many tokens, and what they cost.
    Usage(usage::Arguments),
    /// Three mock providers and the balancer, and what to try with them.
    Demo(demo::Arguments),
    /// One mock OpenAI-compatible provider with faults.
    Mock(mock::Arguments),
    /// Read a client key from standard input and print its key_sha256.
    HashKey,
}

/// Runs the command that the arguments name.
///
/// # Errors
/// What the command failed with, for the person who typed it.
pub fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(directory) = &arguments.directory {
        std::env::set_current_dir(directory)
            .map_err(|e| anyhow::anyhow!("cannot change to {}: {e}", directory.display()))?;
    }
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Alert(arguments) => alert::run(&arguments),
        Command::ToInstance(command) => command.run(),
        Command::Usage(arguments) => usage::run(&arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Mock(arguments) => mock::run(arguments),
        Command::HashKey => hash_key::run(),
    }
}
