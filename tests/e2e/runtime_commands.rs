//! The commands of the runtime socket that change something: words and shapes are HAProxy's.

mod address;
mod counters;
mod errors;
mod limits;
mod sessions;
mod tables;

use crate::support::admin::column;
use crate::support::edge::Edge;

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
