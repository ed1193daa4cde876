//! `tidegate hash-key`: what to write into the file in place of a client key.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::auth::digest;

pub fn run() -> anyhow::Result<ExitCode> {
    let mut key = String::new();
    std::io::stdin().read_to_string(&mut key).context("cannot read the key from standard input")?;
    let key = key.trim_end_matches(['\r', '\n']);
    if key.is_empty() {
        bail!("no key on standard input; try: printf %s \"$KEY\" | tidegate hash-key");
    }
    let mut out = std::io::stdout().lock();
    for byte in digest(key.as_bytes()) {
        write!(out, "{byte:02x}")?;
    }
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
