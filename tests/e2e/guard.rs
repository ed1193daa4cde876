//! A guarded reload: what does worse is put back by itself, what does as well stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::edge::{Edge, Settings, configuration};
use crate::support::http::{Ask, answer};
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
frontends:
  web: {bind: [{address: 127.0.0.1:0}], default_backend: ai}
backends:
  ai: {breaker: off, eject: off, retry: {attempts: 1}, servers: {one: {url: <one>}}}";

/// Traffic on one connection at a time until it is dropped.
struct Traffic {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Traffic {
    fn on(edge: &Edge) -> Traffic {
        let (over, address) = (Arc::new(AtomicBool::new(false)), edge.address("web"));
        let stop = over.clone();
        let thread = thread::spawn(move || {
            let mut client = crate::support::http::Connection::open(address);
            while !stop.load(Ordering::Relaxed) {
                client.ask(&Ask::get("/"));
                // Some hundred a second are enough.
                thread::sleep(Duration::from_millis(2));
            }
        });
        Traffic { over, thread: Some(thread) }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn change(edge: &Edge, url: &str) {
    let text = configuration(&Settings::default(), edge.directory.path(), SECTIONS, &[("one", url)]);
    edge.directory.write("tidegate.yaml", &text);
}

fn in_force(edge: &Edge, url: &str) -> bool {
    edge.command("show config").contains(url)
}

#[test]
fn what_fails_is_put_back() {
    let good = Upstream::named("one");
    let bad = Upstream::replying(|_| answer(500, &[], "broken"));
    let edge = Edge::start(SECTIONS, &[("one", &good.url())]);
    let _traffic = Traffic::on(&edge);
    thread::sleep(Duration::from_millis(1100));
    change(&edge, &bad.url());
    let said = edge.command("reload guard 30s");
    assert!(said.starts_with("Success=0\n--\n"), "{said}");
    assert!(said.contains("rolled back: ") && said.contains("failed on the server's side"), "{said}");
    assert!(in_force(&edge, &good.url()));
    edge.says("rollback: what was in force before the last reload is in force again");
    assert!(edge.events().iter().any(|event| event["kind"] == "rollback" && event["tone"] == "alarm"));
    assert_eq!(edge.open().ask(&Ask::get("/")).status(), 200);
}

#[test]
fn what_is_late_is_put_back() {
    let good = Upstream::named("one");
    let slow = Upstream::replying(|_| {
        thread::sleep(Duration::from_millis(120));
        answer(200, &[], "late")
    });
    let edge = Edge::start(SECTIONS, &[("one", &good.url())]);
    let _traffic = [(); 4].map(|()| Traffic::on(&edge));
    thread::sleep(Duration::from_millis(1100));
    change(&edge, &slow.url());
    let said = edge.command("reload guard 30s");
    assert!(said.starts_with("Success=0\n--\n") && said.contains("began later than"), "{said}");
    assert!(in_force(&edge, &good.url()));
}

#[test]
fn what_does_as_well_stays() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    let _traffic = Traffic::on(&edge);
    change(&edge, &two.url());
    let said = edge.command("reload guard 5s");
    assert!(said.starts_with("Success=1\n--\n") && said.contains("guard: nothing is worse in"), "{said}");
    assert!(in_force(&edge, &two.url()));
}

#[test]
fn without_traffic_nothing_is_known_and_a_further_change_ends_the_guard() {
    let (one, two) = (Upstream::named("one"), Upstream::named("two"));
    let edge = Edge::start(SECTIONS, &[("one", &one.url())]);
    change(&edge, &two.url());
    thread::scope(|scope| {
        let guarded = scope.spawn(|| edge.command("reload guard 30s"));
        crate::support::wait::until("it is in force", || in_force(&edge, &two.url()));
        change(&edge, &one.url());
        assert!(edge.command("reload").starts_with("Success=1\n"));
        let said = guarded.join().unwrap();
        assert!(said.contains("guard: ended, another configuration is in force meanwhile"), "{said}");
    });
    assert!(edge.command("reload guard 5s").contains("guard: no request came, so nothing is known"));
    for wrong in ["reload guard", "reload guard 1h", "reload guard x", "reload guard 1s", "reload now"] {
        assert!(!edge.command(wrong).contains("Success"), "{wrong}");
    }
}
