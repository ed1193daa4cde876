use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;

use http::HeaderName;
use proptest::prelude::*;

use super::*;

struct Request {
    method: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    host: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    src: &'static str,
    client: Option<&'static str>,
    plan: Option<&'static str>,
    model: Option<&'static str>,
    tls: bool,
    client_cn: Option<&'static str>,
    client_dn: Option<&'static str>,
    status: Option<u16>,
    counters: HashMap<(usize, usize), u64>,
    asked: Cell<usize>,
}

impl Default for Request {
    fn default() -> Request {
        Request {
            method: "POST",
            path: "/v1/chat/completions",
            query: None,
            host: "api.example.com",
            headers: Vec::new(),
            src: "203.0.113.9",
            client: None,
            plan: None,
            model: None,
            tls: true,
            client_cn: None,
            client_dn: None,
            status: None,
            counters: HashMap::new(),
            asked: Cell::new(0),
        }
    }
}

impl Facts for Request {
    fn method(&self) -> &str {
        self.method
    }
    fn normalised_path(&self) -> &str {
        self.path
    }
    fn query(&self) -> Option<&str> {
        self.query
    }
    fn host(&self) -> &str {
        self.host
    }
    fn any_header(&self, name: &HeaderName, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers.iter().any(|(n, v)| name == n && test(v.as_bytes()))
    }
    fn src(&self) -> IpAddr {
        self.src.parse().unwrap()
    }
    fn client(&self) -> Option<&str> {
        self.client
    }
    fn plan(&self) -> Option<&str> {
        self.plan
    }
    fn model(&self) -> Option<&str> {
        self.model
    }

    fn task(&self) -> Option<&str> {
        None
    }

    fn tls(&self) -> bool {
        self.tls
    }
    fn client_cn(&self) -> Option<&str> {
        self.client_cn
    }
    fn client_dn(&self) -> Option<&str> {
        self.client_dn
    }
    fn status(&self) -> Option<u16> {
        self.status
    }
    fn counter(&self, table: usize, counter: usize) -> Option<u64> {
        self.asked.set(self.asked.get() + 1);
        self.counters.get(&(table, counter)).copied()
    }
}

fn values(list: &[&str], ignore_case: bool) -> ValueTest {
    ValueTest::OneOf(PatternList::new(list, Position::Whole, ignore_case))
}

fn regex(pattern: &str) -> ValueTest {
    ValueTest::regex([pattern], false).unwrap()
}

fn header(name: &'static str, test: ValueTest) -> Acl {
    Acl::Header { name: HeaderName::from_static(name), test }
}

fn above(table: usize, above: u64) -> Acl {
    Acl::Counter(CounterTest { table, counter: 0, above })
}

#[test]
fn each_fetch_asks_its_part_of_the_request() {
    let request = Request {
        headers: vec![
            ("x-beta", ""),
            ("accept", "text/html, Application/JSON"),
            ("x-user", "a"),
            ("x-user", "b"),
        ],
        query: Some("model=gpt%2d4&flag&x=a+b&%6eame=v"),
        client: Some("mobile-app"),
        plan: Some("free"),
        ..Request::default()
    };
    let cases = [
        (Acl::path(["/v1/chat/completions"], false), true),
        (Acl::path(["/V1/CHAT/COMPLETIONS"], true), true),
        (Acl::path(["/v1/chat"], false), false),
        (Acl::path_beg(["/v1/images", "/v1/chat"], false), true),
        (Acl::path_end(["/completions"], false), true),
        (Acl::path_reg(["^/v[0-9]+/CHAT"], true).unwrap(), true),
        (Acl::path_reg(["^/v[0-9]+/CHAT", "x"], false).unwrap(), false),
        (Acl::method(["GET", "POST"], false), true),
        (Acl::method(["post"], false), false),
        (Acl::host(["API.example.com"]), true),
        (Acl::host(["example.com"]), false),
        (header("x-beta", ValueTest::Present(true)), true),
        (header("x-beta", ValueTest::Present(false)), false),
        (header("x-none", ValueTest::Present(false)), true),
        (header("accept", values(&["application/json"], true)), true),
        (header("accept", values(&["application/json"], false)), false),
        (header("accept", values(&["text/html, Application/JSON"], false)), true),
        (header("x-user", values(&["b"], false)), true),
        (header("x-user", values(&["c"], false)), false),
        (Acl::query("model", values(&["gpt-4"], false)), true),
        (Acl::query("flag", ValueTest::Present(true)), true),
        (Acl::query("flag", values(&[""], false)), true),
        (Acl::query("x", values(&["a b"], false)), true),
        (Acl::query("name", values(&["V"], true)), true),
        (Acl::query("nam", ValueTest::Present(true)), false),
        (Acl::query("nam", ValueTest::Present(false)), true),
        (Acl::Source([parse_net("203.0.113.0/24").unwrap()].into_iter().collect()), true),
        (Acl::api_key(["mobile-app"], false), true),
        (Acl::plan(["premium"], false), false),
        (Acl::Tls(true), true),
        (Acl::Tls(false), false),
        (Acl::Always(true), true),
    ];
    for (acl, expected) in cases {
        assert_eq!(acl.holds(&request), expected, "{acl:?}");
    }
}

#[test]
fn a_host_with_a_final_dot_is_the_same_host() {
    let request = Request { host: "api.example.com.", ..Request::default() };
    assert!(Acl::host(["api.example.com"]).holds(&request));
    assert!(Acl::host(["api.example.com."]).holds(&Request::default()));
}

#[test]
fn an_anonymous_client_has_no_key_and_no_plan() {
    assert!(!Acl::api_key([""], false).holds(&Request::default()));
    assert!(!Acl::plan([""], false).holds(&Request::default()));
    assert!(!Acl::query("", ValueTest::Present(true)).holds(&Request::default()));
}

#[test]
fn above_admits_the_figure_itself_and_a_missing_entry() {
    let mut request = Request::default();
    assert!(!above(1, 0).holds(&request));
    request.counters.insert((1, 0), 50);
    assert!(!above(1, 50).holds(&request));
    assert!(above(1, 49).holds(&request));
}

#[test]
fn a_wrong_regular_expression_is_named() {
    let patterns = ["^/ok$", "^/(chat"];
    for error in [Acl::path_reg(patterns, false).err(), ValueTest::regex(patterns, false).err()] {
        let error = error.unwrap();
        assert_eq!(error.pattern, "^/(chat");
        assert!(error.to_string().contains("unclosed group"), "{error}");
    }
    let error = ValueTest::regex(["a", r"\p{L}"], false).unwrap_err();
    assert_eq!(error.pattern, r"\p{L}");
}

#[test]
fn regular_expressions_have_a_bound_on_their_memory() {
    let greedy = "(?:a{1000}){1000}";
    for error in [Acl::path_reg(["a", greedy], false).err(), ValueTest::regex(["a", greedy], true).err()] {
        let error = error.unwrap();
        assert_eq!(error.pattern, greedy);
        assert!(error.problem.contains("it takes more than 2 MiB"), "{error}");
    }
    let many: Vec<String> = (0..100).map(|n| format!("{n}.{{3000}}")).collect();
    let error = ValueTest::regex(&many, false).unwrap_err();
    assert!(error.problem.contains("the list of 100 that it begins takes"), "{error}");
}

#[test]
fn a_regular_expression_sees_the_whole_line_and_each_element() {
    let request = Request {
        headers: vec![("x-team", "red, Blue-7 ,green"), ("x-team", "single")],
        ..Request::default()
    };
    for (pattern, expected) in [
        ("^Blue-[0-9]$", true),
        ("^red, Blue", true),
        ("^single$", true),
        ("^green$", true),
        ("^blue", false),
        ("^Blue-7 $", false),
        ("^yellow$", false),
    ] {
        assert_eq!(header("x-team", regex(pattern)).holds(&request), expected, "{pattern}");
    }
    assert!(header("x-team", ValueTest::regex(["^yellow", "^blue"], true).unwrap()).holds(&request));
    assert!(!header("x-none", regex("")).holds(&request));
}

#[test]
fn neither_a_stray_byte_nor_a_line_end_takes_a_value_out_of_a_pattern() {
    let bare = fetch::query("x=%FF%FEsecret", b"x", &regex("^.*secret$"));
    let broken = fetch::query("x=a%0Asecret", b"x", &regex("^.*secret$"));
    assert!(bare && broken);
    assert!(fetch::query("x=%C3%A9t%C3%A9", b"x", &regex("^été$")));
}

#[test]
fn a_regular_expression_sees_query_values_decoded() {
    for (query, expected) in [
        ("m=gpt%2d4", true),
        ("m=gpt-4", true),
        ("a=1&m=x&%6d=gpt%2D4", true),
        ("m=gpt+4", false),
        ("m=gpt-4%0a", false),
        ("m", false),
        ("n=gpt-4", false),
    ] {
        assert_eq!(
            Acl::query("m", regex("^gpt-[0-9]$"))
                .holds(&Request { query: Some(query), ..Request::default() }),
            expected,
            "{query}"
        );
    }
    assert!(fetch::query("m=a+b", b"m", &regex("^a b$")));
    assert!(fetch::query("m=", b"m", &regex("^$")));
}

#[test]
fn a_certificate_is_matched_byte_for_byte() {
    let request =
        Request { client_cn: Some("app1"), client_dn: Some("CN=app1,O=Example"), ..Request::default() };
    assert!(Acl::client_cn(["app0", "app1"]).holds(&request));
    assert!(Acl::client_dn(["CN=app1,O=Example"]).holds(&request));
    for acl in [Acl::client_cn(["App1"]), Acl::client_cn(["app"]), Acl::client_dn(["CN=app1"])] {
        assert!(!acl.holds(&request), "{acl:?}");
    }
    assert!(!Acl::client_cn([""]).holds(&Request::default()));
    assert!(!Acl::client_dn([""]).holds(&Request::default()));
}

#[test]
fn a_status_holds_only_where_there_is_an_answer() {
    let acl = Acl::status([404..=404, 500..=599]);
    for (status, expected) in
        [(Some(404), true), (Some(500), true), (Some(599), true), (Some(403), false), (None, false)]
    {
        assert_eq!(acl.holds(&Request { status, ..Request::default() }), expected, "{status:?}");
    }
}

#[test]
fn the_counter_that_made_the_rule_apply_is_reported() {
    // ip_flood and not internal, or key_flood
    let acls = [above(0, 100), Acl::Always(false), above(1, 5), Acl::Always(true)];
    let (flood, internal, key_flood) = (Tree::Acl(0), Tree::Acl(1), Tree::Acl(2));
    let guarded = Tree::And(vec![flood.clone(), Tree::Not(Box::new(internal))]);
    let expression = Expression::new(&Tree::Or(vec![guarded, key_flood.clone()]));
    let mut request = Request::default();
    assert_eq!(expression.evaluate(&acls, &request), Decision { matched: false, counter: None });

    request.counters.insert((1, 0), 6);
    let by_key = CounterTest { table: 1, counter: 0, above: 5 };
    assert_eq!(expression.evaluate(&acls, &request), Decision { matched: true, counter: Some(by_key) });

    request.counters.insert((0, 0), 101);
    let by_ip = CounterTest { table: 0, counter: 0, above: 100 };
    assert_eq!(expression.evaluate(&acls, &request), Decision { matched: true, counter: Some(by_ip) });

    // A counter in an `and` that fails, or under a `not`, is no reason.
    let failed = Tree::And(vec![flood.clone(), Tree::Acl(1)]);
    let other = Expression::new(&Tree::Or(vec![failed, Tree::Acl(3)]));
    assert_eq!(other.evaluate(&acls, &request), Decision { matched: true, counter: None });
    let quiet = Expression::new(&Tree::Not(Box::new(key_flood)));
    request.counters.insert((1, 0), 1);
    assert_eq!(quiet.evaluate(&acls, &request), Decision { matched: true, counter: None });
    let twice = Expression::new(&Tree::Not(Box::new(Tree::Not(Box::new(flood)))));
    assert_eq!(twice.evaluate(&acls, &request), Decision { matched: true, counter: Some(by_ip) });
}

#[test]
fn evaluation_stops_where_the_answer_is_known() {
    let acls = [Acl::Always(false), Acl::Always(true), above(0, 1)];
    let request = Request::default();
    Expression::new(&Tree::And(vec![Tree::Acl(0), Tree::Acl(2)])).evaluate(&acls, &request);
    Expression::new(&Tree::Or(vec![Tree::Acl(1), Tree::Acl(2)])).evaluate(&acls, &request);
    assert_eq!(request.asked.get(), 0);
}

#[test]
fn an_index_without_an_acl_holds_in_neither_sense() {
    for tree in [Tree::Acl(7), Tree::Not(Box::new(Tree::Acl(7)))] {
        assert!(!Expression::new(&tree).evaluate(&[], &Request::default()).matched);
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    (0usize..4).prop_map(Tree::Acl).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| Tree::Not(Box::new(t))),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Tree::And),
            proptest::collection::vec(inner, 0..4).prop_map(Tree::Or),
        ]
    })
}

fn truth(tree: &Tree, values: &[bool; 4]) -> bool {
    match tree {
        Tree::Acl(i) => values[*i],
        Tree::Not(t) => !truth(t, values),
        Tree::And(parts) => parts.iter().all(|t| truth(t, values)),
        Tree::Or(parts) => parts.iter().any(|t| truth(t, values)),
    }
}

proptest! {
    #[test]
    fn a_compiled_expression_means_what_its_tree_says(tree in tree(), values: [bool; 4]) {
        let acls = values.map(Acl::Always);
        let decision = Expression::new(&tree).evaluate(&acls, &Request::default());
        prop_assert_eq!(decision.matched, truth(&tree, &values));
    }

    #[test]
    fn any_query_is_read_without_a_panic(query in "[%&=+a-f0-9\u{e9}]{0,40}") {
        let _ = fetch::query(&query, b"a", &values(&["b"], true));
        let whole = fetch::query(&query, b"a", &values(&["b"], false));
        prop_assert_eq!(whole, fetch::query(&query, b"a", &regex("^b$")));
    }
}
