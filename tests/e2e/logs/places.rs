//! Where lines go: files that are rotated, syslog daemons, and those that take nothing.

use std::net::UdpSocket;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

use regex::Regex;

use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

const SECTIONS: &str = "
acls: {bad: {path_beg: /bad}}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], rules: [{deny: {status: 403}, if: bad}], default_backend: ai}
backends: {ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}}";

fn edge(access_log: &str, one: &Upstream) -> Edge {
    let settings = Settings { access_log, ..Settings::default() };
    Edge::start_with(&settings, Scratch::new(), SECTIONS, &[("one", &one.url())])
}

fn dropped(edge: &Edge) -> f64 {
    edge.metrics().sum("tidegate_log_lines_dropped_total", &[])
}

#[test]
fn a_renamed_file_is_made_anew_on_sigusr1() {
    let (one, directory) = (Upstream::named("one"), Scratch::new());
    let (file, old) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let edge = edge(&format!("{{to: {}, format: '%HU'}}", file.display()), &one);
    let holds = |path: &std::path::Path, text: &str| std::fs::read_to_string(path).is_ok_and(|is| is == text);
    edge.ask(&Ask::get("/1"));
    until("the first line", || holds(&file, "/1\n"));
    std::fs::rename(&file, &old).unwrap();
    edge.ask(&Ask::get("/2"));
    until("the old file goes on", || holds(&old, "/1\n/2\n"));
    edge.process.signal("USR1");
    edge.says("access.log is opened anew");
    edge.ask(&Ask::get("/3"));
    until("the new file", || holds(&file, "/3\n"));
    assert!(holds(&old, "/1\n/2\n"));

    // A directory in its place cannot be opened, whoever asks.
    std::fs::rename(&file, &old).unwrap();
    std::fs::create_dir(&file).unwrap();
    edge.process.signal("USR1");
    edge.says("cannot reopen");
    edge.ask(&Ask::get("/4"));
    until("the old file goes on again", || holds(&old, "/3\n/4\n"));
    assert!(dropped(&edge) < 0.5);
}

#[test]
fn no_line_is_lost_while_files_are_rotated_under_load() {
    let (one, directory) = (Upstream::named("one"), Scratch::new());
    let file = directory.path().join("access.log");
    let mut edge = edge(&format!("{{to: {}, format: '%HU'}}", file.display()), &one);
    std::thread::scope(|scope| {
        for client in 0..3 {
            let edge = &edge;
            scope.spawn(move || {
                let mut connection = edge.open();
                for count in 0..150 {
                    connection.ask(&Ask::get(&format!("/{client}/{count}")));
                }
            });
        }
        for turn in 0..5 {
            until("the file is there", || file.exists());
            std::fs::rename(&file, directory.path().join(format!("access.log.{turn}"))).unwrap();
            edge.process.signal("USR1");
            until("it is opened anew", || edge.told("is opened anew") == turn + 1);
        }
    });
    edge.process.signal("TERM");
    edge.process.wait();
    let mut lines = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    assert_eq!(lines.len(), 450);
}

#[test]
fn messages_come_to_a_syslog_daemon_and_find_it_again() {
    let (one, directory) = (Upstream::named("one"), Scratch::new());
    let path = directory.path().join("log");
    let open = || {
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    };
    let daemon = open();
    let to = format!("{{to: {{syslog: 'unix:{}', facility: local3}}, format: '%HU %ST'}}", path.display());
    let edge = edge(&to, &one);
    let mut space = [0; 9000];
    let mut next = |daemon: &UnixDatagram| {
        let length = daemon.recv(&mut space).unwrap();
        String::from_utf8(space[..length].to_vec()).unwrap()
    };
    edge.ask(&Ask::get("/fine"));
    let form = Regex::new(&format!(
        r"^<158>1 \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z \S+ tidegate {} access - /fine 200$",
        edge.process.id()
    ));
    let message = next(&daemon);
    assert!(form.unwrap().is_match(&message), "{message}");
    edge.ask(&Ask::get("/bad"));
    let message = next(&daemon);
    assert!(message.starts_with("<156>1 ") && message.ends_with(" /bad 403"), "a warning: {message}");

    drop(daemon);
    std::fs::remove_file(&path).unwrap();
    edge.ask(&Ask::get("/unheard"));
    until("the loss is counted", || dropped(&edge) > 0.5);
    edge.says("cannot write to syslog unix:");
    let daemon = open();
    edge.process.signal("USR1");
    edge.says("is opened anew");
    edge.ask(&Ask::get("/back"));
    assert!(next(&daemon).ends_with(" /back 200"));
}

#[test]
fn messages_go_over_udp_and_long_ones_are_cut() {
    let one = Upstream::named("one");
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let edge =
        edge(&format!("{{to: {{syslog: 'udp:{}'}}, format: json}}", daemon.local_addr().unwrap()), &one);
    let mut space = [0; 65_536];
    let mut next = || {
        let length = daemon.recv(&mut space).unwrap();
        String::from_utf8(space[..length].to_vec()).unwrap()
    };
    edge.ask(&Ask::get("/forged%0a%1b").header("x-request-id", "id-1"));
    let message = next();
    let (head, line) = message.split_once(" access - ").unwrap();
    assert!(head.starts_with("<134>1 "), "local0.info: {message}");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["request_id"], "id-1");
    assert!(message.chars().all(|c| !c.is_control()));
    let long = "a".repeat(10_000);
    edge.ask(&Ask::get(&format!("/{long}")));
    let message = next();
    assert_eq!(message.len(), 8192);
    assert!(message.ends_with('a'));
    edge.ask(&Ask::get("/after"));
    assert!(next().contains("/after"));
}

#[test]
fn a_stream_daemon_gets_whole_lines() {
    use std::io::{BufRead, BufReader};
    let (one, directory) = (Upstream::named("one"), Scratch::new());
    let path = directory.path().join("log");
    let daemon = UnixListener::bind(&path).unwrap();
    let edge = edge(&format!("{{to: {{syslog: 'unix:{}'}}, format: '%HU'}}", path.display()), &one);
    let (stream, _) = daemon.accept().unwrap();
    edge.ask(&Ask::get("/1"));
    edge.ask(&Ask::get("/2"));
    let lines: Vec<String> = BufReader::new(stream).lines().take(2).map(Result::unwrap).collect();
    assert!(lines[0].ends_with(" - /1") && lines[1].ends_with(" - /2"), "{lines:?}");
}

#[test]
fn a_daemon_that_hangs_costs_lines_and_no_request() {
    let (one, directory) = (Upstream::named("one"), Scratch::new());
    let path = directory.path().join("log");
    // It reads nothing: a few messages fit, then no more.
    let daemon = UnixDatagram::bind(&path).unwrap();
    let edge = edge(&format!("{{to: {{syslog: 'unix:{}'}}, format: '%HU'}}", path.display()), &one);
    assert_eq!(edge.servers(600).len(), 600);
    until("losses are counted", || dropped(&edge) > 100.0);
    edge.says("it takes no more; trying again");
    daemon.set_nonblocking(true).unwrap();
    while daemon.recv(&mut [0; 9000]).is_ok() {}
    edge.ask(&Ask::get("/room"));
    let mut space = [0; 9000];
    until("there is room again", || {
        daemon.recv(&mut space).is_ok_and(|length| space[..length].ends_with(b" - /room"))
    });
}

#[test]
fn a_full_disk_costs_lines_and_no_request() {
    let one = Upstream::named("one");
    let mut edge = edge("{to: /dev/full, format: httplog}", &one);
    assert_eq!(edge.servers(50).len(), 50);
    until("all losses are counted", || dropped(&edge) > 49.5);
    edge.says("cannot write to /dev/full");
    assert!(edge.command("show info").contains("DroppedLogs: 50"));
    edge.process.signal("TERM");
    assert!(edge.process.wait().success());
}
