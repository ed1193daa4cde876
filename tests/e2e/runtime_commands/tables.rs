//! `set table` and `clear table`.

use super::say;
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

/// Who has a `gpc0` is refused, and so is who asked more than twice within a minute.
fn edge(one: &Upstream) -> Edge {
    Edge::start(
        "
clients: {mode: passthrough}
tables:
  by_ip: {key: src, size: 2, expire: 60s, counters: [http_req_rate(60s), gpc0, conn_cur, bytes_in_rate(60s)]}
  by_model: {key: model, size: 10, expire: 60s, counters: [gpc0]}
  by_key: {key: api_key, size: 10, expire: 60s, counters: [http_req_cnt]}
acls:
  often: {table: by_ip, counter: http_req_rate, above: 2}
  blocked: {table: by_ip, counter: gpc0, above: 0}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules:
      - {track: by_ip}
      - {deny: {status: 403}, if: blocked}
      - {deny: {status: 429}, if: often}
    default_backend: ai
backends:
  ai: {retry: {attempts: 1}, servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    )
}

fn status(edge: &Edge) -> u16 {
    edge.ask(&Ask::get("/v1/models")).status()
}

/// The entries of a table, without their addresses and times.
fn entries(edge: &Edge, table: &str) -> Vec<String> {
    let text = say(edge, &format!("show table {table}"));
    let plain = |line: &str| {
        let words = line.split(' ').skip(1).filter(|word| !word.starts_with("exp="));
        words.collect::<Vec<_>>().join(" ")
    };
    let mut entries: Vec<String> = text.lines().skip(1).map(plain).collect();
    entries.sort();
    entries
}

#[test]
fn an_operator_blocks_a_client_and_lets_it_go() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    assert_eq!(status(&edge), 200);
    assert_eq!(say(&edge, "set table by_ip key 127.0.0.1 data.gpc0 1"), "");
    assert_eq!(status(&edge), 403);
    assert_eq!(say(&edge, "set table by_ip key 127.0.0.1 data.gpc0 0 data.http_req_rate 0"), "");
    assert_eq!(status(&edge), 200);
    assert_eq!(say(&edge, "set table by_ip key 127.0.0.1 data.http_req_rate 2"), "");
    assert_eq!(status(&edge), 429);
    assert_eq!(say(&edge, "clear table by_ip key 127.0.0.1"), "");
    assert_eq!(status(&edge), 200);
    edge.says("entry 127.0.0.1 of table by_ip is set on the runtime socket: data.gpc0 1");
    edge.says("1 entries of table by_ip are cleared by an order on the runtime socket");
}

#[test]
fn a_new_entry_is_made_and_the_oldest_makes_room() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let line = |address: &str, rate: u64, gpc0: u64, bytes: u64| {
        format!(
            "key={address} use=0 gpc0={gpc0} conn_cur=0 http_req_rate(60000)={rate} bytes_in_rate(60000)={bytes}"
        )
    };
    say(&edge, "set table by_ip key 192.0.2.1");
    say(
        &edge,
        "set table by_ip key 192.0.2.2 data.gpc0 3 data.http_req_rate 7 data.bytes_in_rate 5000000000",
    );
    assert_eq!(entries(&edge, "by_ip"), [line("192.0.2.1", 0, 0, 0), line("192.0.2.2", 7, 3, 5_000_000_000)]);
    say(&edge, "set table by_ip key ::1 data.gpc0 4294967296");
    assert_eq!(
        entries(&edge, "by_ip"),
        [line("192.0.2.2", 7, 3, 5_000_000_000), line("::1", 0, 4_294_967_296, 0)]
    );
}

#[test]
fn a_filter_picks_what_is_cleared() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    for (plan, gpc0) in [("small", 1), ("middle", 5), ("large", 9)] {
        assert_eq!(say(&edge, &format!("set table by_model key {plan} data.gpc0 {gpc0}")), "");
    }
    assert_eq!(say(&edge, "clear table by_model data.gpc0 gt 9"), "");
    assert_eq!(entries(&edge, "by_model").len(), 3);
    assert_eq!(say(&edge, "clear table by_model data.gpc0 ge 5"), "");
    assert!(entries(&edge, "by_model")[0].ends_with(" gpc0=1"));
    assert_eq!(say(&edge, "clear table by_model key small"), "");
    assert_eq!(say(&edge, "show table by_model"), "# table: by_model, type: string, size:10, used:0");
    say(&edge, "set table by_model key a; set table by_model key b; clear table by_model");
    assert_eq!(say(&edge, "show table by_model"), "# table: by_model, type: string, size:10, used:0");
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    let digits = "ab".repeat(32);
    for (command, answer) in [
        ("clear table", "Required arguments: <table>"),
        ("clear table nope", "No such table"),
        ("clear table by_ip key", "Key value expected"),
        ("clear table by_ip key sk-live", "sk-live is no key of this table: its keys are IP addresses"),
        ("clear table by_ip foo", "A filter is"),
        ("clear table by_ip data.gpc0 near 5", "near: the operators are"),
        ("clear table by_ip data.gpt0 gt 5", "This table has no gpt0."),
        ("set table", "Required arguments: <table> key <key>"),
        ("set table by_ip foo", "Required arguments: <table> key <key>"),
        ("set table nope key 192.0.2.1", "No such table"),
        ("set table by_ip key", "Key value expected"),
        ("set table by_ip key 192.0.2.1 data.gpc0", "Require a valid integer value to store"),
        ("set table by_ip key 192.0.2.1 data.gpc0 1 data.http_req_rate x", "Require a valid integer value"),
        ("set table by_ip key 192.0.2.1 data.http_req_rate 4294967296", "4294967296 is too much"),
        ("set table by_ip key 192.0.2.1 data.gpt0 1", "This table has no gpt0."),
        ("set table by_ip key 192.0.2.1 gpc0 1", "gpc0: \"data.<counter>\""),
        ("set table by_ip key 192.0.2.1 data.conn_cur 1", "conn_cur is what tracks the entry now"),
        ("set table by_key key 192.0.2.1 data.http_req_cnt 1", "192.0.2.1 is no key of this table"),
        (&format!("set table by_ip key {digits} data.gpc0 1"), &format!("{digits} is no key of this table")),
    ] {
        let said = say(&edge, command);
        assert!(said.starts_with(answer), "{command}: {said}");
    }
    assert!(entries(&edge, "by_ip").is_empty() && entries(&edge, "by_key").is_empty());
    assert_eq!(say(&edge, &format!("set table by_key key {digits} data.http_req_cnt 1")), "");
    assert!(entries(&edge, "by_key")[0].starts_with(&format!("key={digits} ")));
}
