use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("tidegate-syslog-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn connection(to: SyslogAddress) -> Connection {
    Connection::new(Syslog { to, facility: Facility(16), hostname: "edge 1".to_owned() })
}

fn received(socket: &UnixDatagram) -> String {
    let mut space = [0; 2 * LONGEST];
    let length = socket.recv(&mut space).unwrap();
    String::from_utf8(space[..length].to_vec()).unwrap()
}

#[test]
fn a_message_is_rfc_5424() {
    let dir = scratch("form");
    let daemon = UnixDatagram::bind(dir.join("log")).unwrap();
    let mut connection = connection(SyslogAddress::Unix(dir.join("log")));
    assert_eq!(connection.send(b"6one\n3two three\n").0, 0);
    let (first, second) = (received(&daemon), received(&daemon));
    let mut words = first.split(' ');
    assert_eq!(words.next(), Some("<134>1"), "local0.info");
    let time = words.next().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && time.starts_with("20"), "{time}");
    let process = std::process::id().to_string();
    let rest: Vec<&str> = words.collect();
    assert_eq!(rest, ["edge1", "tidegate", &process, "access", "-", "one"]);
    assert!(second.starts_with("<131>1 ") && second.ends_with(" - two three"), "{second}");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let dir = scratch("long");
    let daemon = UnixDatagram::bind(dir.join("log")).unwrap();
    let mut connection = connection(SyslogAddress::Unix(dir.join("log")));
    for shift in 0..3 {
        let line = format!("6{}{}\n", "x".repeat(shift), "ü€".repeat(LONGEST));
        assert_eq!(connection.send(line.as_bytes()).0, 0);
        let length = received(&daemon).len();
        assert!((LONGEST - 3..=LONGEST).contains(&length), "{length}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_daemon_that_takes_nothing_costs_lines_and_little_time() {
    let dir = scratch("hangs");
    let daemon = UnixDatagram::bind(dir.join("log")).unwrap();
    let mut connection = connection(SyslogAddress::Unix(dir.join("log")));
    let lines = b"6a line\n".repeat(5000);
    let begun = clock::instant();
    let (lost, why) = connection.send(&lines);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(lost > 4000 && why.is_some(), "{lost}");
    let mut taken = 0;
    daemon.set_nonblocking(true).unwrap();
    while daemon.recv(&mut [0; LONGEST]).is_ok() {
        taken += 1;
    }
    assert_eq!(taken + lost, 5000);
    assert_eq!(connection.send(b"6again\n").0, 0, "there is room again");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_daemon_that_was_started_anew_is_found() {
    let dir = scratch("anew");
    let mut connection = connection(SyslogAddress::Unix(dir.join("log")));
    assert_eq!(connection.send(b"6early\n6early\n").0, 2, "nobody is there");
    let daemon = UnixDatagram::bind(dir.join("log")).unwrap();
    connection.forget();
    assert_eq!(connection.send(b"6one\n").0, 0);
    assert!(received(&daemon).ends_with("one"));
    drop(daemon);
    fs::remove_file(dir.join("log")).unwrap();
    let daemon = UnixDatagram::bind(dir.join("log")).unwrap();
    assert_eq!(connection.send(b"6two\n").0, 0, "without a second of waiting");
    assert!(received(&daemon).ends_with("two"));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_stream_is_found_out_and_its_messages_end_with_a_line_feed() {
    let dir = scratch("stream");
    let daemon = UnixListener::bind(dir.join("log")).unwrap();
    let mut connection = connection(SyslogAddress::Unix(dir.join("log")));
    assert_eq!(connection.send(b"6one\n6two\n").0, 0);
    let (mut client, _) = daemon.accept().unwrap();
    // It hangs until messages are lost, then reads all: none is broken by the next.
    let (lost, _) = connection.send(&[b"6".as_slice(), &b"x".repeat(3000), b"\n"].concat().repeat(1000));
    assert!(lost > 0);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    });
    let mut again = 0;
    while connection.send(b"6last\n").0 > 0 {
        again += 1;
        std::thread::yield_now();
    }
    assert!(again < 1_000_000);
    drop(connection);
    let text = reader.join().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len() as u64 + lost, 1003);
    assert!(lines.iter().all(|line| line.starts_with("<134>1 ")), "a message is glued to another");
    assert!(lines[1002 - usize::try_from(lost).unwrap()].ends_with(" - last"));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn udp_counts_what_nobody_hears() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = daemon.local_addr().unwrap().port();
    let mut connection = connection(SyslogAddress::Udp { host: "localhost".to_owned(), port });
    let sent = connection.send(b"6one\n");
    if sent.0 == 0 {
        daemon.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut space = [0; LONGEST];
        // A machine whose `localhost` is IPv6 first has nobody there.
        if let Ok(length) = daemon.recv(&mut space) {
            assert!(space[..length].ends_with(b" - one"));
        }
    }
    drop(daemon);
    let lost: u64 = (0..20).map(|_| connection.send(b"6nobody\n").0).sum();
    assert!(lost > 0, "the system tells of a closed port");
}
