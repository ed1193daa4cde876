//! `tidegate usage`: who took how many tokens, and what they cost, from the ledger; and what the same tokens would have cost
//! by another list of prices. It only reads, whether a balancer is running or not.

mod csv;
mod money;
mod prices;
mod table;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::check::report;
use crate::base::clock;
use crate::cli::BAD_CONFIG;
use crate::config;
use crate::ledger;
use crate::ledger::compare::Comparison;
use crate::ledger::query::{self, By, Question, Report};
use crate::ledger::range::Range;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file: its `global.state_dir` is where the ledger is.
    #[arg(short = 'c', long = "config", value_name = "FILE", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// The directory with the ledger, `usage.db`. Without this and -c: ./state.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// What rows are told apart by, with commas: client, plan, model, backend, server, day, month, hour.
    #[arg(long, value_name = "LIST", default_value = "client,model", value_parser = parse_by)]
    by: Columns,
    /// How long ago (30d, 6h), a day (2026-11-01), a month (2026-11) or a time (2026-11-01T14:30), in UTC.
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: String,
    /// The same; up to that moment, which is not part of it. Without: up to now.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Rows with commas, for spreadsheets. Without totals.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
    /// Another list of prices: a file with `models: {NAME: {input: .., output: .., cached_input: ..}}`, or a tidegate
    /// configuration. Tells what the same tokens would have cost there.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// A list, which clap would take for a repeated argument.
#[derive(Clone, Debug)]
struct Columns(Vec<By>);

fn parse_by(text: &str) -> Result<Columns, String> {
    query::parse_by(text).map(Columns).map_err(|wrong| {
        let names: Vec<&str> = By::ALL.iter().map(|by| by.name()).collect();
        format!("`{wrong}` is none of {}", names.join(", "))
    })
}

/// Where the default of the configuration has it.
const STATE_DIR: &str = "./state";

/// # Errors
/// What is wrong with the ledger, the range or the other prices, for the person who asked.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some((dir, off)) = state_dir(arguments) else { return Ok(ExitCode::from(BAD_CONFIG)) };
    print(&answer(arguments, &dir, off)?)?;
    Ok(ExitCode::SUCCESS)
}

fn answer(arguments: &Arguments, dir: &Path, off: bool) -> anyhow::Result<String> {
    let range = Range::parse(&arguments.since, arguments.until.as_deref(), clock::unix_time())?;
    let other = arguments.compare.as_deref().map(prices::read).transpose()?;
    let question = Question { by: arguments.by.0.clone(), range, models: other.is_some() };
    let Some(report) = query::ask(dir, &question)? else { anyhow::bail!(no_ledger(dir, off)) };
    let comparison = other.as_ref().map(|prices| prices.compare(&report));
    render(arguments, &report, arguments.compare.as_deref().zip(comparison.as_ref()))
}

fn render(
    arguments: &Arguments,
    report: &Report,
    comparison: Option<(&Path, &Comparison)>,
) -> anyhow::Result<String> {
    let found = comparison.map(|(_, found)| found);
    if arguments.json {
        return Ok(format!("{}\n", serde_json::to_string_pretty(&report.to_json(found))?));
    }
    Ok(if arguments.csv { csv::render(report, found) } else { table::render(report, comparison) })
}

/// The directory, and whether the file says that nothing is kept there. `None` after mistakes in the file, which are told.
fn state_dir(arguments: &Arguments) -> Option<(PathBuf, bool)> {
    let Some(file) = &arguments.config else {
        return Some((arguments.state_dir.clone().unwrap_or_else(|| STATE_DIR.into()), false));
    };
    // Its warnings are for who starts or checks it.
    match config::load(file) {
        Ok(checked) => Some((checked.global.state_dir, checked.ai.ledger.is_none())),
        Err(mistakes) => {
            report(&format!("{mistakes}\n`tidegate usage --state-dir DIR` needs no configuration"));
            None
        }
    }
}

fn no_ledger(dir: &Path, off: bool) -> String {
    let path = dir.join(ledger::FILE);
    let path = std::path::absolute(&path).unwrap_or(path);
    let why = if off {
        "`ai.ledger: off` in the configuration: nothing is kept"
    } else {
        "no balancer has written there yet, `ai.ledger` is off, or its `global.state_dir` is another: name it with \
         --state-dir DIR, or the configuration with -c FILE (a relative path begins where the balancer was started: -C DIR)"
    };
    format!("there is no ledger at {}: {why}", path.display())
}

/// A reader who has seen enough (`| head`) is no mistake.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
