//! What changed is told, and no secret with it.

use std::path::Path;

use super::*;

fn shown(before: &str, after: &str) -> String {
    difference(before, after).to_string()
}

fn changes(before: &str, after: &str) -> Vec<String> {
    let difference = difference(before, after);
    difference.changes().unwrap_or_else(|| panic!("no YAML")).iter().map(Change::to_string).collect()
}

/// All that a difference tells, in both directions.
fn everything(before: &str, after: &str) -> String {
    let (there, back) = (difference(before, after), difference(after, before));
    format!("{there}{:?}{}{back}{:?}", there, told(&there), back) + &told(&back)
}

fn told(difference: &Difference) -> String {
    difference.changes().unwrap_or_default().iter().map(|change| format!("{change}\n")).collect()
}

const FILE: &str = "\
backends:
  ai:
    servers:
      primary: {url: \"http://127.0.0.1:9001\", weight: 100, api_key: sk-in-the-file}
      second: {url: \"http://127.0.0.1:9002\"}
    queue: {max: 5}
clients:
  keys:
    - {name: anna, key: sk-of-anna, plan: free}
    - {name: bert, key: sk-of-bert}
";

#[test]
fn the_same_text_has_no_difference() {
    for text in ["", "\n", "a", FILE, "\u{feff}a: 1\r\n", "a: [", "\r\r\n\n"] {
        let difference = difference(text, text);
        assert!(difference.is_empty(), "{text:?}");
        assert_eq!((difference.lines_added(), difference.lines_removed()), (0, 0));
        assert_eq!(difference.to_string(), "");
        assert!(difference.changes().is_none_or(<[Change]>::is_empty));
    }
}

#[test]
fn a_changed_value_is_told_with_its_path_and_its_line() {
    let after = FILE.replace("weight: 100", "weight: 50");
    assert_eq!(changes(FILE, &after), ["backends.ai.servers.primary.weight: 100 -> 50"]);
    assert_eq!(
        shown(FILE, &after),
        "\
@@ -1,7 +1,7 @@
 backends:
   ai:
     servers:
-      primary: {url: \"http://127.0.0.1:9001\", weight: 100, api_key: ***}
+      primary: {url: \"http://127.0.0.1:9001\", weight: 50, api_key: ***}
       second: {url: \"http://127.0.0.1:9002\"}
     queue: {max: 5}
 clients:
"
    );
    let difference = difference(FILE, &after);
    assert_eq!((difference.lines_added(), difference.lines_removed(), difference.is_empty()), (1, 1, false));
}

#[test]
fn new_and_removed_keys_are_told_with_what_they_had() {
    let after = FILE
        .replace("    queue: {max: 5}\n", "")
        .replace("clients:", "      third: {url: \"http://h\", api_key: sk-third}\nclients:");
    assert_eq!(
        changes(FILE, &after),
        [
            "backends.ai.servers.third: added {url: http://h, api_key: ***}",
            "backends.ai.queue: removed, was {max: 5}"
        ]
    );
}

#[test]
fn a_secret_that_changed_is_told_without_either_value() {
    let after = FILE.replace("sk-in-the-file", "sk-another-one");
    assert_eq!(changes(FILE, &after), ["backends.ai.servers.primary.api_key: (changed)"]);
    let after = FILE.replace("sk-in-the-file", "\"${KEY}\"");
    assert_eq!(changes(FILE, &after), ["backends.ai.servers.primary.api_key: *** -> ${KEY}"]);
    let after = FILE.replace(", api_key: sk-in-the-file", "");
    assert_eq!(changes(FILE, &after), ["backends.ai.servers.primary.api_key: removed, was ***"]);
    assert_eq!(changes(&after, FILE), ["backends.ai.servers.primary.api_key: added ***"]);
}

#[test]
fn what_was_moved_indented_or_commented_is_no_change() {
    let after = "\
# Of both of them
clients: {keys: [{key: sk-of-bert, name: bert}, {name: 'anna', plan: free, key: sk-of-anna}]}
backends:
    ai:
        queue:
            max: 5
        servers:
            second: {url: 'http://127.0.0.1:9002'}
            primary:
                api_key: sk-in-the-file
                url: http://127.0.0.1:9001
                weight: 100
";
    assert_eq!(changes(FILE, after), Vec::<String>::new());
    assert!(!difference(FILE, after).is_empty());
}

#[test]
fn items_of_lists_are_known_by_their_names() {
    let after = FILE.replace(
        "    - {name: anna, key: sk-of-anna, plan: free}\n",
        "    - {name: carl, key: sk-of-carl}\n    - {name: anna, key: sk-of-anna, plan: paid}\n",
    );
    assert_eq!(
        changes(FILE, &after),
        ["clients.keys[anna].plan: free -> paid", "clients.keys[carl]: added {name: carl, key: ***}"]
    );
    let bind = |list: &str| format!("frontends: {{f: {{bind: [{list}]}}}}\n");
    assert_eq!(
        changes(&bind("{address: 1.2.3.4:80}"), &bind("{address: '[::]:1'}, {address: 1.2.3.4:80, tls: {}}")),
        [
            "frontends.f.bind[\"1.2.3.4:80\"].tls: added {}",
            "frontends.f.bind[\"[::]:1\"]: added {address: [::]:1}"
        ]
    );
}

#[test]
fn items_without_names_are_found_again_behind_a_new_one() {
    let rules = |list: &str| format!("frontends: {{f: {{rules: [{list}]}}}}\n");
    let before = rules("{deny: {status: 403}, if: a}, {use_backend: b}, {use_backend: c, if: x}");
    let after = rules("{track: t}, {deny: {status: 403}, if: a}, {use_backend: b}, {use_backend: c, if: y}");
    assert_eq!(
        changes(&before, &after),
        ["frontends.f.rules#1: added {track: t}", "frontends.f.rules#4.if: x -> y"]
    );
    assert_eq!(changes("a: [GET, POST]", "a: [GET]"), ["a: [GET, POST] -> [GET]"]);
    let long: Vec<String> = (0..100).map(|n| format!("10.0.0.{n}")).collect();
    let list = |items: &[String]| format!("a: [{}]", items.join(", "));
    assert_eq!(changes(&list(&long), &list(&long[1..])), ["a#1: removed, was 10.0.0.0"]);
    assert_eq!(changes("a: [{name: x}, {name: x}]", "a: [{name: x}]"), ["a#2: removed, was {name: x}"]);
}

#[test]
fn values_of_another_kind_are_told_whole() {
    assert_eq!(changes("a: 5\n", "a: {b: 5}\n"), ["a: 5 -> {b: 5}"]);
    assert_eq!(changes("a:\nb: 1\n", "a: null\nb: '1'\n"), Vec::<String>::new());
    assert_eq!(changes("a:\n", "a: ''\n"), ["a: (empty) -> \"\""]);
    assert_eq!(changes("a.b: {'c d': 1}\n", "a.b: {'c d': 2}\n"), ["\"a.b\".\"c d\": 1 -> 2"]);
    assert_eq!(changes("[1]\n", "x\n"), ["(the file): [1] -> x"]);
    let (one, two) = (format!("a: {}1\n", "x".repeat(200)), format!("a: {}2\n", "x".repeat(200)));
    assert_eq!(changes(&one, &two), ["a: (changed)"]);
    assert_eq!(changes("a: |\n  b\n  c\n", "a: \"\\e[31m\"\n"), ["a: b c  -> \\u{1b}[31m"]);
}

#[test]
fn line_ends_and_a_missing_last_one_are_seen() {
    let after = FILE.trim_end();
    assert!(shown(FILE, after).ends_with("+    - {name: bert, key: ***}\n\\ No newline at end of file\n"));
    assert_eq!(changes(FILE, after), Vec::<String>::new());
    let crlf = FILE.replace('\n', "\r\n");
    let to_crlf = difference(FILE, &crlf);
    assert_eq!((to_crlf.lines_added(), to_crlf.lines_removed()), (10, 10));
    assert!(to_crlf.to_string().contains("+  ai:\\u{d}\n") && to_crlf.changes() == Some(&[]), "{to_crlf}");
    let both = shown(&crlf, &crlf.replace("max: 5", "max: 6"));
    assert!(both.contains("+    queue: {max: 6}\n") && !both.contains("\\u{d}"), "{both}");
    assert_eq!(shown("a: 1\n", "\u{feff}a: 1\n"), "@@ -1 +1 @@\n-a: 1\n+\\u{feff}a: 1\n");
    assert_eq!(shown("", "a: 1\n"), "@@ -0,0 +1 @@\n+a: 1\n");
    // CR alone ends a line, too.
    let cr = FILE.replace('\n', "\r");
    assert_eq!(difference(&cr, &cr.replace("max: 5", "max: 6")).lines_added(), 1);
    for text in [crlf, cr, format!("\u{feff}{FILE}")] {
        for other in [FILE, "", "x: [", &text.replace("anna", "otto")] {
            assert!(!everything(&text, other).contains("sk-"), "{text:?}");
        }
    }
}

#[test]
fn texts_that_are_no_yaml_differ_by_their_lines() {
    let after = FILE.replace("queue: {max: 5}", "queue: {max: 5");
    let difference = difference(FILE, &after);
    assert_eq!(difference.changes(), None);
    assert!(difference.to_string().contains("+    queue: {max: 5\n"), "{difference}");
    assert!(!everything(FILE, &after).contains("sk-"));
}

/// The files with which diagnostics are tested: each against nothing, each other and a copy without its secrets.
#[test]
fn no_secret_of_the_golden_files_is_shown() {
    let texts: Vec<String> = ["tests/config/invalid", "tests/config/valid", "conf"]
        .iter()
        .flat_map(|folder| {
            std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).into_iter().flatten()
        })
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .filter(|text| !text.contains("^^^"))
        .collect();
    for text in texts.iter().filter(|text| text.contains("sk-in-the-file")) {
        let mut others =
            vec![String::new(), text.replace("sk-in-the-file", "sk-of-another"), text.replace(':', ": ")];
        others.push(text.lines().map(|line| format!("# {line}\n")).collect());
        others.push(text.lines().rev().map(|line| format!("{line}\n")).collect());
        others.push(format!("{text}broken: [\n"));
        others.push(text.replace("key", "note"));
        others.push(text.lines().map(|line| format!("  {line}\n")).collect());
        for other in others.iter().chain(&texts) {
            let shown = everything(text, other);
            assert!(
                !shown.contains("sk-in") && !shown.contains("sk-of"),
                "{text}\n--- and\n{other}\n---\n{shown}"
            );
        }
    }
}

/// Each hides `SECRET`, against a file that has nothing of it.
#[test]
fn secrets_in_odd_places_are_not_shown() {
    for odd in [
        "# api_key: SECRET\nb: 1\n",
        "b: 1 # key: SECRET\n",
        "  # - {name: x, key: \"SECRET\"}\nb: 1\n",
        "b: 1\n## was: token=SECRET\n",
        "# key: |\n#   SECRET\nb: 1\n",
        "# the old one was sk-SECRET, see the vault\nb: 1\n",
        "admin: {token: |-\n    SECRET\n    SECRET\n  }\n",
        "admin:\n  token: >-\n    SECRET\n\n    SECRET\n",
        "admin:\n  ? token\n  : SECRET\n",
        "admin: {\"t\\x6fken\": \"SEC\\x52ET\"}\n",
        "admin: {token: &a SECRET}\nb: *a\nc: [*a]\n",
        "acls: {a: {header: x-api-key, value: [SECRET]}, b: {query: token, value_beg: SECRET}}\n",
        "acls: {a: {header: Authorization, value: 'Bearer SECRET'}}\n",
        "rules: [{redirect: {location: 'https://h/x?a=1&token=SECRET'}}]\n",
        "check: {http: {body: '{\"a\": 1, \"api_key\": \"SECRET\"}'}}\n",
        "check: {http: {headers: {x-api-key: SECRET, Authorization: Bearer SECRET}}}\n",
        "clients: {keys: [SECRET, [SECRET], {a: SECRET, key: SECRET}]}\n",
        "clients: {keys: [{name: SECRET, key: SECRET}]}\n",
        "clients: {keys: {SECRET: SECRET}}\n",
        "url: https://me:SECRET@h/\nu: 'https://SECRET@h'\n",
        "alerts: [{webhook: 'https://hooks.slack.com/SECRET'}, {url: 'https://h/SECRET'}]\n",
        "api_key: SECRET\napi_key: SECRET\nb: SECRET\n",
        "api_key: ${X:-SECRET}\nb: SECRET\n",
        "clients:\n  keys:\n    - SECRET\n  broken: [\n",
        "clients: {keys: [{name: a, key:\nSECRET}]}\nbroken: [\n",
        "admin: {token: \"SECRET\nSECRET\n",
        "a: [\n  sk-SECRET\n",
        "KEY: SECRET\nX-Api-Key: SECRET\n",
    ] {
        // A key that looks like a digest, one with a space, one that begins with a dash.
        for secret in ["4aF9-wqZ71", &"ab12".repeat(16), "a7Q.zz+/18==", "-p0uI99xx"] {
            let odd = odd.replace("SECRET", secret).replace("SEC\\x52ET", &secret.replace('9', "\\x39"));
            for other in [
                "",
                "b: 1\n",
                FILE,
                &odd.replace("b: 1", "b: 2"),
                &odd.replace('\n', "\r\n"),
                &format!("a: {secret}\n"),
            ] {
                // What only a comment or a broken file names is known by no other text.
                if other.starts_with("a: ")
                    && !other.contains("\n#")
                    && (odd.contains('#') || odd.contains("sk-"))
                {
                    continue;
                }
                let shown = everything(&odd, other);
                assert!(!shown.contains(secret), "{odd}\n--- and\n{other}\n---\n{shown}");
            }
        }
    }
}

#[test]
fn comments_without_a_secret_are_shown() {
    let after = FILE.replace("clients:", "# 5 until the new servers come, see #42\nclients:");
    assert!(shown(FILE, &after).contains("+# 5 until the new servers come, see #42\n"));
}

#[test]
fn what_stands_beside_a_secret_is_hidden_with_it_and_shown_elsewhere() {
    let before = "alerts: [{webhook: 'https://hooks.slack.com/services/T01/B02/xyz123', format: slack}]\n\
                  check: {http: {body: '{\"api_key\": \"sk-in-a-body\"}', headers: {Authorization: Bearer sk-of-mine}}}\n";
    let after = format!(
        "{before}# services at hooks.slack.com, as bearer\nb: {{api_key: \"${{KEY}}\", xyz123: sk-of-mine}}\n"
    );
    let shown = shown(before, &after);
    assert!(shown.contains("+# services at hooks.slack.com, as bearer\n"), "{shown}");
    assert!(shown.contains("+b: {api_key: \"${KEY}\", ***: ***}\n"), "{shown}");
}

/// Masks must not hide what an operator looks for.
#[test]
fn of_the_shipped_files_nothing_is_hidden_that_diagnostics_show() {
    use crate::config::{mask, tree};
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let masks = mask::ordered(mask::by_position(&tree::parse(&text).unwrap()));
            let lines = text.lines().enumerate();
            let shown_by_diagnostics = lines.map(|(index, line)| {
                mask::apply(line, index + 1, &masks).text.into_iter().collect::<String>()
            });
            let shown = shown("", &text);
            for (line, expected) in shown.lines().skip(1).zip(shown_by_diagnostics) {
                // What is commented out is hidden as in a text without structure: rather too much.
                let line = line.strip_prefix('+').unwrap_or_default();
                let out = line.starts_with("#  ") && line.ends_with("***");
                assert!(out || line == expected, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn huge_texts_without_anything_in_common_are_compared_soon() {
    let text = |seed: u64| -> String {
        (0..10_000u64)
            .map(|n| {
                format!(
                    "{}- {{name: n{n}, key: sk-{seed}-{}}}\n",
                    if n == 0 { "clients:\n" } else { "" },
                    n * 7 % 10_007
                )
            })
            .collect()
    };
    let (before, after) = (text(1), text(2));
    let started = clock::instant();
    let difference = difference(&before, &after);
    assert_eq!((difference.lines_added(), difference.lines_removed()), (10_000, 10_000));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    assert!(!difference.to_string().contains("sk-"));
}

use proptest::prelude::*;

use crate::base::clock;

/// What diagnostics are tested with, in one file.
const SECRETS: &str = include_str!("../../../tests/config/invalid/secrets_in_odd_places.yaml");

fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof!["[a-d]", Just("weight".to_owned()), Just("name".to_owned())];
    let value =
        prop_oneof!["[0-9]{1,3}", Just("{x: 1, y: [2]}".to_owned()), Just(String::new()), "#[a-z]{0,3}"];
    let end = prop_oneof![3 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\r")];
    (0usize..3, key, value, end)
        .prop_map(|(indent, key, value, end)| format!("{}{key}: {value}{end}", "  ".repeat(indent)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The removed and added lines make the one text of the other.
    #[test]
    fn a_difference_leads_from_one_text_to_the_other(before in prop::collection::vec(line(), 0..20), after in prop::collection::vec(line(), 0..20)) {
        let (before, after) = (before.concat(), after.concat());
        let difference = difference(&before, &after);
        prop_assert_eq!(difference.is_empty(), before == after);
        let lines = |text: &str| hidden_lines(text);
        let surplus = lines(&after) as i64 - lines(&before) as i64;
        prop_assert_eq!(difference.lines_added() as i64 - difference.lines_removed() as i64, surplus);
        let printed = difference.to_string();
        let signs = |sign: char| printed.lines().filter(|line| line.starts_with(sign)).count();
        prop_assert_eq!((signs('+'), signs('-')), (difference.lines_added(), difference.lines_removed()));
        let bare = |text: &str| hidden::lines(text).iter().map(|line| bare(line)).collect::<Vec<_>>();
        prop_assert_eq!(patched(&bare(&before), &printed), bare(&after), "{}", printed);
        if let Some(changes) = difference.changes() {
            prop_assert!(!difference.is_empty() || changes.is_empty());
        }
    }

    /// Whatever happens to a file with secrets, neither text's secrets are shown.
    #[test]
    fn no_secret_is_shown_of_damaged_texts(at in 0..SECRETS.len(), with in "[ -~\n\t\r]{0,4}", cut in 0usize..12, secret in "[A-Za-z0-9_]{12,30}", other in "[A-Za-z0-9_]{12,30}") {
        let before = SECRETS.replace("sk-in-the-file", &secret);
        let mut damaged = SECRETS.to_owned();
        damaged.replace_range(at..(at + cut).min(damaged.len()), &with);
        for after in [damaged.replace("sk-in-the-file", &secret), damaged.replace("sk-in-the-file", &other)] {
            let shown = everything(&before, &after);
            prop_assert!(!shown.contains(&secret), "{}", shown);
            // A key whose name was damaged is no secret for anybody.
            let spared = tree_of_secrets_is_whole(&after, &other);
            prop_assert!(!spared || !shown.contains(&other), "{}", shown);
        }
    }

    #[test]
    fn no_text_makes_it_panic(before in "[a-c:{}\\[\\]\"' #\n\r\t|>&*!-]{0,60}", after in "\\PC{0,60}") {
        let _ = everything(&before, &after);
        let _ = everything(&after, &format!("{after}\n{before}"));
    }
}

/// A line without its end.
fn bare(line: &str) -> String {
    line.replace("\\u{d}", "").trim_end().to_owned()
}

/// `before` after the changes of a unified diff, as `patch` would make it.
fn patched(before: &[String], diff: &str) -> Vec<String> {
    let (mut after, mut at) = (Vec::new(), 0);
    for line in diff.lines().filter(|line| !line.starts_with('\\')) {
        if let Some(header) = line.strip_prefix("@@ -") {
            let numbers = header.split(' ').next().unwrap();
            let (start, count) = numbers.split_once(',').unwrap_or((numbers, "1"));
            let start = start.parse::<usize>().unwrap() - usize::from(count != "0");
            after.extend_from_slice(&before[at..start]);
            at = start;
        } else if let Some(added) = line.strip_prefix('+') {
            after.push(bare(added));
        } else {
            assert_eq!(before[at], bare(&line[1..]), "{diff}");
            if line.starts_with(' ') {
                after.push(before[at].clone());
            }
            at += 1;
        }
    }
    after.extend_from_slice(&before[at..]);
    after
}

fn hidden_lines(text: &str) -> usize {
    hidden::lines(text).len()
}

/// Whether diagnostics would hide each place where the secret stands.
fn tree_of_secrets_is_whole(text: &str, secret: &str) -> bool {
    use crate::config::{mask, tree};
    let masks = match tree::parse(text) {
        Ok(tree) => mask::by_position(&tree),
        Err(_) => mask::by_text(text),
    };
    let masks = mask::ordered(masks);
    tree::lines(text).enumerate().all(|(index, line)| {
        let shown: String = mask::apply(line, index + 1, &masks).text.into_iter().collect();
        !shown.contains(secret)
    })
}
