//! curl and nghttp: clients that tidegate's authors did not write, for HTTP/2 above all.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::wait::DEADLINE;

/// What came of a run.
#[derive(Debug)]
pub struct Curl {
    pub exit: i32,
    pub status: u16,
    /// `1.1` or `2`.
    pub version: String,
    pub redirect: String,
    pub body: String,
}

/// Fetches `https://NAME:PORT/path` from `address`, trusting `authority`.
pub fn https(address: SocketAddr, name: &str, authority: &Path, path: &str, more: &[&str]) -> Curl {
    let port = address.port();
    let mut arguments = vec![
        "--resolve".to_owned(),
        format!("{name}:{port}:{}", address.ip()),
        "--cacert".to_owned(),
        authority.display().to_string(),
        format!("https://{name}:{port}{path}"),
    ];
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    run(&arguments)
}

/// Fetches `http://ADDRESS/path`.
pub fn http(address: SocketAddr, path: &str, more: &[&str]) -> Curl {
    let mut arguments = vec![format!("http://{address}{path}")];
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    run(&arguments)
}

/// Runs `nghttp -v`, whose output names every frame.
pub fn nghttp(address: SocketAddr, path: &str) -> String {
    let url = format!("https://{address}{path}");
    let output = Command::new("nghttp")
        .args(["-v", "--no-verify-peer", "-t", &DEADLINE.as_secs().to_string(), &url])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(arguments: &[String]) -> Curl {
    let marker = "\n--curl--";
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--no-buffer", "--max-time", &DEADLINE.as_secs().to_string()])
        .args(["--write-out", &format!("{marker}%{{http_code}} %{{http_version}} %{{redirect_url}}")])
        .args(arguments)
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, figures) = text.rsplit_once(marker).unwrap_or((&text, ""));
    let mut figures = figures.split(' ');
    Curl {
        exit: output.status.code().unwrap_or(-1),
        status: figures.next().and_then(|word| word.parse().ok()).unwrap_or(0),
        version: figures.next().unwrap_or_default().to_owned(),
        redirect: figures.next().unwrap_or_default().to_owned(),
        body: body.to_owned(),
    }
}
