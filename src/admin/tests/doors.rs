//! Both doors over real sockets, on a node that serves nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

use crate::admin::{View, http, metric_names, socket};
use crate::base::clock::Clock;
use crate::config::load_text;
use crate::config::source::Environment;
use crate::pool::health::{CheckResult, Thresholds, Verdict};
use crate::runtime::compile::compile;
use crate::runtime::events;
use crate::runtime::state::State;
use crate::runtime::store::Store;
use crate::stick::Key;

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

const CONFIG: &str = "
tables:
  by_ip: {key: src, size: 100, expire: 30s, counters: [http_req_rate(10s), http_req_cnt, conn_cur]}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai:
    check: {http: {path: /models}}
    servers:
      one: {url: http://127.0.0.1:9001/v1, max_concurrent: 20}
      two: {url: http://127.0.0.1:9002/v1, tier: 2}
";

pub(super) struct Node {
    pub(super) view: Arc<View>,
    stop: watch::Sender<bool>,
}

/// One server up, one down, one client in the table with 7 requests, one with 2.
pub(super) fn node(config: &str) -> Node {
    let state = Arc::new(State::new(Clock::fake()));
    let checked = load_text(std::path::Path::new("test.yaml"), config, &Nothing).unwrap();
    let snapshot = compile(&checked, &state).unwrap();
    state.clock.advance(Duration::from_secs(100));
    let now = state.clock.now();
    let results = [(Verdict::AnswerOk, "status 200"), (Verdict::ConnectFailed, "connection refused")];
    let backend = &snapshot.backends[0];
    for (index, (verdict, reason)) in results.into_iter().enumerate() {
        let took = Duration::from_millis(3);
        let result = CheckResult { verdict, code: None, reason: reason.into(), took };
        let change = backend.pool.members()[index].server.report(result, Thresholds::default(), now);
        events::server_changed(&state, backend, index, &change.unwrap());
    }
    for (ip, requests) in [("192.0.2.1", 7), ("192.0.2.2", 2)] {
        let tracked = snapshot.tables[0].table.track(Key::address(ip.parse().unwrap()), now).unwrap();
        (0..requests).for_each(|_| tracked.request(now));
    }
    let frontend = &snapshot.frontends[0];
    frontend.answers[0][0].count(Some(200));
    frontend.stats.denied.count("plan_requests");
    backend.servers[0].stats.failures.count("first_byte");
    backend.servers[0].stats.traffic.duration.observe(Duration::from_millis(7));
    frontend.stats.duration.observe(Duration::from_millis(5));
    drop(frontend.stats.request(now));
    let store = Arc::new(Store::new(snapshot));
    let view = View::new(&store, &state, vec!["127.0.0.1:8443".into()], || 3);
    Node { view: Arc::new(view), stop: watch::channel(false).0 }
}

pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() })
}

impl Node {
    pub(super) async fn http(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        super::super::spawn(http::serve(listener, self.view.clone(), self.stop.subscribe()));
        address
    }

    /// Sends a line to the socket, its end too, and gives the whole answer.
    pub(super) async fn command(&self, text: &str) -> String {
        let name = format!("tidegate-admin-{}-{:p}.sock", std::process::id(), &raw const *text);
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        super::super::spawn(socket::serve(listener, self.view.clone(), self.stop.subscribe()));
        let mut stream = UnixStream::connect(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        // It may be refused before it was sent whole.
        let _ = stream.write_all(text.as_bytes()).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }
}

pub(super) struct Answer {
    status: u16,
    head: String,
    pub(super) body: String,
}

pub(super) async fn ask(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    authorization: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let credentials = match authorization {
        "" => String::new(),
        value => format!("authorization: {value}\r\n"),
    };
    let text = format!("{method} {path} HTTP/1.1\r\nhost: admin\r\n{credentials}connection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

#[test]
fn every_path_answers() {
    run(async {
        let node = node(CONFIG);
        let address = node.http().await;
        for (path, kind, text) in [
            ("/stats", "text/html", "connection refused"),
            ("/stats;csv", "text/plain", "ai,BACKEND,"),
            ("/api/v1/status", "application/json", "\"reason\":\"connection refused\""),
            ("/api/v1/events", "application/json", "\"why\":\"connection refused\""),
            ("/api/v1/streams", "application/json", "{\"total\":0,\"list\":[]}"),
            ("/metrics", "text/plain; version=0.0.4", "# TYPE tidegate_requests_total counter\n"),
            ("/health", "text/plain", "alive"),
        ] {
            let answer = ask(address, "GET", path, "").await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.head.contains(&format!("content-type: {kind}")), "{path}: {}", answer.head);
            assert!(answer.body.contains(text), "{path}: {}", answer.body);
            let head = ask(address, "HEAD", path, "").await;
            assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
            assert_eq!(ask(address, "POST", path, "").await.status, 405, "{path}");
        }
        assert_eq!(ask(address, "GET", "/", "").await.status, 302);
        let nothing = ask(address, "GET", "/nothing", "").await;
        assert_eq!((nothing.status, nothing.body.contains("/stats;csv")), (404, true));
    });
}

#[test]
fn readiness_tells_starting_from_draining() {
    run(async {
        let node = node(CONFIG);
        let address = node.http().await;
        let starting = ask(address, "GET", "/ready", "").await;
        assert_eq!((starting.status, starting.body.starts_with("starting:")), (503, true));
        node.view.state.ready.store(true, Ordering::Relaxed);
        assert_eq!(ask(address, "GET", "/ready", "").await.status, 200);
        node.stop.send(true).unwrap();
        while ask(address, "GET", "/ready", "").await.status == 200 {}
        let draining = ask(address, "GET", "/ready", "").await;
        assert_eq!((draining.status, draining.body.starts_with("draining:")), (503, true));
        assert_eq!(ask(address, "GET", "/health", "").await.status, 200);
        assert!(ask(address, "GET", "/stats;csv", "").await.body.contains(",STOP,"));
    });
}

#[test]
fn token_guards_all_but_health_and_ready() {
    run(async {
        let node = node(&format!("admin: {{token: secret}}\n{CONFIG}"));
        let address = node.http().await;
        for path in ["/stats", "/stats;csv", "/metrics", "/api/v1/status", "/nothing", "/"] {
            let refused = ask(address, "GET", path, "Bearer wrong").await;
            assert_eq!(refused.status, 401, "{path}");
            assert!(refused.head.contains("www-authenticate: basic") && !refused.body.contains("secret"));
        }
        assert_eq!(ask(address, "GET", "/stats", "Bearer secret").await.status, 200);
        // `me:secret`
        assert_eq!(ask(address, "GET", "/stats", "Basic bWU6c2VjcmV0").await.status, 200);
        assert_eq!(ask(address, "GET", "/health", "").await.status, 200);
        assert_eq!(ask(address, "GET", "/ready", "").await.status, 503);
    });
}

#[test]
fn every_metric_is_declared_once_and_figures_are_those_of_the_cells() {
    run(async {
        let node = node(CONFIG);
        let page = ask(node.http().await, "GET", "/metrics", "").await.body;
        let declared: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(declared, metric_names());
        for line in [
            "tidegate_requests_total{frontend=\"web\",backend=\"ai\",server=\"one\",code=\"200\"} 1",
            "tidegate_denied_total{reason=\"plan_requests\"} 1",
            "tidegate_server_state{backend=\"ai\",server=\"one\",state=\"up\"} 1",
            "tidegate_server_state{backend=\"ai\",server=\"one\",state=\"down\"} 0",
            "tidegate_server_state{backend=\"ai\",server=\"two\",state=\"down\"} 1",
            "tidegate_server_state{backend=\"ai\",server=\"two\",state=\"breaker_open\"} 0",
            "tidegate_server_changes_total{backend=\"ai\",server=\"two\",to=\"down\"} 1",
            "tidegate_server_failures_total{backend=\"ai\",server=\"one\",kind=\"first_byte\"} 1",
            "tidegate_hedges_total{backend=\"ai\"} 0",
            "tidegate_backend_active_tier{backend=\"ai\"} 1",
            "tidegate_table_entries{table=\"by_ip\"} 2",
            "tidegate_server_max_concurrent{backend=\"ai\",server=\"one\"} 20",
            "tidegate_log_lines_dropped_total 3",
            "tidegate_ready 0",
        ] {
            assert!(page.contains(&format!("{line}\n")), "no {line} in\n{page}");
        }
    });
}

#[test]
fn status_is_one_json_document() {
    run(async {
        let node = node(CONFIG);
        let body = ask(node.http().await, "GET", "/api/v1/status", "").await.body;
        let status: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status["node"]["uptime_seconds"], 100);
        assert_eq!(status["backends"][0]["servers"][1]["state"], "down");
        assert_eq!(status["backends"][0]["servers"][1]["check"]["code"], "L4CON");
        assert_eq!(status["backends"][0]["servers"][0]["failures"][0]["kind"], "first_byte");
        assert_eq!(status["backends"][0]["servers"][0]["recent"]["failures"][0]["count"], 1);
        assert_eq!(status["backends"][0]["servers"][0]["duration"]["p50"], 0.0075);
        assert_eq!(status["frontends"][0]["addresses"][0], "127.0.0.1:8443");
        let notices = status["attention"].as_array().unwrap();
        assert!(notices.iter().any(|n| n["message"].as_str().unwrap().contains("ai/two is down")), "{body}");
    });
}

#[test]
fn a_change_is_one_event_wherever_one_looks() {
    run(async {
        let node = node(CONFIG);
        node.view.state.ready.store(true, Ordering::Relaxed);
        let body = ask(node.http().await, "GET", "/api/v1/events", "").await.body;
        let known: serde_json::Value = serde_json::from_str(&body).unwrap();
        let newest = &known["events"][0];
        assert_eq!(known["total"], 2);
        assert_eq!((&newest["server"], &newest["tone"]), (&"two".into(), &"worse".into()));
        assert_eq!((&newest["from"], &newest["to"]), (&"not_checked".into(), &"down".into()));

        // An order is an event, and what it means for the tiers is another.
        assert_eq!(node.command("disable server ai/one\n").await, "\n");
        let lines = node.command("show events\n").await;
        let expected = ["ai outage tier 1 -> none: one is in maintenance", "ai/one up -> maint"];
        for (line, text) in lines.lines().zip(expected) {
            assert!(line.contains(text), "{lines}");
        }
        assert_eq!(node.command("set server ai/one state maint; enable server ai/one\n").await, "\n\n");
        let lines = node.command("show events ai\n").await;
        let expected = ["ai recovery none -> tier 1: one is up", "ai/one maint -> up", "ai outage"];
        for (line, text) in lines.lines().zip(expected) {
            assert!(line.contains(text), "{lines}");
        }
        assert_eq!(lines.lines().filter(|line| !line.is_empty()).count(), 6, "{lines}");
        // No weight is a drain.
        node.command("set server ai/one weight 0\n").await;
        assert!(
            node.command("show events\n")
                .await
                .lines()
                .nth(1)
                .unwrap()
                .contains("ai/one up -> drain: weight 0")
        );
        assert!(node.command("show events nope\n").await.contains("No such backend: nope"));
    });
}

#[test]
fn show_stat_has_a_row_for_everything_and_takes_a_filter() {
    run(async {
        let node = node(CONFIG);
        let names = |csv: &str| -> Vec<String> {
            let rows = csv.lines().skip(1).filter(|line| !line.is_empty());
            rows.map(|line| line.split(',').take(2).collect::<Vec<_>>().join("/")).collect()
        };
        let all = node.command("show stat\n").await;
        assert!(all.starts_with("# pxname,svname,qcur,") && all.ends_with("\n\n"));
        assert_eq!(names(&all), ["web/FRONTEND", "ai/one", "ai/two", "ai/BACKEND"]);
        assert!(all.contains("\nai,two,0,0,0,0,,0,"), "{all}");
        assert!(all.contains(",L4CON,,3,") && all.contains(",connection refused,"), "{all}");
        assert_eq!(names(&node.command("show stat -1 4 -1\n").await), ["ai/one", "ai/two"]);
        assert_eq!(names(&node.command("show stat ai 6 0\n").await), ["ai/BACKEND"]);
        assert_eq!(names(&node.command("show stat 2 -1 2\n").await), ["ai/two"]);
        assert!(node.command("show stat ai\n").await.contains("three"));
    });
}

#[test]
fn show_table_prints_as_haproxy_does() {
    run(async {
        let node = node(CONFIG);
        let heading = "# table: by_ip, type: ip, size:100, used:2\n";
        assert_eq!(node.command("show table\n").await, format!("{heading}\n"));
        let one = "0x1: key=192.0.2.1 use=0 exp=30000 conn_cur=0 http_req_cnt=7 http_req_rate(10000)=7\n";
        let two = "0x1: key=192.0.2.2 use=0 exp=30000 conn_cur=0 http_req_cnt=2 http_req_rate(10000)=2\n";
        for (filter, rows) in [
            ("key 192.0.2.2", two),
            ("key 192.0.2.9", ""),
            ("data.http_req_cnt gt 2", one),
            ("data.http_req_rate le 2", two),
        ] {
            let answer = node.command(&format!("show table by_ip {filter}\n")).await;
            assert_eq!(answer, format!("{heading}{rows}\n"), "{filter}");
        }
        let both = node.command("show table by_ip\n").await;
        assert_eq!(both.lines().filter(|line| line.contains("key=")).count(), 2, "{both}");
        for (bad, text) in [
            ("nope", "No such table: nope. There are: by_ip."),
            ("by_ip data.gpc0 gt 1", "It has: http_req_rate, http_req_cnt, conn_cur."),
            ("by_ip data.conn_cur over 1", "the operators are"),
            ("by_ip data.conn_cur gt many", "not a whole number"),
            ("by_ip key nonsense", "nonsense is no key of this table: its keys are IP addresses"),
            ("by_ip everything", "A filter is"),
        ] {
            let answer = node.command(&format!("show table {bad}\n")).await;
            assert!(answer.contains(text), "{bad}: {answer}");
        }
    });
}

#[test]
fn show_info_and_servers_speak_of_this_process() {
    run(async {
        let node = node(CONFIG);
        let info = node.command("show info\n").await;
        for line in
            [&format!("Pid: {}", std::process::id()), "Uptime: 0d 0h01m40s", "CumReq: 1", "DroppedLogs: 3"]
        {
            assert!(info.lines().any(|known| known == line), "{line} not in {info}");
        }
        let servers = node.command("show servers\n").await;
        assert!(servers.contains("ai/one UP for 0s, tier 1 (active), weight "), "{servers}");
        assert!(servers.contains("ai/two DOWN") && servers.contains("L4CON connection refused"), "{servers}");
        let state = node.command("show servers state ai\n").await;
        let columns = |line: &str| line.trim_start_matches("# ").split(' ').count();
        let lines: Vec<&str> = state.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!((lines[0], lines.len()), ("1", 4), "{state}");
        assert!(lines[1..].iter().all(|line| columns(line) == columns(lines[1])), "{state}");
        assert!(node.command("show servers nope\n").await.contains("No such backend: nope"));
    });
}

#[test]
fn socket_answers_each_command_and_closes() {
    run(async {
        let node = node(CONFIG);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(node.command("show version; show version\n").await, format!("{version}\n\n{version}\n\n"));
        assert_eq!(node.command("prompt\nshow version\nquit\n").await, format!("\n> {version}\n\n> "));
        let unknown = node.command("make coffee\n").await;
        assert!(unknown.starts_with("Unknown command. Please enter one of") && unknown.contains("  quit "));
        assert!(node.command("show coffee\n").await.starts_with("Unknown command, but maybe"));
        assert!(node.command("help show table\n").await.contains("<filter>"));
        // It is told so, unless it was still sending when the connection was closed.
        let refused = node.command(&"x".repeat(1_000_000)).await;
        assert!(refused.is_empty() || refused.starts_with("Line too long"), "{refused}");
    });
}
