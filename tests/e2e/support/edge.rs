//! tidegate itself: the real binary with a configuration of the test's own, on ports the system picks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use serde_json::Value;

use super::http::{Ask, Connection, Message};
use super::process::Process;
use super::scratch::Scratch;
use super::wait::eventually;

/// What a test may want to be different in the sections every configuration has.
pub struct Settings<'a> {
    pub shutdown_grace: &'a str,
    /// `log.access`, as YAML.
    pub access_log: &'a str,
    pub threads: usize,
    pub max_connections: usize,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        let access_log = "{to: stdout, format: json}";
        Settings { shutdown_grace: "10s", access_log, threads: 2, max_connections: 1000 }
    }
}

pub struct Edge {
    pub process: Process,
    pub directory: Scratch,
    frontends: HashMap<String, Vec<SocketAddr>>,
    admin: SocketAddr,
}

impl Edge {
    /// Starts with `sections` (frontends, backends and what else the test needs), in which every `<name>` is replaced
    /// by its value. Returns when the listeners are open.
    #[track_caller]
    pub fn start(sections: &str, values: &[(&str, &str)]) -> Edge {
        Edge::start_with(&Settings::default(), Scratch::new(), sections, values)
    }

    /// The same with other settings, in a directory that may hold certificates.
    #[track_caller]
    pub fn start_with(
        settings: &Settings,
        directory: Scratch,
        sections: &str,
        values: &[(&str, &str)],
    ) -> Edge {
        let config = configuration(settings, directory.path(), sections, values);
        Edge::start_text(directory, &config)
    }

    /// Starts with exactly this configuration.
    #[track_caller]
    pub fn start_text(directory: Scratch, config: &str) -> Edge {
        let file = directory.write("tidegate.yaml", config);
        let process = Process::start(&mut command(&["run", "-c"], &file));
        Edge::started(directory, process, config)
    }

    /// The same where names mean what `hosts` says, in the form of `/etc/hosts`, and no resolver is asked: in a mount
    /// namespace of its own. `None` where the system lets nobody have one.
    #[track_caller]
    pub fn start_with_hosts(
        settings: &Settings,
        sections: &str,
        values: &[(&str, &str)],
        hosts: &str,
    ) -> Option<Edge> {
        Command::new("unshare").args(["-Urm", "true"]).status().ok().filter(ExitStatus::success)?;
        let directory = Scratch::new();
        let hosts = directory.write("hosts", hosts);
        let resolver = directory.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
        let config = configuration(settings, directory.path(), sections, values);
        let file = directory.write("tidegate.yaml", &config);
        let mounts = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && exec \"$0\" run -c \"$3\"";
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", mounts, env!("CARGO_BIN_EXE_tidegate")]);
        command.args([&hosts, &resolver, &file]).env_remove("RUST_LOG");
        let process = Process::start(&mut command);
        Some(Edge::started(directory, process, &config))
    }

    /// The same with a listening socket as its descriptor `number`, as a supervisor hands one down.
    #[track_caller]
    pub fn start_inheriting(directory: Scratch, config: &str, number: i32, socket: OwnedFd) -> Edge {
        let file = directory.write("tidegate.yaml", config);
        let process = Process::start_reading(&mut inheriting(&file, number), socket);
        Edge::started(directory, process, config)
    }

    #[track_caller]
    fn started(directory: Scratch, mut process: Process, config: &str) -> Edge {
        let (frontends, admin) = process.await_lines(&format!("ready with\n{config}"), |_, stderr| {
            stderr.iter().any(|line| is_ready(line)).then(|| listeners(stderr))
        });
        let admin = admin.unwrap_or_else(|| panic!("no `listening admin` line\n{}", process.transcript()));
        Edge { process, directory, frontends, admin }
    }

    /// The first address of a frontend.
    #[track_caller]
    pub fn address(&self, frontend: &str) -> SocketAddr {
        self.addresses(frontend)[0]
    }

    #[track_caller]
    pub fn addresses(&self, frontend: &str) -> &[SocketAddr] {
        let found = self.frontends.get(frontend);
        found.unwrap_or_else(|| panic!("no listener of {frontend}\n{}", self.process.transcript()))
    }

    /// Ends it and gives its directory to the next one.
    pub fn into_directory(self) -> Scratch {
        self.directory
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The path of the runtime socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("admin.sock")
    }

    /// A new plain connection to the frontend `web`.
    #[track_caller]
    pub fn open(&self) -> Connection {
        Connection::open(self.address("web"))
    }

    /// One request to the frontend `web`, on a connection of its own.
    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Message {
        self.open().ask(ask)
    }

    /// Like [`Edge::ask`], `times` times on one connection; the `server` that answered each.
    #[track_caller]
    pub fn servers(&self, times: usize) -> Vec<String> {
        let mut connection = self.open();
        (0..times).map(|_| server_of(&connection.ask(&Ask::get("/v1/models")))).collect()
    }

    /// Waits for a line of the JSON access log that `pick` accepts.
    #[track_caller]
    pub fn logged(&self, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("a log line: {what}"), || self.log().into_iter().find(|line| pick(line)))
    }

    /// The lines of the JSON access log so far.
    pub fn log(&self) -> Vec<Value> {
        let lines = self.process.stdout();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

/// The `server` member of the answer of a named upstream.
#[track_caller]
pub fn server_of(answer: &Message) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["server"].as_str().unwrap().to_owned()
}

/// The whole text of a configuration.
pub fn configuration(
    settings: &Settings,
    directory: &Path,
    sections: &str,
    values: &[(&str, &str)],
) -> String {
    let directory = directory.display();
    let Settings { shutdown_grace, access_log, threads, max_connections } = settings;
    let mut text = format!(
        "global:\n  threads: {threads}\n  max_connections: {max_connections}\n  \
         shutdown_grace: {shutdown_grace}\n  state_dir: {directory}/state\n\
         admin: {{listen: 127.0.0.1:0, socket: {directory}/admin.sock}}\n\
         log: {{level: info, access: {access_log}}}\n{sections}\n"
    );
    for (name, value) in values {
        text = text.replace(&format!("<{name}>"), value);
    }
    text
}

/// Runs a command to its end on a configuration that should not start: exit status and standard error.
pub fn refused(arguments: &[&str], file: &Path) -> (ExitStatus, String) {
    let mut process = Process::start(&mut command(arguments, file));
    let status = process.wait();
    (status, process.stderr().join("\n"))
}

/// Runs `tidegate check -c FILE`.
pub fn check(file: &Path) -> Output {
    command(&["check", "-c"], file).output().unwrap()
}

/// Runs with its own standard input as descriptor `number`. A shell moves it, since only the first three descriptors can
/// be chosen for a child without unsafe code.
fn inheriting(file: &Path, number: i32) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("exec \"$0\" run -c \"$1\" {number}<&0 0</dev/null"));
    command.arg(env!("CARGO_BIN_EXE_tidegate")).arg(file).env_remove("RUST_LOG");
    command
}

fn command(arguments: &[&str], file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).arg(file).env_remove("RUST_LOG");
    command
}

fn is_ready(line: &str) -> bool {
    line == "ready" || line.ends_with(" ready")
}

fn listeners(stderr: &[String]) -> (HashMap<String, Vec<SocketAddr>>, Option<SocketAddr>) {
    let (mut frontends, mut admin) = (HashMap::<String, Vec<SocketAddr>>::new(), None);
    for line in stderr {
        let Some((_, fields)) = line.split_once("listening ") else { continue };
        let word = |name: &str| fields.split(' ').find_map(|word| word.strip_prefix(name));
        let Some(address) = word("address=").and_then(|text| text.parse().ok()) else { continue };
        match word("frontend=") {
            Some(name) => frontends.entry(name.to_owned()).or_default().push(address),
            None => admin = Some(address),
        }
    }
    (frontends, admin)
}
