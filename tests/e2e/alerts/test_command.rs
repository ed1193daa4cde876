//! `tidegate alert test`: whether anybody would be told.

use crate::support::http::answer;
use crate::support::orders::{Told, tidegate};
use crate::support::pager::Pager;
use crate::support::rude::Refusing;
use crate::support::scratch::Scratch;

/// Runs it on a file with these alerts.
fn test(alerts: &str, arguments: &[&str]) -> Told {
    let directory = Scratch::new();
    let text = format!(
        "alerts: {alerts}
frontends:
  web: {{bind: [{{address: 127.0.0.1:0}}], default_backend: ai}}
backends:
  ai: {{servers: {{one: {{url: http://127.0.0.1:9}}}}}}
"
    );
    let file = directory.write("tidegate.yaml", &text);
    tidegate(&[&["alert", "test", "-c", file.to_str().unwrap()], arguments].concat())
}

#[test]
fn every_receiver_is_told_once_and_what_it_answered_is_printed() {
    let pager = Pager::new();
    let (place, hook) = (pager.upstream.url(), pager.url("/T0SECRET/B0SECRET"));
    let alerts = format!(
        "[{{webhook: {hook}, format: slack}}, {{webhook: {hook}, format: pagerduty, routing_key: pd-SECRET-1, events: [no_server]}}, \
         {{webhook: {hook}, format: json}}]"
    );
    let told = test(&alerts, &[]);
    let lines: Vec<&str> = told.good().lines().collect();
    for (line, format) in lines.iter().zip(["slack", "pagerduty", "json"]) {
        assert!(line.starts_with(&format!("{place} ({format}): it was taken, status 200 after ")), "{line}");
    }
    assert!(lines.len() == 3 && lines[1].contains("resolve the incident there by hand"), "{told:?}");
    assert!(!format!("{told:?}").contains("SECRET"), "{told:?}");
    assert_eq!(pager.count(), 3);
    let json = pager
        .requests()
        .into_iter()
        .map(|request| request.json())
        .find(|json| json["event"] == "test")
        .unwrap();
    assert!(
        json["severity"] == "info" && json["message"].as_str().unwrap().contains("nothing is wrong"),
        "{json}"
    );
    let told = test(&alerts, &["--event", "no_server"]);
    assert_eq!(told.good().lines().count(), 3, "all three are told of it: {told:?}");
    let told = test(&alerts, &["--event", "server_down"]);
    assert_eq!(told.good().lines().count(), 2, "{told:?}");
}

#[test]
fn receiver_that_refuses_is_named_and_the_exit_code_says_so() {
    let said = "no such hook: /T0SECRET/B0SECRET of pd-SECRET-1\nreally";
    let (pager, gone) = (Pager::saying(vec![answer(403, &[], said)]), Refusing::new());
    let hook = pager.url("/T0SECRET/B0SECRET?key=T2SECRET");
    let told = test(&format!("[{{webhook: \"{hook}\", format: pagerduty, routing_key: pd-SECRET-1}}]"), &[]);
    let line = told.refused();
    assert!(line.contains("it was refused after ") && line.contains("status 403, no such hook"), "{line}");
    assert!(line.contains("is the webhook, or its key, still good?") && line.lines().count() == 1, "{line}");
    assert!(!format!("{told:?}").contains("SECRET"), "{told:?}");
    let alerts = format!(
        "[{{webhook: {}/ok, format: json}}, {{webhook: {}/B0SECRET, format: slack}}]",
        pager.upstream.url(),
        gone.url()
    );
    let told = test(&alerts, &[]);
    let lines: Vec<&str> = told.refused().lines().collect();
    assert!(lines[0].contains("it was taken") && lines[1].contains("it was not reached, "), "{lines:?}");
    assert!(!format!("{told:?}").contains("SECRET"), "{told:?}");
}

#[test]
fn nobody_to_tell_and_a_bad_file_are_told_apart() {
    let hook = Pager::new();
    let told = test("[]", &[]);
    assert!(told.refused().is_empty() && told.complaint.contains("there is nobody to tell"), "{told:?}");
    let one = format!("[{{webhook: {}, format: json, events: [ledger]}}]", hook.url("/"));
    let told = test(&one, &["--event", "no_server"]);
    told.refused();
    assert!(told.complaint.contains("nobody is told of no_server"), "{told:?}");
    assert_eq!(test(&one, &["--event", "nonsense"]).code, 2);
    assert_eq!(test("[{webhook: http://127.0.0.1:9/, format: fax}]", &[]).code, 64);
    assert_eq!(tidegate(&["alert", "test", "-c", "/nonexistent/tidegate.yaml"]).code, 64);
    assert_eq!(hook.count(), 0);
    let off = test("[{webhook: \"${TIDEGATE_TEST_NO_HOOK:-}\", format: slack}]", &[]);
    assert!(off.code == 1 && off.complaint.contains("nobody to tell"), "{off:?}");
}
