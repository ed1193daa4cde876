//! Checks of servers behind TLS: the same certificates as for traffic.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::support::admin::column;
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::ok;
use crate::support::scratch::Scratch;
use crate::support::tls::server_config;
use crate::support::upstream::{Upstream, serve};

/// A backend `b0`, `b1`... for each pair of a check and its server's settings.
#[track_caller]
pub fn edge(directory: Scratch, backends: &[(&str, String)]) -> Edge {
    let mut sections =
        "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: b0}\nbackends:\n".to_owned();
    for (index, (check, server)) in backends.iter().enumerate() {
        let check = format!("{{{check}, interval: 60s, fast_interval: 60s, down_interval: 60s}}");
        sections += &format!("  b{index}: {{check: {check}, servers: {{one: {{{server}}}}}}}\n");
    }
    Edge::start_with(&Settings::default(), directory, &sections, &[])
}

/// Status and `check_status` of each server: `UP L7OK`.
#[track_caller]
pub fn verdicts(edge: &Edge) -> Vec<String> {
    let rows = edge.show_stat();
    let servers = rows.iter().filter(|row| column(row, "svname") == "one");
    servers.map(|row| format!("{} {}", column(row, "status"), column(row, "check_status"))).collect()
}

/// An authority in a file, and what a server with its certificate serves.
pub fn authority(directory: &Scratch) -> (String, Arc<ServerConfig>) {
    let authority = Authority::new("upstream authority");
    let file = authority.write(directory, "ca.pem").display().to_string();
    (file, server_config(&authority.issue(&["localhost", "127.0.0.1"])))
}

#[test]
fn the_certificate_is_looked_at_as_for_traffic() {
    let directory = Scratch::new();
    let (ca, config) = authority(&directory);
    let server = Upstream::start_tls(config, serve(|_| ok("ready")));
    let plain = Upstream::start(|peer| {
        if peer.connection.exactly(5).is_ok() {
            peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let trusted = format!("url: \"https://{}\", tls: {{ca_file: {ca}}}", server.address());
    let unknown = format!("url: \"https://{}\"", server.address());
    let no_tls = format!("url: \"https://{}\", tls: {{ca_file: {ca}}}", plain.address());
    let http = "http: {expect: {body: {contains: ready}}}";
    let edge = edge(
        directory,
        &[
            (http, trusted.clone()),
            (http, unknown.clone()),
            (http, no_tls.clone()),
            ("tcp: {}", trusted),
            ("tcp: {}", unknown),
            ("tcp: {}", no_tls),
        ],
    );
    let told = ["UP L7OK", "DOWN L6RSP", "DOWN L6RSP", "UP L4OK", "DOWN L6RSP", "DOWN L6RSP"];
    assert_eq!(verdicts(&edge), told, "{}", edge.process.transcript());
}
