//! The configuration as everyone else reads it: plain Rust types, every default filled in, every name resolved to an
//! index, nothing left that could still be wrong. Only [`crate::config::load`] makes one; nobody changes it afterwards.

mod acl;
mod ai;
mod alert;
mod backend;
mod bind;
mod budget;
mod check;
mod cipher;
mod frontend;
mod header_text;
mod log;
mod protection;
mod rule;
mod table;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::secret::Secret;
use crate::config::diagnostic::Diagnostics;

pub use acl::*;
pub use ai::*;
pub use alert::*;
pub use backend::*;
pub use bind::*;
pub use budget::*;
pub use check::*;
pub use cipher::*;
pub use frontend::*;
pub use header_text::*;
pub use log::*;
pub use protection::*;
pub use rule::*;
pub use table::*;

/// A whole file without mistakes. Indices are positions in the lists of this struct.
pub struct Checked {
    /// The file as it was named on the command line.
    pub file: PathBuf,
    /// The text as it was read: `${...}` unresolved, so that it may be kept in the history.
    pub source_text: String,
    /// What is worth a word to the operator and stops nothing.
    pub warnings: Diagnostics,
    pub global: Global,
    pub admin: Admin,
    pub log: Log,
    /// Timeouts of `defaults`, for whatever belongs to no frontend and no backend.
    pub timeouts: Timeouts,
    pub tables: Vec<Table>,
    pub acls: Vec<Acl>,
    pub frontends: Vec<Frontend>,
    pub clients: Clients,
    pub plans: Vec<Plan>,
    pub ai: Ai,
    pub backends: Vec<Backend>,
    pub alerts: Vec<Alert>,
}

/// Not the text and what came of it: either may hold a secret.
impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Checked {
    /// Every bind with the index of its frontend, in the order of the file.
    pub fn listeners(&self) -> impl Iterator<Item = (usize, &Bind)> {
        self.frontends.iter().enumerate().flat_map(|(i, f)| f.binds.iter().map(move |b| (i, b)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    pub threads: Threads,
    /// Client connections, all frontends together.
    pub max_connections: usize,
    pub shutdown_grace: Duration,
    /// Not created by the check; relative to the working directory.
    pub state_dir: PathBuf,
    /// Bytes of request bodies that are held for retries and in queues, all requests together.
    pub max_body_memory: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as the machine has cores.
    Auto,
    /// 1..=256.
    Count(usize),
}

#[derive(Clone, Debug)]
pub struct Admin {
    /// `None`: `listen: off`.
    pub listen: Option<SocketAddr>,
    /// `None`: `socket: off`.
    pub socket: Option<PathBuf>,
    pub token: Option<Secret>,
    /// Who may change something over HTTP. Empty: nobody.
    pub allow_changes_from: Vec<IpNet>,
}

/// None of them is zero. In a frontend the server's side holds the defaults, in a backend the client's side does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub request_head: Duration,
    pub client: Duration,
    pub keep_alive: Duration,
    pub connect: Duration,
    pub queue: Duration,
    pub first_byte: Duration,
    /// From the request sent until the first content of an event stream; of AI calls only.
    pub first_content: Duration,
    pub server: Duration,
    pub total: Duration,
    pub tunnel: Duration,
}

#[derive(Clone, Debug)]
pub struct Clients {
    pub mode: ClientMode,
    pub keys: Vec<ClientKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMode {
    Required,
    Optional,
    Passthrough,
}

#[derive(Clone)]
pub struct ClientKey {
    pub name: String,
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
    /// Index in [`Checked::plans`].
    pub plan: Option<usize>,
    /// In place of [`Plan::budget`].
    pub budget: Option<Budget>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("name", &self.name)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub name: String,
    /// `None`: no limit. Never 0.
    pub requests_per_minute: Option<u64>,
    /// Of prompts and answers together, per client; `None`: no limit. Never 0.
    pub tokens_per_minute: Option<u64>,
    /// A stream is cut where `tokens_per_minute` or a budget ends, rather than answered to its end.
    pub in_stream: bool,
    /// Requests in flight per client; `None`: no limit. Never 0.
    pub concurrent: Option<u32>,
    /// Indices in [`Ai::models`], each once; `None`: all models.
    pub models: Option<Vec<usize>>,
    /// Of each client key that has none of its own.
    pub budget: Option<Budget>,
    /// Of all its keys together.
    pub total_budget: Option<Budget>,
    /// In the lines before servers.
    pub priority: Priority,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}
