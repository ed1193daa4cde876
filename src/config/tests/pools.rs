//! What keeps a pool of servers well: protection, hedging, tiers, connections, checks.

use std::time::Duration;

use serde_json::json;

use super::*;

fn backend(keys: &str) -> Backend {
    load(&small(keys, "")).backends.remove(0)
}

fn check_of(keys: &str) -> Check {
    backend(&format!("check: {{{keys}}}, ")).check.unwrap()
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn who_waits_longer_for_the_head_waits_no_less_for_content() {
    let of = |timeouts: &str| backend(&format!("timeouts: {{{timeouts}}}, ")).timeouts.first_content;
    assert_eq!([of("first_byte: 90s"), of("first_byte: 5s")], [seconds(90), seconds(60)]);
    assert_eq!(of("first_byte: 90s, first_content: 10s"), seconds(10));
}

#[test]
fn protection_is_on_and_hedging_off_by_themselves() {
    let b = backend("");
    assert_eq!(b.breaker, Some(Breaker { failures: 5, open_for: seconds(60), trial_requests: 3 }));
    let eject = Eject { error_rate: 0.3, over: 10, time: seconds(30), up_to: seconds(300), max_ejected: 0.5 };
    assert_eq!(b.eject, Some(eject));
    assert_eq!(b.cooldown, Some(Cooldown { default: seconds(1), up_to: seconds(600) }));
    assert!(b.hedge.is_none() && b.help_below.is_none() && b.servers[0].slow_start.is_none());
    assert_eq!(b.connections, Connections { idle_timeout: seconds(30), max_idle: 256 });
    assert_eq!(b.timeouts.first_content, seconds(60));
    assert!(b.servers[0].tls.http2 && b.servers[0].tls.http1);
}

#[test]
fn off_and_false_switch_off() {
    for word in ["off", "false", "\"off\""] {
        let b = backend(&format!("breaker: {word}, eject: {word}, cooldown: {word}, hedge: {word}, "));
        assert!(b.breaker.is_none() && b.eject.is_none() && b.cooldown.is_none() && b.hedge.is_none());
    }
}

#[test]
fn a_section_without_keys_is_on() {
    for nothing in ["{}", "true", ""] {
        let b = backend(&format!("breaker: {nothing}, eject: {nothing}, hedge: {nothing}, "));
        assert!(b.breaker.is_some() && b.eject.is_some());
        assert_eq!(
            b.hedge,
            Some(Hedge { quantile: 0.95, at_least: Duration::from_millis(100), budget: 0.05 })
        );
    }
    let b = backend("breaker: null, hedge: null, ");
    assert!(b.breaker.is_some() && b.hedge.is_none());
}

#[test]
fn the_longest_time_follows_a_longer_first_one() {
    let b = backend("eject: {for: 10m}, cooldown: {default: 1h}, ");
    assert_eq!(b.eject.unwrap().up_to, seconds(600));
    assert_eq!(b.cooldown.unwrap().up_to, seconds(3600));
}

#[test]
fn the_ends_of_ranges_are_within() {
    let b = backend("hedge: {quantile: 99.9%, budget: 0.1%}, eject: {error_rate: 99%}, ");
    let hedge = b.hedge.unwrap();
    assert!(hedge.quantile <= 0.999 && hedge.budget >= 0.001);
    let b = backend("hedge: {quantile: 50%, budget: 100%}, tiers: {help_below: 1%}, ");
    assert_eq!((b.hedge.unwrap().quantile, b.help_below), (0.5, Some(0.01)));
}

#[test]
fn priorities_have_their_order() {
    assert!(Priority::Low < Priority::Normal && Priority::Normal < Priority::High);
    let c = load(&small("", "plans: {a: {priority: high}, b: {}}\n"));
    assert_eq!(c.plans.iter().map(|p| p.priority).collect::<Vec<_>>(), [Priority::High, Priority::Normal]);
}

#[test]
fn a_check_has_its_defaults() {
    let c = check_of("http: {}");
    assert_eq!((c.interval, c.fast_interval, c.down_interval), (seconds(5), seconds(1), seconds(5)));
    assert_eq!((c.timeout, c.rise, c.fall, c.jitter), (seconds(3), 2, 3, 0.1));
    assert!(c.slow_above.is_none() && c.down_above.is_none());
    let CheckKind::Http(http) = c.kind else { panic!() };
    assert_eq!((http.method.as_str(), http.path.as_str(), http.body), ("GET", "/", None));
    assert_eq!(http.expect, Expect { status: vec![200], headers: vec![], body: None });
    let c = check_of("tcp: {}, interval: 500ms");
    assert_eq!((c.fast_interval, c.down_interval), (Duration::from_millis(500), Duration::from_millis(500)));
    assert_eq!(c.kind, CheckKind::Tcp);
    let chat = ChatCheck { model: "m".into(), max_tokens: 5, prompt: "ping".into() };
    assert_eq!(check_of("chat: {model: m}").kind, CheckKind::Chat(chat));
    assert_eq!(check_of("tcp: ").kind, CheckKind::Tcp);
}

#[test]
fn what_is_expected_of_an_answer() {
    let text = r#"http: {expect: {header: {X-A: "yes", b: {contains: a}, c: {regex: "^2"}, d: {present: true}}, body: {regex: o+k}}}"#;
    let CheckKind::Http(http) = check_of(text).kind else { panic!() };
    let headers: Vec<_> = http.expect.headers.iter().map(|(name, text)| (name.as_str(), text)).collect();
    assert_eq!(
        headers,
        [
            ("x-a", &TextMatch::Equals("yes".into())),
            ("b", &TextMatch::Contains("a".into())),
            ("c", &TextMatch::Regex("^2".into())),
            ("d", &TextMatch::Present),
        ]
    );
    assert_eq!(http.expect.status, [200]);
    assert_eq!(http.expect.body, Some(BodyMatch::Regex("o+k".into())));
}

#[test]
fn a_value_is_in_json_what_it_is_in_yaml() {
    for (yaml, wanted) in [
        ("3", json!(3)),
        ("-0.5e1", json!(-5.0)),
        ("\"3\"", json!("3")),
        ("true", json!(true)),
        ("\"true\"", json!("true")),
        ("null", json!(null)),
        ("'null'", json!("null")),
        ("\"\"", json!("")),
        ("gpt-4.1", json!("gpt-4.1")),
        ("1.2.3", json!("1.2.3")),
    ] {
        let text = format!("http: {{expect: {{body: {{json: {{$.x: {yaml}}}}}}}}}");
        let CheckKind::Http(http) = check_of(&text).kind else { panic!() };
        let Some(BodyMatch::Json(parts)) = http.expect.body else { panic!() };
        assert_eq!(parts[0].1, JsonMatch::Equals(wanted), "{yaml}");
        assert_eq!((parts[0].0.text.as_str(), &parts[0].0.steps), ("$.x", &vec![JsonStep::Key("x".into())]));
    }
}

#[test]
fn protocols_of_a_server_may_be_narrowed() {
    let text = SMALL.replace("http://127", "https://127").replace("/v1}", "/v1, tls: {alpn: h2}}");
    let tls = &load(&text).backends[0].servers[0].tls;
    assert!(tls.http2 && !tls.http1);
}

#[test]
fn the_smallest_share_that_ejects_somebody_is_taken_without_a_warning() {
    let servers =
        |n: u32| (0..n).map(|i| format!("s{i}: {{url: http://127.0.0.1:9001}}, ")).collect::<String>();
    for n in 2..=40_u32 {
        let share = (100.0 / f64::from(n)).ceil();
        let text = |share: f64| {
            let eject = format!("eject: {{max_ejected: {share}%}}, ");
            small(&eject, "").replace("s: {url: http://127.0.0.1:9001/v1}", &servers(n))
        };
        assert_eq!(load(&text(share)).warnings.to_string(), "", "{n} servers");
        let warnings = load(&text(share - 1.0)).warnings.to_string();
        let ejects_nobody = (share - 1.0) * f64::from(n) < 100.0;
        assert_eq!(warnings.contains("ejects nobody"), ejects_nobody, "{n} servers: {warnings}");
    }
}
