//! `tidegate check`: is this file good?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::base::clock::Clock;
use crate::cli::BAD_CONFIG;
use crate::config::{self, checked::Checked};
use crate::runtime::compile::compile;
use crate::runtime::state::State;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(checked) = load(&arguments.config) else { return Ok(ExitCode::from(BAD_CONFIG)) };
    // Certificates and names show their faults only when they are put to use.
    if let Err(error) = compile(&checked, &State::new(Clock::real())) {
        report(&format!("{}: error: {error}", arguments.config.display()));
        return Ok(ExitCode::from(BAD_CONFIG));
    }
    writeln!(std::io::stdout(), "{} is good", arguments.config.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Loads a configuration; its mistakes and warnings go to standard error.
pub fn load(path: &std::path::Path) -> Option<Checked> {
    match config::load(path) {
        Ok(checked) => {
            if checked.warnings.warnings() > 0 {
                report(&checked.warnings.to_string());
            }
            Some(checked)
        }
        Err(diagnostics) => {
            report(&diagnostics.to_string());
            None
        }
    }
}

pub fn report(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
