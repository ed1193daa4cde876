//! The entries of `fuzz/` without libFuzzer: over the seeds, over the inputs that once failed, and over random changes of
//! both. What a fuzzer found stays found.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

/// Only says where the files are: `fuzz/entries.rs`, and `fuzz/entries/`.
#[path = "../fuzz"]
mod fuzz {
    pub mod entries;
}

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz::entries::{ENTRIES, Entry};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// Changed inputs for each entry; a few seconds for all of them in a debug build.
const CASES: u32 = 500;

/// Longer seeds are run as they are, and not changed: a debug build is slow.
const LONGEST: usize = 2000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a directory, sorted; none where it does not exist.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Seeds and regressions of an entry, with their paths.
fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut directories = ["corpus", "regressions"].map(|kind| directory().join(kind).join(name)).to_vec();
    if name == "config" {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        directories
            .extend(["conf", "tests/config/valid", "tests/config/invalid"].map(|seeds| root.join(seeds)));
    }
    let files = directories.iter().flat_map(|at| names(at).into_iter().map(|file| at.join(file)));
    let files = files.filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn seeds_and_regressions_hold() {
    for (name, run) in ENTRIES {
        let inputs = inputs(name);
        assert!(inputs.len() >= 5, "fuzz/corpus/{name} has hardly any seeds");
        for (path, input) in inputs {
            let held = catch_unwind(AssertUnwindSafe(|| run(&input)));
            assert!(held.is_ok(), "{} fails as printed above", path.display());
        }
    }
}

#[test]
fn every_target_is_an_entry_with_seeds() {
    let entries: Vec<String> = ENTRIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(entries.is_sorted(), "{entries:?}");
    assert_eq!(names(&directory().join("corpus")), entries, "directories of fuzz/corpus");
    let targets: Vec<String> = entries.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&directory().join("targets")), targets, "files of fuzz/targets");
    let manifest = fs::read_to_string(directory().join("Cargo.toml")).unwrap();
    for (name, _) in ENTRIES {
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "{name} is not in fuzz/Cargo.toml"
        );
    }
    let regressions = names(&directory().join("regressions"));
    assert!(regressions.iter().all(|name| entries.contains(name)), "{regressions:?}");
}

/// What is done to a seed, places as shares of its length.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, Vec<u8>),
    Replace(Index, u8),
    Remove(Index, Index),
    /// A part of the input once more.
    Repeat(Index, Index),
    Cut(Index),
}

/// What parsers look for.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b"/",
    b"//",
    b"..",
    b"%2e",
    b"\xff",
    b"\xc3\xa9",
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let pieces = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    let place = any::<Index>;
    let change = prop_oneof![
        (place(), pieces).prop_map(|(at, piece)| Change::Put(at, piece)),
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (place(), place()).prop_map(|(from, to)| Change::Remove(from, to)),
        (place(), place()).prop_map(|(from, to)| Change::Repeat(from, to)),
        place().prop_map(Change::Cut),
    ];
    prop::collection::vec(change, 1..5)
}

fn change(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    let at = |index: &Index, input: &Vec<u8>| index.index(input.len() + 1);
    // Short parts are the interesting ones.
    let part = |from: &Index, to: &Index, input: &Vec<u8>| {
        let from = at(from, input);
        from..(from + 1 + to.index(24)).min(input.len()).max(from)
    };
    for change in changes {
        match change {
            Change::Put(place, piece) => {
                let place = at(place, &input);
                input.splice(place..place, piece.iter().copied());
            }
            Change::Replace(place, byte) => {
                let place = at(place, &input);
                input.iter_mut().skip(place).take(1).for_each(|old| *old = *byte);
            }
            Change::Remove(from, to) => drop(input.drain(part(from, to, &input))),
            Change::Repeat(from, to) => {
                let part = part(from, to, &input);
                input.extend_from_within(part);
            }
            Change::Cut(place) => input.truncate(at(place, &input)),
        }
    }
    input
}

fn changed_seeds_hold((name, run): &Entry) {
    let seeds: Vec<Vec<u8>> =
        inputs(name).into_iter().map(|(_, input)| input).filter(|input| input.len() <= LONGEST).collect();
    let changed = (prop::sample::select(seeds), changes()).prop_map(|(seed, changes)| change(seed, &changes));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&changed, |input| {
        run(&input);
        Ok(())
    });
    let failed = outcome.err().map(|error| error.to_string());
    assert_eq!(failed, None, "{name}");
}

#[test]
fn changed_seeds_hold_everywhere() {
    ENTRIES.iter().for_each(changed_seeds_hold);
}
