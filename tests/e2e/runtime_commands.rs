//! The commands of the runtime socket that change something: words and shapes are HAProxy's.

mod address;
mod counters;
mod errors;
mod limits;
mod sessions;
mod tables;

use std::process::Command;

use crate::support::admin::column;
use crate::support::edge::Edge;
use crate::support::upstream::Upstream;

/// An answer of the socket; the empty line that ends it aside.
#[track_caller]
fn say(edge: &Edge, command: &str) -> String {
    edge.command(command).trim_end_matches('\n').to_owned()
}

/// A column of `show stat` for one frontend, backend or server.
#[track_caller]
fn stat(edge: &Edge, server: &str, name: &str) -> String {
    let rows = edge.show_stat();
    let row = rows.iter().find(|row| column(row, "svname") == server).unwrap();
    column(row, name).to_owned()
}

/// Scripts go by it.
#[test]
fn the_exit_code_says_whether_a_command_was_refused() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    );
    for (words, code) in [
        (&["kill", "stream", "99999"][..], 1),
        (&["kill", "stream"], 1),
        (&["set", "server", "ai/one", "weight", "50%"], 0),
        (&["set", "server", "ai/one", "weight", "heavy"], 1),
        (&["set", "server", "ai/two", "state", "drain"], 1),
        (&["set", "server", "ai/one", "addr", "127.0.0.2"], 0),
        (&["set", "server", "ai/one", "addr", "127.0.0.2"], 0),
        (&["set", "server", "ai/one", "addr", "nowhere"], 1),
        (&["show", "streams"], 0),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let ran = command.args(words).arg("--socket").arg(edge.socket()).output().unwrap();
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {ran:?}");
    }
}
