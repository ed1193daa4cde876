//! What is known of a configuration beside its text, and how that is written down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::calendar::Civil;

/// A configuration that was just applied. It holds secrets, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Applied<'a> {
    /// As it was in the file, `${NAME}` and all.
    pub text: &'a str,
    pub file: &'a Path,
    /// Since 1970-01-01 UTC.
    pub at: Duration,
    /// `start`, `signal`, `socket uid 0`, `http 127.0.0.1`, `rollback to 3 by ..`, `guard`.
    pub who: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1, in the order in which they were applied. Never given twice.
    pub number: u64,
    /// When it was applied for the first time since another one was in force, since 1970-01-01 UTC.
    pub at: Duration,
    /// When the same text was applied for the last time, if more than once.
    pub again: Option<Duration>,
    pub who: String,
    pub file: PathBuf,
    /// Of the text, in lower-case hexadecimal.
    pub sha256: String,
    pub bytes: u64,
}

/// The file beside the text. Its number is its name. A newer tidegate may know more of it.
#[derive(Serialize, Deserialize)]
struct Written {
    /// For people; not read.
    #[serde(default)]
    applied: String,
    at_ms: u64,
    #[serde(default)]
    again_ms: Option<u64>,
    who: String,
    #[serde(default)]
    file: String,
    sha256: String,
    bytes: u64,
}

impl Entry {
    pub(super) fn of(number: u64, applied: &Applied<'_>) -> Entry {
        Entry {
            number,
            at: applied.at,
            again: None,
            who: applied.who.to_owned(),
            file: applied.file.to_owned(),
            sha256: digest(applied.text),
            bytes: length(applied.text),
        }
    }

    /// Whether it has this text.
    pub(super) fn is_of(&self, applied: &Applied<'_>) -> bool {
        self.bytes == length(applied.text) && self.sha256 == digest(applied.text)
    }

    pub(super) fn read(number: u64, bytes: &[u8]) -> Option<Entry> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        Some(Entry {
            number,
            at: Duration::from_millis(written.at_ms),
            again: written.again_ms.map(Duration::from_millis),
            who: written.who,
            file: written.file.into(),
            sha256: written.sha256,
            bytes: written.bytes,
        })
    }

    pub(super) fn write(&self) -> std::io::Result<Vec<u8>> {
        let mut applied = Vec::new();
        Civil::from_unix(self.at).write_rfc3339(&mut applied)?;
        let mut written = serde_json::to_vec_pretty(&Written {
            applied: String::from_utf8_lossy(&applied).into_owned(),
            at_ms: milliseconds(self.at),
            again_ms: self.again.map(milliseconds),
            who: self.who.clone(),
            file: self.file.to_string_lossy().into_owned(),
            sha256: self.sha256.clone(),
            bytes: self.bytes,
        })?;
        written.push(b'\n');
        Ok(written)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
