//! A start that fails: a message that helps, a status that says so, and nothing half started.

use std::net::TcpListener;
use std::path::PathBuf;

use crate::support::edge::{Settings, check, configuration, refused};
use crate::support::rude::{Refusing, listens};
use crate::support::scratch::Scratch;

const GOOD: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: http://127.0.0.1:9}}}";

fn file(directory: &Scratch, sections: &str, values: &[(&str, &str)]) -> PathBuf {
    let text = configuration(&Settings::default(), directory.path(), sections, values);
    directory.write("tidegate.yaml", &text)
}

/// `check` and `run` both refuse it with 64, and say all of `expected`.
#[track_caller]
fn is_refused(sections: &str, expected: &[&str]) {
    let directory = Scratch::new();
    let file = file(&directory, sections, &[("dir", &directory.path().display().to_string())]);
    let checked = check(&file);
    let text =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(64), "{text}");
    let (status, errors) = refused(&["run", "-c"], &file);
    assert_eq!(status.code(), Some(64), "{errors}");
    for text in [text, errors] {
        for part in expected {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        assert!(!text.contains("listening frontend"), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn good_file_passes_the_check_and_opens_nothing() {
    let directory = Scratch::new();
    let address = Refusing::new();
    let sections = GOOD.replace("127.0.0.1:0", &address.address().to_string());
    let checked = check(&file(&directory, &sections, &[]));
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(!directory.path().join("state").exists() && !directory.path().join("admin.sock").exists());
}

#[test]
fn mistakes_are_told_all_at_once_with_place_and_hint() {
    is_refused(
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: aii}
backends:
  ai:
    balence: round_robin
    servers: {one: {url: http://127.0.0.1:9, weight: 1000}}",
        &[
            "aii",
            "balence",
            "balance",
            "1000",
            "tidegate.yaml:10:",
            "tidegate.yaml:13:",
            "tidegate.yaml:14:",
            "^",
        ],
    );
}

#[test]
fn each_kind_of_mistake_is_refused() {
    for (sections, expected) in [
        ("frontends: {}\nbackends: {}", "frontends"),
        ("", "frontends"),
        ("frontends:\n  web: [", "tidegate.yaml:"),
        (
            "frontends:\n  web: {bind: [{address: nonsense}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {url: http://127.0.0.1:9}}}",
            "nonsense",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {url: ftp://a.test}}}",
            "ftp",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\nbackends:\n  ai: {servers: {}}",
            "servers",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {}}}",
            "url",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\n  web: {bind: []}\nbackends:\n  ai: {servers: {one: {url: http://127.0.0.1:9}}}",
            "web",
        ),
        (
            "defaults: {timeouts: {connect: 5}}\nfrontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {url: http://127.0.0.1:9}}}",
            "connect",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], rules: [{deny: {status: 403}, if: nobody}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {url: http://127.0.0.1:9}}}",
            "nobody",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {url: http://127.0.0.1:9, api_key: \"${TIDEGATE_TEST_NO_SUCH_NAME}\"}}}",
            "TIDEGATE_TEST_NO_SUCH_NAME",
        ),
        (
            "frontends:\n  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}\nbackends:\n  ai: {servers: {one: {url: http://127.0.0.1:9, tls: {ca_file: <dir>/none.pem}}}}",
            "none.pem",
        ),
    ] {
        is_refused(sections, &[expected]);
    }
}

#[test]
fn key_of_a_later_version_is_an_error_that_says_so() {
    is_refused(
        "
shared_limits: {redis: \"redis://127.0.0.1:6379\"}
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: http://127.0.0.1:9}}}",
        &["shared_limits", "not"],
    );
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let directory = Scratch::new();
    directory.write("empty.pem", "");
    directory.write("junk.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
    for name in ["missing.pem", "empty.pem", "junk.pem"] {
        let path = directory.path().join(name).display().to_string();
        is_refused(
            &"
frontends:
  web: {bind: [{address: 127.0.0.1:0, tls: {certificates: [<path>]}}], default_backend: ai}
backends:
  ai: {servers: {one: {url: http://127.0.0.1:9}}}"
                .replace("<path>", &path),
            &[name],
        );
    }
}

#[test]
fn secrets_never_stand_in_a_message() {
    let directory = Scratch::new();
    let text = configuration(
        &Settings::default(),
        directory.path(),
        "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {servers: {one: {url: http://127.0.0.1:9, api_key: sk-very-secret, wieght: 3}}}",
        &[],
    );
    let checked = check(&directory.write("tidegate.yaml", &text));
    let text =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(64));
    assert!(text.contains("wieght") && text.contains("weight"), "{text}");
    assert!(!text.contains("sk-very-secret"), "{text}");
}

#[test]
fn missing_file_is_refused() {
    let directory = Scratch::new();
    let (status, errors) = refused(&["run", "-c"], &directory.path().join("nowhere.yaml"));
    assert_eq!(status.code(), Some(64), "{errors}");
    assert!(errors.contains("nowhere.yaml"), "{errors}");
}

#[test]
fn occupied_port_stops_the_start_and_opens_nothing_else() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap();
    let free = Refusing::new();
    let free_address = free.address();
    drop(free);
    let directory = Scratch::new();
    let file = file(
        &directory,
        "
frontends:
  first: {bind: [{address: <free>}], default_backend: ai}
  second: {bind: [{address: <occupied>}], default_backend: ai}
backends:
  ai: {servers: {one: {url: http://127.0.0.1:9}}}",
        &[("free", &free_address.to_string()), ("occupied", &address.to_string())],
    );
    let (status, errors) = refused(&["run", "-c"], &file);
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains(&address.to_string()), "{errors}");
    assert!(errors.to_lowercase().contains("in use"), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    assert!(!errors.lines().any(|line| line == "ready" || line.ends_with(" ready")), "{errors}");
    assert!(!listens(free_address));
    assert!(!directory.path().join("admin.sock").exists(), "the runtime socket was left behind");
}

#[test]
fn second_process_on_the_same_port_is_refused() {
    let one = crate::support::upstream::Upstream::named("one");
    let first = crate::support::edge::Edge::start(GOOD, &[]);
    let address = first.address("web").to_string();
    let directory = Scratch::new();
    let sections = GOOD.replace("127.0.0.1:0", &address).replace("http://127.0.0.1:9", &one.url());
    let (status, errors) = refused(&["run", "-c"], &file(&directory, &sections, &[]));
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains(&address), "{errors}");
    // Share-nothing threads use SO_REUSEPORT among themselves; another process must not be let in by it.
    assert!(listens(first.address("web")));
}
