//! The reference of the configuration against the keys that the reader knows: none missing, none invented.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tidegate::config::keys;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap()
}

/// A key with its place in the file, as the page names it.
fn full(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_key_has_an_entry_and_every_entry_a_key() {
    let page = page();
    let headings: Vec<&str> = page.lines().filter(|l| l.starts_with('#')).flat_map(quoted).collect();
    let documented: BTreeSet<String> = headings.iter().map(|h| (*h).to_owned()).collect();
    assert_eq!(documented.len(), headings.len(), "a key has two entries");
    let known: BTreeSet<String> =
        keys().iter().flat_map(|k| k.known.iter().map(|key| full(k.path, key))).collect();
    let missing: Vec<_> = known.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&known).collect();
    assert!(missing.is_empty(), "docs/configuration.md has no entry for {missing:?}");
    assert!(invented.is_empty(), "docs/configuration.md describes keys that do not exist: {invented:?}");
}

#[test]
fn every_key_not_implemented_yet_is_listed() {
    let page = page();
    let (_, table) = page.split_once("## Not implemented yet").unwrap();
    for section in keys() {
        let place = if section.path.is_empty() {
            "| top level |".to_owned()
        } else {
            format!("| `{}` |", section.path)
        };
        let row = table.lines().find(|l| l.starts_with(&place)).unwrap_or_default();
        for key in section.not_yet {
            assert!(
                quoted(row).any(|q| q == *key),
                "the table of docs/configuration.md lacks `{key}` at {place}"
            );
        }
    }
}

#[test]
fn every_key_says_its_syntax() {
    let page = page();
    let sections: BTreeSet<&str> =
        keys().iter().filter(|k| k.path.is_empty()).flat_map(|k| k.known).copied().collect();
    for entry in page.split("\n### ").skip(1) {
        let heading = entry.lines().next().unwrap_or_default();
        assert!(entry.contains("**Syntax**"), "{heading} has no syntax");
    }
    for section in sections {
        if !page.contains(&format!("\n## `{section}`")) {
            panic!("`{section}` has no chapter");
        }
    }
}
