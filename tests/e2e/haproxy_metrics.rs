//! /metrics?names=haproxy beside HAProxy's own exporter: the same families, types and labels, and after the same traffic the
//! same figures.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::foreign::{self, Foreign};
use crate::support::http::{Ask, Connection, answer, ok};
use crate::support::metrics::Metrics;
use crate::support::rude::Refusing;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// What must be equal to the last one when both have done the same.
const EQUAL: &[&str] = &[
    "haproxy_frontend_connections_total",
    "haproxy_frontend_sessions_total",
    "haproxy_frontend_current_sessions",
    "haproxy_frontend_http_requests_total",
    "haproxy_frontend_http_responses_total",
    "haproxy_frontend_requests_denied_total",
    "haproxy_frontend_responses_denied_total",
    "haproxy_frontend_request_errors_total",
    "haproxy_frontend_denied_connections_total",
    "haproxy_frontend_limit_sessions",
    "haproxy_frontend_limit_session_rate",
    "haproxy_frontend_status",
    "haproxy_backend_current_queue",
    "haproxy_backend_max_queue",
    "haproxy_backend_current_sessions",
    "haproxy_backend_sessions_total",
    "haproxy_backend_http_requests_total",
    "haproxy_backend_http_responses_total",
    "haproxy_backend_connection_errors_total",
    "haproxy_backend_response_errors_total",
    "haproxy_backend_retry_warnings_total",
    "haproxy_backend_redispatch_warnings_total",
    "haproxy_backend_client_aborts_total",
    "haproxy_backend_server_aborts_total",
    "haproxy_backend_loadbalanced_total",
    "haproxy_backend_status",
    "haproxy_backend_weight",
    "haproxy_backend_active_servers",
    "haproxy_backend_backup_servers",
    "haproxy_backend_agg_server_status",
    "haproxy_backend_agg_server_check_status",
    "haproxy_backend_agg_check_status",
    "haproxy_server_current_queue",
    "haproxy_server_current_sessions",
    "haproxy_server_limit_sessions",
    "haproxy_server_sessions_total",
    "haproxy_server_http_responses_total",
    "haproxy_server_connection_errors_total",
    "haproxy_server_response_errors_total",
    "haproxy_server_loadbalanced_total",
    "haproxy_server_status",
    "haproxy_server_weight",
    "haproxy_server_check_status",
    "haproxy_server_check_code",
];

/// Heads differ by a line or two.
const ALIKE: &[&str] = &[
    "haproxy_frontend_bytes_in_total",
    "haproxy_frontend_bytes_out_total",
    "haproxy_backend_bytes_in_total",
    "haproxy_backend_bytes_out_total",
    "haproxy_server_bytes_in_total",
    "haproxy_server_bytes_out_total",
];

struct Pair {
    edge: Edge,
    haproxy: Foreign,
    exporter: SocketAddr,
}

impl Pair {
    fn start(one: &Upstream, two: &Refusing) -> Pair {
        let edge = Edge::start(
            "
acls:
  bad: {path_beg: /v1/bad}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    max_connections: 100
    rules: [{deny: {status: 403}, if: bad}]
    default_backend: ai
backends:
  ai:
    retry: {attempts: 1}
    check: {http: {method: GET, path: /models}, interval: 200ms, timeout: 1s, fall: 1}
    servers: {one: {url: <one>, max_concurrent: 50}, two: {url: <two>}}",
            &[("one", &one.url()), ("two", &two.url())],
        );
        let free = Refusing::new();
        let exporter = free.address();
        drop(free);
        let haproxy = foreign::haproxy(&format!(
            "  mode http
frontend web
  bind <address>
  acl bad path_beg /v1/bad
  http-request deny deny_status 403 if bad
  default_backend ai
backend ai
  option httpchk GET /models
  default-server check inter 200ms fall 1
  server one {} weight 100 maxconn 50
  server two {} weight 100
frontend exporter
  bind {exporter}
  http-request use-service prometheus-exporter",
            one.address(),
            two.address()
        ));
        Pair { edge, haproxy, exporter }
    }

    fn ours(&self) -> Metrics {
        Metrics::parse(&self.edge.admin_get("/metrics?names=haproxy").text())
    }

    fn theirs(&self) -> Metrics {
        let ask = Ask::get("/metrics").header("connection", "close");
        Metrics::parse(&Connection::open(self.exporter).ask(&ask).text())
    }

    /// The same to both: answers of every class, a refusal, a body, a request that is none.
    fn drive(&self) {
        for address in [self.edge.address("web"), self.haproxy.address] {
            let mut connection = Connection::open(address);
            for path in ["/v1/models", "/v1/models", "/v1/missing", "/v1/moved", "/v1/broken"] {
                connection.ask(&Ask::get(path));
            }
            connection.ask(&Ask::post("/v1/chat/completions", vec![b'x'; 20_000]));
            drop(connection);
            let refused = Connection::open(address).ask(&Ask::get("/v1/bad"));
            assert_eq!(refused.status(), 403);
            let mut nonsense = Connection::open(address);
            nonsense.send("GET /v1/models HTTP/1.1\r\nhost: a\r\nbad header: 1\r\n\r\n");
            assert_eq!(nonsense.answer().unwrap().status(), 400);
        }
    }
}

fn upstream() -> Upstream {
    Upstream::replying(|message| match message.head.target() {
        "/v1/missing" => answer(404, &[], "no"),
        "/v1/moved" => answer(302, &[("location", "/")], ""),
        "/v1/broken" => answer(500, &[], "no"),
        _ => ok(vec![b'y'; 10_000]),
    })
}

/// Those of a family by labels, counters less what they were before; what another frontend counts is left out.
fn samples(metrics: &Metrics, before: &Metrics, name: &str) -> BTreeMap<String, String> {
    let counter = metrics.types.get(name).is_some_and(|kind| kind == "counter");
    let mut samples = BTreeMap::new();
    for sample in metrics.matching(name, &[]).filter(|sample| sample.labels["proxy"] != "exporter") {
        let labels: Vec<_> =
            sample.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let was = if counter { before.sum(name, &labels) } else { 0.0 };
        samples.insert(format!("{labels:?}"), (sample.value - was).to_string());
    }
    samples
}

/// Whether it comes to hold within some seconds.
fn eventually_or_not(holds: impl Fn() -> bool) -> bool {
    (0..30).any(|_| {
        holds() || {
            std::thread::sleep(Duration::from_millis(100));
            false
        }
    })
}

fn label_names(metrics: &Metrics, name: &str) -> BTreeSet<Vec<String>> {
    metrics.matching(name, &[]).map(|sample| sample.labels.keys().cloned().collect()).collect()
}

fn documentation() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap()
}

#[test]
fn families_types_and_labels_are_haproxys() {
    let (one, two) = (upstream(), Refusing::new());
    let pair = Pair::start(&one, &two);
    until("HAProxy has seen a check of each", || {
        pair.theirs().sum("haproxy_backend_agg_check_status", &[]) == 2.0
            && pair.theirs().has("haproxy_server_check_duration_seconds", &[("server", "two")])
    });
    let (ours, theirs) = (pair.ours(), pair.theirs());
    for (name, kind) in &ours.types {
        assert_eq!(theirs.types.get(name), Some(kind), "{name}");
        assert_eq!(label_names(&ours, name), label_names(&theirs, name), "{name}");
    }
    let page = documentation();
    for name in theirs.types.keys().filter(|name| !ours.types.contains_key(*name)) {
        assert!(page.contains(&format!("`{name}`")), "docs/metrics.md does not say that {name} is missing");
    }
}

#[test]
fn the_same_traffic_makes_the_same_figures() {
    let (one, two) = (upstream(), Refusing::new());
    let pair = Pair::start(&one, &two);
    until("HAProxy knows who is up", || {
        pair.theirs().sum("haproxy_server_status", &[("server", "two"), ("state", "DOWN")]) == 1.0
    });
    let before = (pair.ours(), pair.theirs());
    pair.drive();
    let different = || {
        let (ours, theirs) = (pair.ours(), pair.theirs());
        let figures = |name| (name, samples(&ours, &before.0, name), samples(&theirs, &before.1, name));
        EQUAL.iter().copied().map(figures).filter(|(_, ours, theirs)| ours != theirs).collect::<Vec<_>>()
    };
    // What ended a moment ago is not counted everywhere at once.
    let settled = eventually_or_not(|| different().is_empty());
    assert!(settled, "ours, then HAProxy's: {:#?}", different());
    let (ours, theirs) = (pair.ours(), pair.theirs());
    for name in ALIKE {
        for sample in
            theirs.matching(name, &[("server", "one")]).chain(theirs.matching(name, &[("proxy", "web")]))
        {
            let labels: Vec<_> = sample.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let ratio = ours.sum(name, &labels) / sample.value;
            assert!((0.9..1.1).contains(&ratio), "{name}{labels:?}: {ratio}");
        }
    }
}

#[test]
fn names_can_be_chosen_by_the_scraper() {
    let (one, two) = (upstream(), Refusing::new());
    let edge = Pair::start(&one, &two).edge;
    let names = |query: &str| {
        let metrics = Metrics::parse(&edge.admin_get(&format!("/metrics{query}")).text());
        let has = |prefix: &str| metrics.types.keys().any(|name| name.starts_with(prefix));
        (has("tidegate_"), has("haproxy_"))
    };
    assert_eq!(names(""), (true, false));
    assert_eq!(names("?names=haproxy"), (false, true));
    assert_eq!(names("?names=both"), (true, true));
    assert_eq!(names("?names=haproxy&names=tidegate"), (true, true));
    let refused = edge.admin_get("/metrics?names=statsd");
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("names is tidegate, haproxy or both"));
}

#[test]
fn promtool_finds_nothing_to_mend() {
    let (one, two) = (upstream(), Refusing::new());
    let pair = Pair::start(&one, &two);
    pair.drive();
    let page = pair.edge.admin_get("/metrics?names=both").text();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}: scripts/install-tools.sh test"));
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
