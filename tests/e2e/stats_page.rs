//! The page a person reads, and the little paths beside it.

use crate::support::admin::rows;
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::rude::Refusing;
use crate::support::upstream::Upstream;

const NAMES: [&str; 7] =
    ["web-front", "second-front", "ai-pool", "other-pool", "alpha-server", "beta-server", "gamma-server"];

fn edge(alpha: &Upstream, beta: &Refusing) -> Edge {
    Edge::start(
        "
frontends:
  web-front: {bind: [{address: 127.0.0.1:0}], default_backend: ai-pool}
  second-front: {bind: [{address: 127.0.0.1:0}], default_backend: other-pool}
backends:
  ai-pool:
    check: {http: {method: GET, path: /models}, interval: 10s, timeout: 1s}
    servers: {alpha-server: {url: <alpha>}, beta-server: {url: <beta>}}
  other-pool:
    servers: {gamma-server: {url: <alpha>}}",
        &[("alpha", &alpha.url()), ("beta", &beta.url())],
    )
}

#[test]
fn page_names_everything_and_refreshes_itself() {
    let (alpha, beta) = (Upstream::named("alpha"), Refusing::new());
    let edge = edge(&alpha, &beta);
    let mut client = crate::support::http::Connection::open(edge.address("web-front"));
    for _ in 0..3 {
        assert_eq!(client.ask(&Ask::get("/v1/models")).status(), 200);
    }
    let page = edge.admin_get("/stats");
    assert_eq!(page.status(), 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let text = page.text();
    for name in NAMES {
        assert!(text.contains(name), "{name} is not on the page");
    }
    let lower = text.to_lowercase();
    assert!(lower.contains("down") && lower.contains("up"), "no states on the page");
    assert!(lower.contains("refresh") || lower.contains("fetch("), "the page does not refresh itself");
    assert!(
        !lower.contains("src=\"http") && !lower.contains("href=\"http"),
        "the page needs something from elsewhere"
    );
}

#[test]
fn csv_has_a_row_for_everything() {
    let (alpha, beta) = (Upstream::named("alpha"), Refusing::new());
    let edge = edge(&alpha, &beta);
    let answer = edge.admin_get("/stats;csv");
    assert_eq!(answer.status(), 200);
    let rows = rows(&answer.text());
    let text = format!("{rows:?}");
    for name in NAMES {
        assert!(text.contains(name), "{name} is not in the CSV");
    }
}

#[test]
fn health_and_ready_answer_and_nothing_else_does() {
    let (alpha, beta) = (Upstream::named("alpha"), Refusing::new());
    let edge = edge(&alpha, &beta);
    assert_eq!(edge.admin_get("/health").status(), 200);
    assert_eq!(edge.admin_get("/ready").status(), 200);
    assert_eq!(edge.admin_get("/nothing").status(), 404);
    let post = crate::support::http::Connection::open(edge.admin()).ask(&Ask::post("/stats", "x"));
    assert!(matches!(post.status(), 404 | 405), "{}", post.status());
}

#[test]
fn token_is_needed_for_all_but_health_and_ready() {
    let directory = crate::support::scratch::Scratch::new();
    let one = Upstream::named("one");
    let config = format!(
        "
global: {{state_dir: {0}/state}}
admin: {{listen: 127.0.0.1:0, socket: {0}/admin.sock, token: the-admins-token}}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: {1}}}}}}}",
        directory.path().display(),
        one.url()
    );
    let edge = Edge::start_text(directory, &config);
    assert_eq!(edge.admin_get("/health").status(), 200);
    assert_eq!(edge.admin_get("/ready").status(), 200);
    for path in ["/stats", "/stats;csv", "/metrics"] {
        assert!(matches!(edge.admin_get(path).status(), 401 | 403), "{path} without the token");
        let with =
            |token| crate::support::http::Connection::open(edge.admin()).ask(&Ask::get(path).bearer(token));
        assert!(matches!(with("another-token").status(), 401 | 403), "{path}");
        assert_eq!(with("the-admins-token").status(), 200, "{path}");
    }
}
