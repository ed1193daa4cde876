//! Secrets that stand in the file are shown by no answer, no list, no event and no line of the log.

use crate::support::edge::Edge;
use crate::support::orders::tidegate;
use crate::support::upstream::Upstream;

const SECRETS: [&str; 8] = [
    "sk-live-of-server",
    "sk-client-anna",
    "sk-client-otto",
    "admin-token-of-ours",
    "T0SECRET/B0SECRET",
    "pd-routing-key-32",
    "hunter2-header",
    "sk-old-in-comment",
];

const SECTIONS: &str = "
# was sk-old-in-comment<n> until June
clients:
  mode: required
  keys:
    - {name: anna, key: sk-client-anna<n>}
    - {name: otto, key: sk-client-otto<n>}
alerts:
  - {webhook: \"http://<sink>/services/T0SECRET/B0SECRET<n>\", format: slack, events: [reload_failed, rollback]}
  - {format: pagerduty, webhook: \"http://<sink>/pd\", routing_key: pd-routing-key-32<n>, events: rollback}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{set_header: {x-api-key: hunter2-header<n>}}]
    default_backend: ai
backends:
  ai: {servers: {one: {url: <one>, api_key: sk-live-of-server<n>}}}";

/// The same text with another end to each of its secrets.
fn with(start: &str, end: &str) -> String {
    SECRETS
        .iter()
        .fold(start.to_owned(), |text, secret| text.replace(&format!("{secret}1"), &format!("{secret}{end}")))
}

#[test]
fn no_door_shows_a_secret_of_the_file() {
    let (one, sink) = (Upstream::named("one"), Upstream::named("sink"));
    let address = sink.address().to_string();
    let edge = Edge::start(SECTIONS, &[("one", &one.url()), ("sink", &address), ("n", "1")]);
    let start = edge.text().replace("admin: {", "admin: {token: admin-token-of-ours1, ");
    let mut said = Vec::new();
    edge.writes(with(&start, "1"));
    said.push(edge.obeys("reload"));
    edge.writes(with(&start, "2"));
    let told = edge.tells(&["reload"]);
    // They are changed all the same, and that is said.
    for key in ["api_key: ", "clients.keys[anna].key: ", "alerts", "token: ", "routing_key: ", "webhook: "] {
        assert!(told.good().contains(key), "{key} {told:?}");
    }
    assert!(told.out.contains("(changed)"), "{told:?}");
    said.push(told.out);
    let mistakes = [
        ("key: sk-client-anna2", "kye: sk-client-anna2"),
        ("key: sk-client-anna2", "key: [sk-client-anna2]"),
        ("routing_key: pd-routing-key-322", "routing_key: [pd-routing-key-322"),
        ("api_key: sk-live-of-server2", "api_key: {sk-live-of-server2: 1}"),
        ("name: otto, key: sk-client-otto2", "name: otto, key: sk-client-anna2"),
        ("token: admin-token-of-ours2", "token: \"admin-token-of-ours2"),
        ("webhook: \"http://", "webhook: \"gopher://"),
        ("alerts:", "alerts"),
    ];
    for (from, to) in mistakes {
        let good = with(&start, "2");
        assert!(good.contains(from), "{from}");
        edge.writes(good.replace(from, to));
        said.push(edge.refuses("reload"));
        let told = tidegate(&["reload", "-c", edge.file().to_str().unwrap()]);
        said.extend([told.out, told.complaint]);
    }
    edge.writes(with(&start, "3"));
    said.push(edge.obeys("rollback"));
    said.push(edge.obeys("reload"));
    said.push(edge.obeys("rollback 1 write"));
    for words in [
        &["history"][..],
        &["diff", "1", "2"],
        &["diff", "1"],
        &["diff", "3", "1"],
        &["show", "config"],
        &["show", "config", "1"],
        &["show", "config", "3"],
        &["show", "events"],
        &["show", "info"],
    ] {
        said.push(edge.tells(words).good().to_owned());
    }
    assert!(edge.tells(&["show", "config"]).out.contains("mode: required"));
    said.push(edge.process.transcript());
    for told in sink.requests() {
        // The receiver's own address and key are for the receiver alone.
        let text = told.text();
        let own = if told.head.target() == "/pd" { "pd-routing-key-32" } else { "" };
        said.push(if own.is_empty() { text } else { text.replace(own, "") });
    }
    for text in said {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in\n{text}");
        }
    }
}
