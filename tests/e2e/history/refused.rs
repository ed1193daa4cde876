//! What is no configuration is refused everywhere with the reason, and the old one serves on.

use std::fs;

use serde_json::Value;

use super::{House, SECTIONS};
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::Ask;
use crate::support::orders::tidegate;
use crate::support::scratch::Scratch;
use crate::support::upstream::Upstream;
use crate::support::wait::eventually;

/// Every door refuses the file as it is now, for this reason, and everything is as it was.
#[track_caller]
fn refused_everywhere(edge: &Edge, why: &str) {
    let numbers = edge.numbers();
    let before = refusals(edge);
    let said = edge.refuses("reload");
    assert!(said.starts_with("refused, nothing has changed:") && said.contains(why), "{why}: {said}");
    let told = edge.tells(&["reload"]);
    assert_eq!(told.refused().trim_end(), said);
    assert!(!edge.hang_up(), "{why}");
    // The log has it a moment earlier.
    let events = eventually("an event for each", || {
        Some(refusals(edge)).filter(|events| events.len() >= before.len() + 3)
    });
    assert_eq!(events.len(), before.len() + 3, "{why}: {events:?}");
    let last = events.last().unwrap();
    assert_eq!((last["tone"].as_str(), last["subject"].as_str()), (Some("alarm"), Some("configuration")));
    let first = said.trim_start_matches("refused, nothing has changed:").trim_start().lines().next().unwrap();
    assert_eq!(last["why"], first);
    assert_eq!(edge.numbers(), numbers, "{why}");
    assert_eq!(edge.ask(&Ask::get("/")).status(), 200);
    // The process is looked for by the file, which has to be read for that.
    let told = tidegate(&["reload", "-c", edge.file().to_str().unwrap()]);
    assert!(format!("{}{}", told.refused(), told.complaint).contains(why), "{why}: {told:?}");
}

fn refusals(edge: &Edge) -> Vec<Value> {
    edge.events().into_iter().filter(|event| event["kind"] == "reload" && event["to"] == "refused").collect()
}

#[test]
fn file_that_cannot_be_used_is_refused_at_every_door() {
    let house = House::new();
    let edge = &house.edge;
    let (good, other) = (edge.text(), house.other());
    edge.writes(good.replace("default_backend: ai", "default_backend: gone"));
    refused_everywhere(edge, "gone");
    edge.writes(good.replace("frontends:", "frontends: ["));
    refused_everywhere(edge, "tidegate.yaml:");
    edge.writes([good.as_bytes(), b"# \xff\xfe\n"].concat());
    refused_everywhere(edge, "UTF-8");
    edge.writes([good.as_bytes(), "# a long story\n".repeat(300_000).as_bytes()].concat());
    refused_everywhere(edge, "larger than 4000000 bytes");
    edge.writes("");
    refused_everywhere(edge, "tidegate.yaml");
    edge.writes(good.replace("127.0.0.1:0}", "127.0.0.1:0}, {address: 127.0.0.7:7998}"));
    // Nothing but the running process knows that this cannot be.
    let said = edge.refuses("reload");
    assert_eq!(
        said,
        "refused, nothing has changed: listeners cannot change without a restart: added 127.0.0.7:7998"
    );
    assert_eq!(edge.tells(&["reload"]).refused().trim_end(), said);
    fs::remove_file(edge.file()).unwrap();
    refused_everywhere(edge, "cannot read the configuration: No such file");
    fs::create_dir(edge.file()).unwrap();
    refused_everywhere(edge, "cannot read the configuration");
    fs::remove_dir(edge.file()).unwrap();
    // A pipe: whoever opened it would wait for ever.
    assert!(std::process::Command::new("mkfifo").arg(edge.file()).status().unwrap().success());
    refused_everywhere(edge, "cannot read the configuration");
    fs::remove_file(edge.file()).unwrap();
    edge.writes(other);
    let said = edge.obeys("reload");
    assert!(said.contains("as number 2 of the history"), "{said}");
    house.serves("two");
}

#[test]
fn certificate_that_is_gone_refuses_a_reload_and_a_rollback() {
    let (directory, authority, one) = (Scratch::new(), Authority::new("a"), Upstream::named("one"));
    authority.issue(&["one.test"]).write(&directory, "one.pem");
    authority.issue(&["one.test"]).write(&directory, "two.pem");
    let path = directory.path().display().to_string();
    let bind = "[{address: 127.0.0.1:0}, {address: 127.0.0.1:0, tls: {certificates: <dir>/one.pem}}]";
    let sections = SECTIONS.replace("[{address: 127.0.0.1:0}]", bind);
    let values = [("dir", path.as_str()), ("one", &one.url())];
    let edge = Edge::start_with(&Settings::default(), directory, &sections, &values);
    edge.writes(edge.text().replace("one.pem", "two.pem"));
    assert!(edge.obeys("reload").contains("one.pem -> "));
    let text = edge.text();
    fs::remove_file(edge.directory.path().join("one.pem")).unwrap();
    for order in ["rollback", "rollback 1", "rollback 1 write"] {
        let said = edge.refuses(order);
        assert!(said.contains("one.pem") && said.contains("nothing has changed"), "{order}: {said}");
    }
    let told = edge.tells(&["rollback", "1", "--write"]);
    assert!(told.refused().contains("one.pem"), "{told:?}");
    assert_eq!((edge.text(), edge.numbers()), (text, vec![2, 1]), "nothing has changed");
    assert!(edge.events().iter().all(|event| event["kind"] != "rollback"));
    assert_eq!(edge.ask(&Ask::get("/")).status(), 200);
    fs::remove_file(edge.directory.path().join("two.pem")).unwrap();
    refused_everywhere(&edge, "two.pem");
}

#[test]
fn variable_of_the_start_holds_in_every_reload() {
    // The process cannot see what is exported after it was started: the reason has to name the variable.
    let house = House::new();
    house
        .edge
        .writes(house.edge.text().replace("one: {url", "one: {api_key: \"${TIDEGATE_TEST_NOT_SET}\", url"));
    refused_everywhere(&house.edge, "TIDEGATE_TEST_NOT_SET");
}
