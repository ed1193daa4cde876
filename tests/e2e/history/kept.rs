//! What is kept, over restarts, for whose eyes, and when the disk takes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{House, SECTIONS};
use crate::support::edge::{Edge, Settings};
use crate::support::scratch::Scratch;
use crate::support::tmpfs::Tmpfs;
use crate::support::upstream::Upstream;

#[test]
fn numbers_go_on_over_restarts_and_an_unchanged_file_adds_none() {
    let House { mut edge, one, two } = House::changed();
    for _ in 0..3 {
        edge.process.signal("TERM");
        assert!(edge.process.wait().success());
        let directory = edge.into_directory();
        let text = fs::read_to_string(directory.path().join("tidegate.yaml")).unwrap();
        edge = Edge::start_text(directory, &text);
        assert_eq!(edge.numbers(), [2, 1]);
        assert_eq!(edge.servers(1), ["two"]);
    }
    edge.process.kill();
    let directory = edge.into_directory();
    let text = fs::read_to_string(directory.path().join("tidegate.yaml")).unwrap();
    let edge = Edge::start_text(directory, &text.replace("shutdown_grace: 10s", "shutdown_grace: 9s"));
    assert_eq!(edge.numbers(), [3, 2, 1]);
    let said = edge.obeys("rollback 1");
    assert!(said.contains("as number 4") && said.contains("shutdown_grace: 9s -> 10s"), "{said}");
    assert_eq!(edge.servers(1), ["one"]);
    drop((one, two));
}

#[test]
fn history_is_the_owners_alone() {
    let house = House::changed();
    let folder = house.edge.directory.path().join("state/history");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
}

#[test]
fn difference_of_two_is_shown_by_keys_and_lines() {
    let house = House::changed();
    let edge = &house.edge;
    let (one, two) = (house.one.url(), house.two.url());
    let told = edge.tells(&["diff", "1", "2"]);
    let lines: Vec<&str> = told.good().trim_end().lines().collect();
    assert_eq!(lines[0], format!("backends.ai.servers.one.url: {one} -> {two}"));
    assert_eq!(lines[1..3], ["--- number 1", "+++ number 2"]);
    assert!(lines[3].starts_with("@@ -"), "{told:?}");
    assert!(lines.contains(&&*format!("-  ai: {{servers: {{one: {{url: {one}}}}}}}")), "{told:?}");
    assert!(lines.contains(&&*format!("+  ai: {{servers: {{one: {{url: {two}}}}}}}")), "{told:?}");
    assert_eq!(edge.tells(&["diff", "1"]).good(), told.out, "to the newest");
    assert!(
        edge.tells(&["diff", "2", "1"])
            .good()
            .starts_with(&*format!("backends.ai.servers.one.url: {two} -> {one}"))
    );
    assert_eq!(edge.tells(&["diff", "2", "2"]).good().trim_end(), "Numbers 2 and 2 are the same.");
    for unknown in [&["diff", "7"][..], &["diff", "1", "7"], &["show", "config", "7"]] {
        let told = edge.tells(unknown);
        assert!(told.out.contains("there is no configuration 7"), "{told:?}");
    }
    assert_eq!(
        edge.tells(&["show", "config", "1"]).good().trim_end(),
        edge.text().replace(&two, &one).trim_end()
    );
    assert_eq!(edge.tells(&["show", "config"]).good().trim_end(), edge.text().trim_end());
    assert!(edge.command("show config x").contains("is no number"));
}

#[test]
fn directory_that_may_not_be_written_hinders_no_reload_and_is_said() {
    let (directory, one, two) = (Scratch::new(), Upstream::named("one"), Upstream::named("two"));
    let Some(disk) = Tmpfs::mount(&directory.path().join("state"), 1 << 20) else { return };
    let edge = Edge::start_with(&Settings::default(), directory, SECTIONS, &[("one", &one.url())]);
    assert_eq!(edge.numbers(), [1]);
    disk.set_writable(false);
    edge.writes(edge.text().replace(&one.url(), &two.url()));
    let said = edge.obeys("reload");
    assert_eq!(edge.servers(1), ["two"]);
    assert!(said.contains("is in force. What has changed:"), "without a number: {said}");
    assert!(said.contains("not kept in the history, so no rollback leads to it: "), "{said}");
    edge.says("the configuration in force is not kept in the history");
    // What was kept before is the way back.
    let said = edge.obeys("rollback 1");
    assert!(said.contains("is in force"), "{said}");
    assert_eq!(edge.servers(1), ["one"]);
    edge.obeys("reload");
    assert_eq!(edge.servers(1), ["two"]);
    disk.set_writable(true);
    let said = edge.obeys("reload");
    assert!(said.contains("as number 2 of the history: nothing has changed"), "{said}");
    edge.obeys("rollback");
    assert_eq!(edge.servers(1), ["one"]);
    drop(edge);
    drop(disk);
}

#[test]
fn damaged_history_is_left_out_and_the_rest_can_be_used() {
    let House { mut edge, one, two } = House::changed();
    edge.writes(format!("{}# three\n", edge.text()));
    edge.obeys("reload");
    edge.process.signal("TERM");
    edge.process.wait();
    let directory = edge.into_directory();
    let folder = directory.path().join("state/history");
    fs::write(folder.join("000002.json"), "{").unwrap();
    fs::write(folder.join("000009.yaml"), "half").unwrap();
    fs::write(folder.join("notes.txt"), "by hand").unwrap();
    let text = fs::read_to_string(directory.path().join("tidegate.yaml")).unwrap();
    let edge = Edge::start_text(directory, &text);
    assert_eq!(edge.numbers(), [3, 1]);
    let said = edge.refuses("rollback 2");
    assert!(said.contains("000002.json"), "{said}");
    edge.obeys("rollback");
    assert_eq!((edge.servers(1), edge.numbers()), (vec!["one".to_owned()], vec![10, 3, 1]));
    assert!(folder.join("notes.txt").exists());
    drop((one, two));
}
