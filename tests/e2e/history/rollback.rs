//! An older configuration is put in force again, and the file follows only when it is told to.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::House;
use crate::support::http::Ask;
use crate::support::wait::until;

#[test]
fn one_before_is_in_force_again_until_the_file_is_read() {
    let house = House::changed();
    let edge = &house.edge;
    let text = edge.text();
    let told = edge.tells(&["rollback"]);
    house.serves("one");
    let said = told.good();
    assert!(
        said.contains("as number 3 of the history. What has changed:\n  backends.ai.servers.one.url: "),
        "{said}"
    );
    assert!(
        said.contains("still has another text") && said.contains("`tidegate rollback 1 --write`"),
        "{said}"
    );
    assert_eq!(edge.text(), text, "the file is left alone");
    let event = edge.events().into_iter().rfind(|event| event["kind"] == "rollback").unwrap();
    assert!(event["why"].as_str().unwrap().contains("number 1"), "{event}");
    edge.says("rollback: to number 1 (ordered by socket uid");
    assert!(edge.hang_up());
    house.serves("two");
    until("it is kept", || edge.numbers() == [4, 3, 2, 1]);
    let history = edge.tells(&["history"]);
    let who: Vec<&str> =
        history.good().lines().skip(1).filter_map(|line| line.splitn(5, ' ').nth(4)).collect();
    assert!(
        who[0] == "SIGHUP" && who[1].starts_with("rollback to 1 by socket uid ") && who[3] == "start",
        "{who:?}"
    );
}

#[test]
fn twice_goes_there_and_back() {
    let house = House::changed();
    for (count, server) in ["one", "two", "one", "two"].into_iter().enumerate() {
        house.edge.obeys("rollback");
        house.serves(server);
        assert_eq!(house.edge.numbers()[0], 3 + count as u64);
    }
}

#[test]
fn a_number_is_taken_and_what_does_not_exist_is_refused() {
    let house = House::changed();
    let edge = &house.edge;
    for number in ["0", "3", "999", "18446744073709551615"] {
        let told = edge.tells(&["rollback", number]);
        let said = told.refused();
        assert!(said.contains("nothing has changed") && said.contains(number), "{said}");
        assert!(said.contains("kept are 1 to 2"), "it says what there is: {said}");
    }
    for wrong in
        ["rollback x", "rollback -1", "rollback 1 2", "rollback 1 writ", "rollback 18446744073709551616"]
    {
        let answer = edge.command(wrong);
        assert!(!answer.contains("Success=1") && answer.len() > 10, "{wrong}: {answer}");
    }
    assert_eq!(edge.tells(&["rollback", "x"]).code, 2);
    assert_eq!(edge.numbers(), [2, 1]);
    house.serves("two");
    edge.obeys("rollback 1");
    house.serves("one");
    // Where it is already.
    let said = edge.obeys("rollback 1");
    assert!(said.contains("nothing has changed"), "{said}");
    assert_eq!(edge.numbers(), [3, 2, 1]);
    edge.obeys("rollback 2");
    house.serves("two");
}

#[test]
fn first_configuration_has_none_before_it() {
    let house = House::new();
    let said = house.edge.refuses("rollback");
    assert!(said.contains("nothing before number 1"), "{said}");
    house.edge.refuses("rollback write");
    house.serves("one");
}

#[test]
fn text_that_needs_a_restart_is_refused_by_name() {
    let house = House::new();
    let edge = &house.edge;
    edge.writes(edge.text().replace("threads: 2", "threads: 1"));
    edge.obeys("reload");
    let folder = edge.directory.path().join("state/history");
    let said = edge.obeys("rollback 1");
    assert!(!said.contains("waits for a restart"), "it is what the process has: {said}");
    let said = edge.obeys("rollback 2");
    assert!(said.contains("waits for a restart: global.threads"), "{said}");
    // Somebody has edited what was kept.
    let kept = folder.join("000001.yaml");
    fs::write(&kept, fs::read_to_string(&kept).unwrap().replace("threads: 2", "threads: 3")).unwrap();
    let said = edge.refuses("rollback 1");
    assert!(said.contains("000001.yaml") && said.contains("not the text that was kept"), "{said}");
    house.serves("one");
}

#[track_caller]
fn beside(house: &House) -> Vec<PathBuf> {
    let files = fs::read_dir(house.edge.directory.path()).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<_> =
        files.filter(|path| path.to_string_lossy().contains("tidegate.yaml.before-")).collect();
    found.sort();
    found
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn write_puts_the_text_in_place_with_its_mode_and_keeps_the_other_beside_it() {
    let house = House::new();
    let edge = &house.edge;
    let old = edge.text();
    edge.writes(house.other());
    edge.obeys("reload");
    let (file, new) = (edge.file(), format!("{}# never in force\n", edge.text()));
    fs::write(&file, &new).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let told = edge.tells(&["rollback", "--write"]);
    house.serves("one");
    assert_eq!((edge.text(), mode(&file)), (old.clone(), 0o640));
    let kept = beside(&house);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((fs::read_to_string(&kept[0]).unwrap(), mode(&kept[0])), (new, 0o640));
    assert!(told.good().contains(&format!("what it had is in {}", kept[0].display())), "{told:?}");
    assert!(!told.out.contains("still has another text"), "{told:?}");
    assert!(edge.hang_up());
    house.serves("one");
    // The file has it already.
    let said = edge.obeys("rollback 1 write");
    assert!(!said.contains("what it had is in"), "{said}");
    assert_eq!((beside(&house).len(), edge.text()), (1, old));
    let left: Vec<_> =
        fs::read_dir(edge.directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[test]
fn written_twice_in_a_second_nothing_is_lost() {
    let house = House::changed();
    let edge = &house.edge;
    let text = edge.text();
    let mut lost = vec![format!("{text}# first\n"), format!("{text}# second\n"), format!("{text}# third\n")];
    for text in &lost {
        edge.writes(text);
        edge.obeys("rollback write");
    }
    for kept in beside(&house) {
        let kept = fs::read_to_string(kept).unwrap();
        lost.retain(|text| *text != kept);
    }
    assert_eq!(lost, Vec::<String>::new(), "texts that were never in force, and stand nowhere else");
}

#[test]
fn file_that_is_a_link_stays_one() {
    let house = House::changed();
    let edge = &house.edge;
    let (file, real) = (edge.file(), edge.directory.path().join("real.yaml"));
    fs::rename(&file, &real).unwrap();
    symlink(&real, &file).unwrap();
    edge.obeys("rollback write");
    assert!(
        fs::symlink_metadata(&file).unwrap().is_symlink(),
        "whoever looks after real.yaml would look in vain"
    );
    assert_eq!(fs::read_to_string(&real).unwrap(), edge.text());
    assert!(edge.text().contains(&house.one.url()));
}

#[test]
fn file_that_was_deleted_is_there_again() {
    let house = House::changed();
    let edge = &house.edge;
    fs::remove_file(edge.file()).unwrap();
    edge.refuses("reload");
    let said = edge.obeys("rollback 2 write");
    assert!(edge.file().exists(), "{said}");
    assert!(edge.text().contains(&house.two.url()));
    assert_eq!(mode(&edge.file()) & 0o007, 0, "there may be secrets in it");
    edge.obeys("reload");
    assert_eq!(edge.ask(&Ask::get("/")).status(), 200);
}
