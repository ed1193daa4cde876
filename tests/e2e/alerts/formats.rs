//! Slack's and PagerDuty's own words.

use super::Scene;
use crate::support::pager::Pager;
use crate::support::wait::until;

#[test]
fn slack_gets_one_line_of_text_with_its_signs_escaped() {
    let scene = Scene::new(
        "  - {webhook: <hook>/slack, format: slack, events: [server_down, server_up, reload_failed]}\n",
    );
    scene.goes_down(&scene.one, "one");
    scene.comes_up(&scene.one, "one");
    let text = |wanted: &str| {
        let fits = |message: &serde_json::Value| message["text"].as_str().unwrap().contains(wanted);
        let message = scene.pager.tells("/slack", wanted, fits);
        assert_eq!(message.as_object().unwrap().len(), 1, "{message}");
        message["text"].as_str().unwrap().to_owned()
    };
    let down = text("is down");
    assert!(
        down.starts_with(":red_circle: *server_down* on ") && down.contains(": server ai/one is down: "),
        "{down}"
    );
    let up = text("is up");
    assert!(up.starts_with(":white_check_mark: *resolved: server_up* on "), "{up}");
    scene
        .edge
        .writes(scene.edge.text().replace("default_backend: ai", "default_backend: \"<!channel> & co\""));
    scene.edge.refuses("reload");
    let failed = text("reload was refused");
    assert!(failed.contains("&lt;!channel&gt; &amp; co") && !failed.contains("<!"), "{failed}");
}

#[test]
fn pagerduty_gets_a_trigger_and_its_resolve_with_one_key() {
    let alerts = "  - {webhook: <hook>/pd, format: pagerduty, routing_key: pd-key-0123456789, events: [server_down, no_server], every: 1s}\n";
    let scene = Scene::new(alerts);
    scene.goes_down(&scene.one, "one");
    let of = |scene: &Scene, action: &str, key: &str| {
        scene.pager.tells("/pd", &format!("{action} {key}"), |message| {
            message["event_action"] == action && message["dedup_key"].as_str().unwrap().ends_with(key)
        })
    };
    let trigger = of(&scene, "trigger", "server_down:ai/one");
    assert_eq!(
        (trigger["routing_key"].as_str(), trigger["client"].as_str()),
        (Some("pd-key-0123456789"), Some("tidegate"))
    );
    let payload = &trigger["payload"];
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(payload["source"], node.trim());
    assert_eq!(trigger["dedup_key"], format!("tidegate/{}/server_down:ai/one", node.trim()));
    assert_eq!(
        [&payload["severity"], &payload["component"], &payload["group"], &payload["class"]],
        ["error", "ai/one", "ai", "server_down"]
    );
    assert!(payload["summary"].as_str().unwrap().starts_with("server ai/one is down: "), "{payload}");
    assert!(payload["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(payload["custom_details"]["server"], "one");
    // It did not ask for `server_up`, and hears of the end all the same.
    scene.comes_up(&scene.one, "one");
    let resolve = of(&scene, "resolve", "server_down:ai/one");
    assert_eq!(
        (&resolve["dedup_key"], &resolve["routing_key"]),
        (&trigger["dedup_key"], &trigger["routing_key"])
    );
    scene.goes_down(&scene.two, "two");
    scene.goes_down(&scene.one, "one");
    of(&scene, "trigger", "no_server:ai");
    // What an operator takes away is no incident any more.
    scene.edge.command("set server ai/one state maint");
    until("it is resolved", || {
        let told = scene.pager.told("/pd");
        let last = told.iter().rfind(|message| message["dedup_key"] == trigger["dedup_key"]).unwrap();
        last["event_action"] == "resolve"
    });
    let triggers =
        scene.pager.told("/pd").iter().filter(|message| message["event_action"] == "trigger").count();
    assert!((3..=4).contains(&triggers), "{triggers}");
    assert_eq!(scene.edge.told("pd-key"), 0);
}

#[test]
fn server_that_leaves_the_file_closes_its_incident() {
    let alerts = "  - {webhook: <hook>/pd, format: pagerduty, routing_key: pd-key-0123456789, events: [server_down]}\n";
    let scene = Scene::with(Pager::new(), alerts);
    scene.goes_down(&scene.two, "two");
    until("it is told", || scene.pager.count() == 1);
    let text = scene.edge.text();
    let gone = format!(", two: {{url: {}, tier: 2}}", scene.two.url());
    assert!(text.contains(&gone));
    scene.edge.writes(text.replace(&gone, ""));
    scene.edge.obeys("reload");
    until("it is resolved", || scene.pager.count() == 2);
    let told = scene.pager.told("/pd");
    assert_eq!(
        (told[1]["event_action"].as_str(), &told[1]["dedup_key"]),
        (Some("resolve"), &told[0]["dedup_key"])
    );
}
