//! ACLs that ask for the values of headers and query parameters, and for the status of the answer.

use crate::support::edge::Edge;
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;

/// Every answer names the ACLs of `acls` that hold, in `x-acls`.
struct Site {
    edge: Edge,
    _one: Upstream,
}

/// ACLs by name and what they are.
fn site(acls: &[(&str, &str)]) -> Site {
    let one = Upstream::replying(|request| {
        let status = request.head.target().trim_start_matches("/v1/").parse().unwrap_or(200);
        answer(status, &[], "{}")
    });
    let (mut list, mut rules) = (String::new(), String::new());
    for (name, test) in acls {
        list.push_str(&format!("  {name}: {{{test}}}\n"));
        rules.push_str(&format!("      - {{add_header: {{x-acls: {name}}}, if: {name}}}\n"));
    }
    let edge = Edge::start(
        "
acls:
<list>
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    response_rules:
<rules>
    default_backend: ai
backends: {ai: {retry: {attempts: 1}, breaker: off, cooldown: off, servers: {one: {url: <one>}}}}",
        &[("list", &list), ("rules", &rules), ("one", &one.url())],
    );
    Site { edge, _one: one }
}

impl Site {
    #[track_caller]
    fn check(&self, ask: &Ask, expected: &[&str]) {
        let answer = self.edge.ask(ask);
        assert_eq!(answer.head.all("x-acls"), expected, "{} {:?}", ask.target, ask.headers);
    }
}

fn with(values: &[&str]) -> Ask {
    values.iter().fold(Ask::get("/v1/models"), |ask, value| ask.header("X-A", value))
}

#[test]
fn header_values_are_compared_in_four_ways() {
    let site = site(&[
        ("whole", "header: x-a, value: [v1, v2]"),
        ("begin", "header: X-A, value_beg: [v1, w]"),
        ("end", "header: x-a, value_end: [1, \".5\"]"),
        ("found", "header: x-a, value_reg: \"^v[0-9]+$\""),
        ("there", "header: x-a, present: true"),
    ]);
    let cases: [(&[&str], &[&str]); 12] = [
        (&[], &[]),
        (&[""], &["there"]),
        (&["v1"], &["whole", "begin", "end", "found", "there"]),
        (&["  v2\t"], &["whole", "found", "there"]),
        (&["v12"], &["begin", "found", "there"]),
        (&["V1"], &["end", "there"]),
        (&["w2.5"], &["begin", "end", "there"]),
        (&["xv1x"], &["there"]),
        (&["no", "v2"], &["whole", "found", "there"]),
        (&["no, v2 , w.5"], &["whole", "begin", "end", "found", "there"]),
        (&["v 2"], &["there"]),
        (&["\"v2\""], &["there"]),
    ];
    for (values, expected) in cases {
        site.check(&with(values), expected);
    }
}

#[test]
fn case_is_ignored_where_told() {
    let site = site(&[
        ("whole", "header: x-a, value: [V1], ignore_case: true"),
        ("begin", "header: x-a, value_beg: Bearer, ignore_case: true"),
        ("end", "query: q, value_end: .JSON, ignore_case: true"),
        ("found", "query: q, value_reg: \"^a+$\", ignore_case: true"),
        ("strict", "query: q, value: a"),
    ]);
    site.check(&with(&["v1"]), &["whole"]);
    site.check(&with(&["bEARER x"]), &["begin"]);
    site.check(&Ask::get("/v1/x?q=x.Json"), &["end"]);
    site.check(&Ask::get("/v1/x?q=A"), &["found"]);
    site.check(&Ask::get("/v1/x?q=a"), &["found", "strict"]);
}

#[test]
fn query_values_are_decoded_before_they_are_compared() {
    let site = site(&[
        ("whole", "query: a b, value: x y"),
        ("plain", "query: q, value: [one, \"a&b\", \"100%\"]"),
        ("begin", "query: q, value_beg: /ad"),
        ("end", "query: q, value_end: min"),
        ("found", "query: q, value_reg: \"^/admin$\""),
        ("there", "query: q, present: true"),
    ]);
    let cases: [(&str, &[&str]); 18] = [
        ("/v1/x", &[]),
        ("/v1/x?", &[]),
        ("/v1/x?q", &["there"]),
        ("/v1/x?q=", &["there"]),
        ("/v1/x?%71=one", &["plain", "there"]),
        ("/v1/x?q=%6Fne", &["plain", "there"]),
        ("/v1/x?q=a%26b", &["plain", "there"]),
        ("/v1/x?q=a&b", &["there"]),
        ("/v1/x?q=100%", &["plain", "there"]),
        ("/v1/x?q=%2Fadmin", &["begin", "end", "found", "there"]),
        ("/v1/x?q=no&q=/%61dmin", &["begin", "end", "found", "there"]),
        ("/v1/x?q=%252Fadmin", &["end", "there"]),
        ("/v1/x?a+b=x+y", &["whole"]),
        ("/v1/x?a%20b=x%20y", &["whole"]),
        ("/v1/x?a%20b", &[]),
        ("/v1/x?Q=one", &[]),
        ("/v1/x?qq=one&xq=one", &[]),
        ("/v1/x?&&q=one", &["plain", "there"]),
    ];
    for (target, expected) in cases {
        site.check(&Ask::get(target), expected);
    }
}

#[test]
fn absent_values_are_not_empty_ones() {
    let site = site(&[
        ("header_empty", "header: x-a, value_reg: \"^$\""),
        ("query_empty", "query: q, value_reg: \"^$\""),
        ("query_any", "query: q, value_reg: \".*\""),
    ]);
    site.check(&Ask::get("/v1/x"), &[]);
    site.check(&with(&[""]), &["header_empty"]);
    site.check(&with(&["a,,b"]), &["header_empty"]);
    site.check(&Ask::get("/v1/x?q="), &["query_empty", "query_any"]);
    site.check(&Ask::get("/v1/x?q"), &["query_empty", "query_any"]);
    site.check(&Ask::get("/v1/x?q=1"), &["query_any"]);
}

#[test]
fn several_expressions_and_thousands_of_values_are_searched() {
    let many: Vec<String> = (0..3000).map(|number| format!("value-{number}")).collect();
    let site = site(&[
        ("any", "query: q, value_reg: [\"^a\", \"b$\", \"^c.c$\"]"),
        ("many", &format!("header: x-a, value: [{}]", many.join(", "))),
    ]);
    // `.` is any byte: a line feed must not hide from it.
    for target in ["/v1/x?q=ax", "/v1/x?q=xb", "/v1/x?q=c%0ac", "/v1/x?q=c%FFc"] {
        site.check(&Ask::get(target), &["any"]);
    }
    site.check(&Ask::get("/v1/x?q=xaxbx"), &[]);
    site.check(&with(&["value-2999"]), &["many"]);
    site.check(&with(&["value-3000"]), &[]);
}

#[test]
fn statuses_are_codes_classes_and_ranges() {
    let site = site(&[
        ("one", "status: 404"),
        ("class", "status: 5xx"),
        ("range", "status: [400-403, 429]"),
        ("text", "status: \"2xx\""),
    ]);
    let cases: [(&str, &[&str]); 9] = [
        ("200", &["text"]),
        ("299", &["text"]),
        ("400", &["range"]),
        ("403", &["range"]),
        ("404", &["one"]),
        ("429", &["range"]),
        ("499", &[]),
        ("500", &["class"]),
        ("599", &["class"]),
    ];
    for (status, expected) in cases {
        site.check(&Ask::get(&format!("/v1/{status}")), expected);
    }
}

#[test]
fn values_decide_in_rules_too() {
    let one = Upstream::named("one");
    let edge = Edge::start(
        "
acls:
  tool: {header: user-agent, value_beg: [curl/, Wget/]}
  debug: {query: debug, value: [\"1\", yes], ignore_case: true}
frontends:
  web:
    bind: [{address: 127.0.0.1:0}]
    rules: [{deny: {status: 403}, if: tool and not debug}]
    default_backend: ai
backends: {ai: {servers: {one: {url: <one>}}}}",
        &[("one", &one.url())],
    );
    for (target, agent, status) in [
        ("/v1/x", "curl/8", 403),
        ("/v1/x?debug=%59es", "curl/8", 200),
        ("/v1/x?debug=0&debug=1", "Wget/1", 200),
        ("/v1/x", "Curl/8", 200),
    ] {
        assert_eq!(
            edge.ask(&Ask::get(target).header("user-agent", agent)).status(),
            status,
            "{target} {agent}"
        );
    }
}
