//! `tidegate run`: the load balancer in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{BAD_CONFIG, check};
use crate::{admin, app};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: PathBuf,
    /// Stop when standard input is closed: a parent that dies takes this process with it.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(checked) = check::load(&arguments.config) else { return Ok(ExitCode::from(BAD_CONFIG)) };
    env_logger::Builder::new()
        .filter_level(checked.log.level.min(log::LevelFilter::Warn))
        // Its errors are the habits of clients, a port scan for one; we count and log what matters of them.
        .filter_module("pingora", log::LevelFilter::Off)
        .filter_module("tidegate", checked.log.level)
        // Who changed what is kept however quiet the rest is.
        .filter_module(admin::AUDIT, log::LevelFilter::Info)
        .parse_default_env()
        .init();
    app::run(&checked, arguments.exit_with_stdin)?;
    Ok(ExitCode::SUCCESS)
}
