//! Who is told of what.

use super::*;

const HOOK: &str = "https://hooks.example.com/T0/very-secret";

fn alerts(items: &str) -> Vec<Alert> {
    load(&small("", &format!("alerts: [{items}]\n"))).alerts
}

fn events(list: &str) -> Vec<AlertEvent> {
    alerts(&format!("{{webhook: '{HOOK}', format: json, events: {list}}}")).remove(0).events
}

#[test]
fn an_alert_is_of_everything_unless_it_says_of_what() {
    for nothing in ["alerts:\n", "alerts: []\n", "alerts: null\n", ""] {
        assert!(load(&small("", nothing)).alerts.is_empty(), "{nothing}");
    }
    let alert = alerts(&format!("{{webhook: '{HOOK}', format: slack}}")).remove(0);
    assert_eq!((alert.webhook.expose(), &alert.format), (HOOK, &AlertFormat::Slack));
    assert_eq!((alert.events.len(), alert.backends, alert.every), (12, None, Duration::from_secs(300)));
    assert!(alert.events.contains(&AlertEvent::LatencyP95(Duration::from_secs(2))));
    assert!(alert.events.contains(&AlertEvent::ErrorRate(0.05)));
}

#[test]
fn figures_stand_behind_their_event() {
    let read = events("[latency_p95 > 1.5s, error_rate>0.1%, failover]");
    let time = Duration::from_millis(1500);
    assert_eq!(read, [AlertEvent::LatencyP95(time), AlertEvent::ErrorRate(0.001), AlertEvent::Failover]);
    assert_eq!(events("[error_rate   >99%]"), [AlertEvent::ErrorRate(0.99)]);
    assert_eq!(events("latency_p95"), [AlertEvent::LatencyP95(Duration::from_secs(2))]);
}

#[test]
fn backends_become_indices_each_once() {
    let text = "
frontends: {f: {bind: [{address: 127.0.0.1:0}], default_backend: a, rules: [{use_backend: b}]}}
backends: {a: {servers: {s: {url: http://h}}}, b: {servers: {s: {url: http://h}}}}
alerts: [{webhook: http://h, format: json, backends: [b, a, b], every: 1s}]
";
    let c = load(text);
    assert_eq!(
        (c.alerts[0].backends.as_deref(), c.alerts[0].every),
        (Some(&[1, 0][..]), Duration::from_secs(1))
    );
    // Whom alerts watch gets no requests by it.
    let unused = text.replace(", rules: [{use_backend: b}]", "");
    assert!(load(&unused).warnings.to_string().contains("backend `b` gets no requests"));
}

#[test]
fn pagerduty_has_an_address_of_its_own() {
    let alert = alerts("{format: pagerduty, routing_key: '${KEY}'}").remove(0);
    assert_eq!(alert.webhook.expose(), "https://events.pagerduty.com/v2/enqueue");
    let AlertFormat::PagerDuty { routing_key } = alert.format else { panic!() };
    assert_eq!(routing_key.expose(), "sk-resolved");
    let alert = alerts("{format: pagerduty, routing_key: k, webhook: http://127.0.0.1:1/}").remove(0);
    assert_eq!(alert.webhook.expose(), "http://127.0.0.1:1/");
}

#[test]
fn an_empty_webhook_or_key_switches_its_alert_off() {
    for off in [
        "{webhook: '${NOPE:-}', format: slack}",
        "{webhook: '', format: json}",
        "{format: pagerduty, routing_key: '${NOPE:-}'}",
        "{format: pagerduty, routing_key: '', webhook: http://h}",
    ] {
        let c = load(&small("", &format!("alerts: [{off}, {{webhook: http://h, format: json}}]\n")));
        assert_eq!(c.alerts.len(), 1, "{off}");
        assert!(c.warnings.to_string().contains("this alert is switched off"), "{off}");
    }
    // What else is wrong with it is told all the same.
    let message = wrong(&small("", "alerts: [{webhook: '${NOPE:-}', format: slack, events: [fialover]}]\n"));
    assert!(message.contains("did you mean `failover`?"), "{message}");
}

#[test]
fn webhooks_and_routing_keys_are_seen_nowhere() {
    let dump = format!(
        "{:?}",
        alerts(&format!("{{webhook: '{HOOK}', format: pagerduty, routing_key: '${{KEY}}'}}"))
    );
    assert!(!dump.contains("very-secret") && !dump.contains("sk-resolved") && dump.contains("***"), "{dump}");
    for bad in [
        format!("alerts: [{{webhook: '{HOOK} ', format: json}}]\n"),
        format!("alerts: [{{webhook: ['{HOOK}'], format: json}}]\n"),
        format!("alerts: [{{url: '{HOOK}', format: json}}]\n"),
        format!("alerts: [{{webhook: {{url: '{HOOK}'}}, format: json}}]\n"),
        format!("alerts: [{{format: '{HOOK}', events: ['{HOOK}'], every: '{HOOK}', backends: '{HOOK}'}}]\n"),
        format!("alerts: ['{HOOK}']\n"),
        format!("alerts: {HOOK}\n"),
        format!("alerts: {{slack: {HOOK}}}\n"),
        format!("alerts: [{{webhook: {HOOK}, format: json]\n"),
        format!("alerts:\n  - {HOOK}\n  - [\n"),
        format!("alert: [{{webhook: '{HOOK}', format: json}}]\n"),
        format!("alert: ['{HOOK}']\n"),
        "alerts: [{format: pagerduty, routing_key: 'very-secret '}]\n".to_owned(),
        "alerts: [{format: pagerduty, routing_key: very-secret, webhook: 'x'}]\n".to_owned(),
        "alerts: [{format: pagerduty, routing-key: very-secret}]\n".to_owned(),
        "alerts: [{format: pagerduty, service_key: very-secret}]\n".to_owned(),
    ] {
        let message = wrong(&small("", &bad));
        assert!(!message.contains("very-secret"), "{bad}\n{message}");
    }
}

#[test]
fn each_mistake_of_an_alert_is_told_once() {
    for bad in [
        "format: json",
        "webhook: http://h",
        "webhook: h, format: json",
        "webhook: ftp://h, format: json",
        "webhook: 'http://u:p@h', format: json",
        "webhook: 'http://h/#x', format: json",
        "format: pagerduty",
        "format: pagerduty, routing_key: a b",
        "format: teams, webhook: http://h",
        "format: pagerduty, routing_kee: x",
        "url: http://h, format: json",
        "format: json, webhook: http://h, every: 0",
        "format: json, webhook: http://h, every: 30",
        "format: json, webhook: http://h, backends: [nobody]",
        "format: json, webhook: http://h, backends: []",
        "format: json, webhook: http://h, events: []",
        "format: json, webhook: http://h, events: all",
        "format: json, webhook: http://h, events: [latency_p95 > 2]",
        "format: json, webhook: http://h, events: [latency_p95 >= 2s]",
        "format: json, webhook: http://h, events: ['latency_p95 >']",
        "format: json, webhook: http://h, events: [latency_p95 > 2s 3s]",
        "format: json, webhook: http://h, events: [error_rate > 5]",
        "format: json, webhook: http://h, events: [error_rate > 100%]",
        "format: json, webhook: http://h, events: [error_rate > -5%]",
        "format: json, webhook: http://h, events: [error_rate: 5%]",
        "format: json, webhook: http://h, events: [failover > 5]",
        "format: json, webhook: http://h, events: [failover, failover]",
        "format: json, webhook: http://h, events: [server-down]",
        "format: json, webhook: http://h, events: 'failover, server_up'",
        "format: json, webhook: http://h, events: [[failover]]",
        "format: json, webhook: http://h, events: ['> 5%']",
    ] {
        let message = wrong(&small("", &format!("alerts: [{{{bad}}}]\n")));
        assert!(message.contains("1 error in") && message.contains("hint: "), "{bad}: {message}");
    }
}
