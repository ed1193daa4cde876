//! `clear counters`.

use super::{say, stat};
use crate::support::edge::Edge;
use crate::support::upstream::Upstream;
use crate::support::wait::until;

fn edge(one: &Upstream) -> Edge {
    Edge::start(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: <one>}}}",
        &[("one", &one.url())],
    )
}

#[test]
fn maxima_begin_anew_and_counts_go_on() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    edge.servers(4);
    until("all of it is counted", || {
        stat(&edge, "FRONTEND", "scur") == "0" && stat(&edge, "one", "stot") == "4"
    });
    assert_ne!(stat(&edge, "FRONTEND", "smax"), "0");
    assert_ne!(stat(&edge, "BACKEND", "rate_max"), "0");
    assert_eq!(say(&edge, "clear counters"), "");
    for (server, maximum) in
        [("FRONTEND", "smax"), ("FRONTEND", "req_rate_max"), ("one", "smax"), ("BACKEND", "rate_max")]
    {
        assert_eq!(stat(&edge, server, maximum), "0", "{server} {maximum}");
    }
    assert_eq!(stat(&edge, "one", "stot"), "4");
    edge.servers(2);
    until("they grow again", || stat(&edge, "BACKEND", "smax") == "1" && stat(&edge, "one", "stot") == "6");
}

#[test]
fn all_clears_what_show_stat_counts_and_nothing_of_the_metrics() {
    let one = Upstream::named("one");
    let edge = edge(&one);
    edge.servers(4);
    until("all of it is counted", || stat(&edge, "BACKEND", "hrsp_2xx") == "4");
    assert_eq!(say(&edge, "clear counters all"), "");
    for (server, counted) in
        [("FRONTEND", "bin"), ("FRONTEND", "req_tot"), ("one", "stot"), ("BACKEND", "hrsp_2xx")]
    {
        assert_eq!(stat(&edge, server, counted), "0", "{server} {counted}");
    }
    assert_eq!(stat(&edge, "one", "status"), "no check");
    let page = edge.admin_get("/stats;csv").text();
    assert!(page.lines().any(|line| line.starts_with("ai,BACKEND,0,0,0,0,,0,0,0,")), "{page}");
    let metrics = edge.admin_get("/metrics").text();
    let total =
        metrics.lines().find(|line| line.starts_with("tidegate_requests_total{") && line.contains("\"one\""));
    assert!(total.is_some_and(|line| line.ends_with(" 4")), "{total:?}");
    edge.servers(1);
    until("it counts from there", || stat(&edge, "BACKEND", "hrsp_2xx") == "1");
    assert_eq!(stat(&edge, "FRONTEND", "req_tot"), "1");
}
