//! `tidegate mock`: one OpenAI-compatible provider to test against.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::demo::leash;
use crate::base::secret::Secret;
use crate::mock::{Faults, Mock, Settings};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Who answers: in the header x-mock-server, in system_fingerprint and in the text
    #[arg(long, default_value = "mock")]
    name: String,
    /// The only API key that is accepted; without it no key is needed
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Speak TLS: certificate chain and private key in one PEM file
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Models to serve, any other being 404; without it every model is served
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    models: Vec<String>,
    /// Where the API starts
    #[arg(long, value_name = "PATH", default_value = "/v1")]
    base_path: String,
    /// A fault to start with, like delay_ms=200 (names as of POST /mock/faults); may be given several times
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    faults: Vec<String>,
    /// End when standard input ends: whoever holds the other end takes this provider along
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

/// Serves until SIGINT or SIGTERM. The first line on standard output says where it listens.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let faults = Faults::from_pairs(arguments.faults.iter().map(String::as_str))
        .map_err(|wrong| anyhow::anyhow!("--fault: {wrong}"))?;
    let settings = Settings {
        listen: arguments.listen,
        name: arguments.name.clone(),
        api_key: arguments.api_key.map(Secret::new),
        tls_bundle: arguments.tls_cert,
        models: arguments.models,
        base_path: arguments.base_path.trim_end_matches('/').to_owned(),
        faults,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serving = async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (parent, gone) = oneshot::channel::<()>();
        let alone = if arguments.exit_with_stdin {
            leash::when_stdin_ends(move || drop(parent))?;
            None
        } else {
            Some(parent)
        };
        let mock = Mock::bind(settings).await?;
        announce(&format!("mock {} listening on {}", arguments.name, mock.address()))?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = gone => {}
            }
        };
        mock.serve(stop).await;
        drop(alone);
        Ok(ExitCode::SUCCESS)
    };
    tokio::task::LocalSet::new().block_on(&runtime, serving)
}

fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
