//! What a reload says when it was carried out.

use super::House;

#[test]
fn what_changed_is_named_key_by_key_and_nothing_else() {
    let house = House::new();
    let edge = &house.edge;
    let file = edge.file().display().to_string();
    assert_eq!(
        edge.obeys("reload"),
        format!("{file} is in force, as number 1 of the history: nothing has changed")
    );
    let text = edge.text();
    edge.writes(format!("# for the night\n{text}"));
    assert_eq!(
        edge.obeys("reload"),
        format!(
            "{file} is in force, as number 2 of the history: only its layout or its comments have changed"
        )
    );
    let server = format!("{{one: {{url: {}}}}}", house.one.url());
    let both = format!("{{one: {{url: {}, weight: 7}}, two: {{url: {}}}}}", house.one.url(), house.two.url());
    let changed = text.replace(&server, &both).replace("web: {", "web: {max_connections: 99, ");
    edge.writes(changed.replace("shutdown_grace: 10s", "shutdown_grace: 11s"));
    let told = edge.tells(&["reload"]);
    let lines: Vec<&str> = told.good().lines().collect();
    assert_eq!(lines[0], format!("{file} is in force, as number 3 of the history. What has changed:"));
    let mut changes = lines[1..].to_vec();
    changes.sort_unstable();
    assert_eq!(
        changes,
        [
            "  backends.ai.servers.one.weight: added 7",
            &format!("  backends.ai.servers.two: added {{url: {}}}", house.two.url()),
            "  frontends.web.max_connections: added 99",
            "  global.shutdown_grace: 10s -> 11s",
        ]
    );
    assert_eq!(told.complaint, "");
    edge.writes(&text);
    let back = edge.obeys("reload");
    assert!(back.contains("  frontends.web.max_connections: removed, was 99\n"), "{back}");
    assert!(back.contains("  global.shutdown_grace: 11s -> 10s"), "{back}");
}

#[test]
fn what_waits_for_a_restart_is_named_in_the_answer() {
    let house = House::new();
    let edge = &house.edge;
    let text = house.other().replace("threads: 2", "threads: 1").replace("level: info", "level: debug");
    edge.writes(text);
    let told = edge.tells(&["reload"]);
    let last = told.good().trim_end().lines().last().unwrap();
    assert_eq!(last, "waits for a restart: global.threads, log.level");
    house.serves("two");
    // As long as it waits, every reload says so.
    assert!(edge.obeys("reload").ends_with("waits for a restart: global.threads, log.level"));
}

#[test]
fn warnings_of_the_file_are_in_the_answer() {
    let house = House::new();
    let text =
        format!("{}\n  spare: {{servers: {{one: {{url: {}}}}}}}\n", house.edge.text(), house.one.url());
    house.edge.writes(&text);
    let check = crate::support::edge::check(&house.edge.file());
    let check = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(check.contains("warning"), "{check}");
    let told = house.edge.tells(&["reload"]);
    let warning = check.lines().find(|line| line.contains("warning:")).unwrap();
    assert!(told.good().contains(warning), "{told:?}\n{check}");
}

#[test]
fn instance_is_found_by_its_file_and_nobody_there_is_said() {
    let house = House::new();
    let file = house.edge.file().display().to_string();
    house.edge.writes(house.other());
    let told = crate::support::orders::tidegate(&["reload", "-c", &file]);
    assert!(told.good().contains("backends.ai.servers.one.url: "), "{told:?}");
    house.serves("two");
    let House { mut edge, .. } = house;
    edge.process.kill();
    for arguments in
        [&["reload"][..], &["rollback"], &["history"], &["drain"], &["diff", "1"], &["show", "info"]]
    {
        let told = edge.tells(arguments);
        assert!(told.refused().is_empty(), "{told:?}");
        assert!(
            told.complaint.contains("nobody listens on") && told.complaint.contains("admin.sock"),
            "{told:?}"
        );
    }
    let told = crate::support::orders::tidegate(&["reload"]);
    assert!(told.code != 0 && told.complaint.contains("--socket"), "{told:?}");
}
