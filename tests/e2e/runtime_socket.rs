//! The runtime socket: HAProxy's commands, for the scripts that people have.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::support::admin::column;
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;
use crate::support::wait::{DEADLINE, until};

fn edge(one: &Upstream) -> Edge {
    Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}, two: {url: <one>}}}",
        &[("one", &one.url())],
    )
}

#[test]
fn show_stat_has_haproxys_columns_and_rows() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    edge.servers(4);
    edge.ask(&Ask::post("/v1/chat/completions", "12345"));
    let rows = edge.show_stat();
    let names: Vec<(&str, &str)> =
        rows.iter().map(|row| (column(row, "pxname"), column(row, "svname"))).collect();
    for name in [("web", "FRONTEND"), ("ai", "one"), ("ai", "two"), ("ai", "BACKEND")] {
        assert!(names.contains(&name), "{name:?} not in {names:?}");
    }
    let columns: Vec<&str> = rows[0].iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "pxname", "svname", "qcur", "qmax", "scur", "smax", "slim", "stot", "bin", "bout", "dreq", "dresp",
        "ereq", "econ", "eresp", "wretr", "wredis", "status", "weight", "act", "bck", "chkfail", "chkdown",
        "lastchg", "downtime",
    ];
    assert_eq!(columns[..expected.len()], expected);
    until("the requests are counted", || {
        edge.show_stat().iter().any(|row| column(row, "svname") == "BACKEND" && column(row, "stot") == "5")
    });
}

#[test]
fn show_info_tells_name_version_and_process() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let info = edge.command("show info");
    assert!(info.contains(&format!("Pid: {}", edge.process.id())), "{info}");
    for line in info.lines().filter(|line| !line.is_empty()) {
        assert!(line.contains(": "), "{line}");
    }
    assert!(info.contains("Version: ") && info.contains("Uptime_sec: "), "{info}");
}

#[test]
fn unknown_command_says_so_and_harms_nothing() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let answer = edge.command("make coffee");
    assert!(answer.to_lowercase().contains("unknown command"), "{answer}");
    let endless = "x".repeat(1_000_000);
    let mut socket = UnixStream::connect(edge.socket()).unwrap();
    let _ = socket.write_all(endless.as_bytes());
    drop(socket);
    assert!(edge.command("show info").contains("Pid: "));
}

#[test]
fn prompt_keeps_the_connection() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let mut socket = UnixStream::connect(edge.socket()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(b"prompt\n").unwrap();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    for _ in 0..2 {
        socket.write_all(b"show info\n").unwrap();
        let mut line = String::new();
        while !line.starts_with("Pid: ") {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "closed");
        }
    }
}

#[test]
fn socat_and_a_commands_end_work_as_with_haproxy() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let script = format!("echo 'show stat' | socat -t 10 - UNIX-CONNECT:{}", edge.socket().display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("# pxname,svname,"), "{output:?}");
}

#[test]
fn socket_is_for_its_owner_alone_and_gone_after_the_stop() {
    let one = Upstream::named("one");
    let mut edge = edge(&one);
    let mode = std::fs::metadata(edge.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    edge.process.signal("TERM");
    edge.process.wait();
    assert!(UnixStream::connect(edge.socket()).is_err());
}

#[test]
fn socket_left_over_by_a_killed_process_is_taken_over() {
    let one = Upstream::named("one");
    let directory = crate::support::scratch::Scratch::new();
    let config = format!(
        "
global: {{state_dir: {0}/state}}
admin: {{listen: 127.0.0.1:0, socket: {0}/admin.sock}}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: {1}}}}}}}",
        directory.path().display(),
        one.url()
    );
    let mut first = Edge::start_text(directory, &config);
    first.process.kill();
    assert!(first.socket().exists(), "the test wants a left-over socket");
    let mut second = Edge::start_text(first.into_directory(), &config);
    assert!(second.command("show info").contains("Pid: "));
    second.process.signal("TERM");
    assert!(second.process.wait().success());
}
