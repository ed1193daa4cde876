use super::*;
use crate::alert::message::Severity;
use crate::base::secret::Secret;

fn message() -> Message {
    Message {
        event: "server_down",
        severity: Severity::Error,
        resolved: false,
        at: Duration::from_millis(1_795_271_604_123),
        subject: "ai/one".into(),
        text: "server ai/one is down: <html> & more".into(),
        key: "server_down:ai/one".into(),
        details: vec![("backend", "ai".into()), ("usable_servers", 1.into())],
    }
}

fn pagerduty() -> AlertFormat {
    AlertFormat::PagerDuty { routing_key: Secret::new("R0UT1NG") }
}

#[test]
fn json_has_every_field_by_its_name() {
    let body = body(&AlertFormat::Json, &message(), "lb1");
    let expected = serde_json::json!({
        "event": "server_down",
        "severity": "error",
        "resolved": false,
        "at": "2026-11-21T14:33:24.123Z",
        "node": "lb1",
        "subject": "ai/one",
        "message": "server ai/one is down: <html> & more",
        "details": {"backend": "ai", "usable_servers": 1},
    });
    assert_eq!(body, expected);
}

#[test]
fn slack_gets_one_line_in_which_nothing_is_markup() {
    let text = body(&AlertFormat::Slack, &message(), "lb1")["text"].clone();
    assert_eq!(text, ":red_circle: *server_down* on lb1: server ai/one is down: &lt;html&gt; &amp; more");
    let end = Message { resolved: true, event: "server_up", text: "it is up".into(), ..message() };
    let text = body(&AlertFormat::Slack, &end, "lb1")["text"].clone();
    assert_eq!(text, ":white_check_mark: *resolved: server_up* on lb1: it is up");
}

#[test]
fn pagerduty_opens_and_resolves_by_the_same_key() {
    let trigger = body(&pagerduty(), &message(), "lb1");
    assert_eq!((&trigger["routing_key"], &trigger["event_action"]), (&"R0UT1NG".into(), &"trigger".into()));
    let payload = &trigger["payload"];
    assert_eq!(payload["summary"], "server ai/one is down: <html> & more");
    assert_eq!((&payload["source"], &payload["severity"]), (&"lb1".into(), &"error".into()));
    assert_eq!((&payload["component"], &payload["group"]), (&"ai/one".into(), &"ai".into()));
    assert_eq!(
        (&payload["class"], &payload["timestamp"]),
        (&"server_down".into(), &"2026-11-21T14:33:24.123Z".into())
    );
    assert_eq!(payload["custom_details"]["usable_servers"], 1);
    let resolve = body(&pagerduty(), &Message { resolved: true, ..message() }, "lb1");
    assert_eq!((&resolve["event_action"], &resolve["dedup_key"]), (&"resolve".into(), &trigger["dedup_key"]));
    assert_eq!(trigger["dedup_key"], "tidegate/lb1/server_down:ai/one");
}

#[test]
fn pagerduty_is_not_given_more_than_it_takes() {
    let long = Message { text: "ü".repeat(2000), key: "k".repeat(400), ..message() };
    let trigger = body(&pagerduty(), &long, "lb1");
    assert_eq!(trigger["payload"]["summary"].as_str().unwrap().chars().count(), 1024);
    assert_eq!(trigger["dedup_key"].as_str().unwrap().len(), 255);
}
