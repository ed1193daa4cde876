//! `tidegate alert test`: would anybody be told?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::alert::{Message, format, rule};
use crate::base::clock;
use crate::cli::{BAD_CONFIG, check};
use crate::config::checked::{Alert, AlertFormat};
use crate::notify;
use crate::notify::courier::refused;
use crate::notify::post::{Post, TIMES, place};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a test to every receiver of the file, and print what each answered. Exit code 1: one of them did not take it.
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// The configuration file.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
    /// Only to those who are told of this event.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(rule::NAMES))]
    event: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Test(test) = &arguments.command;
    let Some(checked) = check::load(&test.config) else { return Ok(ExitCode::from(BAD_CONFIG)) };
    let event = test.event.as_deref();
    let wanted = |alert: &&Alert| {
        event.is_none_or(|event| alert.events.iter().any(|known| rule::name(*known) == event))
    };
    let alerts: Vec<&Alert> = checked.alerts.iter().filter(wanted).collect();
    if alerts.is_empty() {
        let file = test.config.display();
        check::report(&match event {
            Some(event) if !checked.alerts.is_empty() => format!("{file}: nobody is told of {event}"),
            _ => format!(
                "{file}: there is nobody to tell: it has no `alerts`, or all of them are switched off"
            ),
        });
        return Ok(ExitCode::FAILURE);
    }
    let name = event.and_then(|event| rule::NAMES.iter().find(|name| **name == event)).copied();
    let message = Message::test(name.unwrap_or("test"), clock::unix_time());
    let node = notify::node();
    let results: Vec<(bool, String)> = thread::scope(|scope| {
        let begun: Vec<_> = alerts.iter().map(|alert| scope.spawn(|| tell(alert, &message, &node))).collect();
        let lost = || (false, "the test broke off".to_owned());
        begun.into_iter().map(|told| told.join().unwrap_or_else(|_| lost())).collect()
    });
    let mut out = std::io::stdout();
    for (alert, (_, result)) in alerts.iter().zip(&results) {
        writeln!(out, "{} ({}): {result}", place(&alert.webhook), format::name(&alert.format))?;
    }
    let good = results.iter().all(|(good, _)| *good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether it was taken, and what to say of it.
fn tell(alert: &Alert, message: &Message, node: &str) -> (bool, String) {
    let body = format::body(&alert.format, message, node).to_string();
    let begun = clock::instant();
    match Post::new(alert, TIMES).send(body.as_bytes()) {
        Ok(answer) if answer.is_good() => {
            let hint = match alert.format {
                AlertFormat::PagerDuty { .. } => "; resolve the incident there by hand",
                _ => "",
            };
            let took = begun.elapsed().as_millis();
            (true, format!("it was taken, status {} after {took} ms{hint}", answer.status))
        }
        Ok(answer) => {
            (false, format!("it was refused after {} ms, {}", begun.elapsed().as_millis(), refused(&answer)))
        }
        Err(why) => (false, format!("it was not reached, {why} (after {} ms)", begun.elapsed().as_millis())),
    }
}
