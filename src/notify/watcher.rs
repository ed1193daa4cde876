//! The thread that follows what happens, and has the engine say whom to tell.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use log::{error, warn};
use parking_lot::{Condvar, Mutex};

use super::certificates::Certificates;
use super::courier::{Courier, PACE, Pace};
use super::facts;
use crate::alert::watch::{self, Reading, Watch};
use crate::alert::{Engine, Fact, Measure, Outgoing, Rule, What, format};
use crate::base::clock::{self, Tick};
use crate::config::checked::{Alert, AlertFormat, Checked};
use crate::runtime::events;
use crate::runtime::snapshot::Backend;
use crate::runtime::state::State;
use crate::runtime::store::Store;

/// How soon it looks up when nothing happens: with somebody to tell, and without.
const LOOK: Duration = Duration::from_millis(250);
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// How often certificates are looked at.
const LOOK_AT_CERTIFICATES: Duration = Duration::from_secs(60);

pub struct Watcher {
    state: Arc<State>,
    store: Arc<Store>,
    node: String,
    pace: Pace,
    inner: Mutex<Inner>,
    /// What receivers did not take.
    given_up: Arc<Mutex<Vec<Outgoing>>>,
    ended: Condvar,
}

#[derive(Default)]
struct Inner {
    engine: Engine,
    watch: Watch,
    certificates: Certificates,
    couriers: Vec<(u64, Courier)>,
    /// Events that were looked at.
    seen: u64,
    ticked: Tick,
    read: Tick,
    looked: Option<Tick>,
    stop: bool,
    ended: bool,
}

impl Watcher {
    pub fn new(state: Arc<State>, store: Arc<Store>) -> Watcher {
        Watcher::with_pace(state, store, PACE)
    }

    pub fn with_pace(state: Arc<State>, store: Arc<Store>, pace: Pace) -> Watcher {
        Watcher {
            state,
            store,
            node: super::node(),
            pace,
            inner: Mutex::default(),
            given_up: Arc::default(),
            ended: Condvar::new(),
        }
    }

    pub fn follow(&self, checked: &Checked) {
        let certificates = Certificates::of(checked);
        self.state.standing.use_certificates(certificates.ends());
        let names: Vec<Arc<str>> = checked.backends.iter().map(|backend| Arc::from(&*backend.name)).collect();
        let mut rules: Vec<Rule> = Vec::new();
        let mut alerts: Vec<(u64, &Alert)> = Vec::new();
        for alert in &checked.alerts {
            let mut id = identity(alert, 0);
            // The same receiver may stand there twice, with other events.
            let mut nth = 0;
            while rules.iter().any(|rule| rule.id == id) {
                nth += 1;
                id = identity(alert, nth);
            }
            let backends = alert
                .backends
                .as_ref()
                .map(|indices| indices.iter().filter_map(|index| names.get(*index).cloned()).collect());
            let incidents = matches!(alert.format, AlertFormat::PagerDuty { .. });
            rules.push(Rule { id, events: alert.events.clone(), backends, every: alert.every, incidents });
            alerts.push((id, alert));
        }
        let mut wanted: Vec<(Arc<str>, Measure)> = Vec::new();
        for rule in &rules {
            let of = rule.backends.as_ref().unwrap_or(&names);
            wanted.extend(
                rule.measures().flat_map(|measure| of.iter().map(move |name| (name.clone(), measure))),
            );
        }
        let exists = |backend: &str, subject: &str| {
            let found = checked.backends.iter().find(|known| *known.name == *backend);
            found.is_some_and(|found| match subject.split_once('/') {
                Some((_, server)) => found.servers.iter().any(|known| *known.name == *server),
                None => true,
            })
        };
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.certificates.replace(certificates);
        inner.watch.follow(&wanted);
        for (id, alert) in alerts {
            if !inner.couriers.iter().any(|(known, _)| *known == id) {
                self.hire(inner, id, alert);
            }
        }
        let out = inner.engine.configure(rules.clone(), exists, clock::unix_time());
        self.send(inner, out);
        inner.couriers.retain(|(id, courier)| {
            let stays = rules.iter().any(|rule| rule.id == *id);
            if !stays {
                courier.finish();
            }
            stays
        });
    }

    fn hire(&self, inner: &mut Inner, id: u64, alert: &Alert) {
        let given_up = self.given_up.clone();
        let back = move |outgoing| given_up.lock().push(outgoing);
        let name = format::name(&alert.format);
        match Courier::start(alert.clone(), self.node.clone(), self.state.clone(), self.pace, back) {
            Ok(courier) => inner.couriers.push((id, courier)),
            Err(error) => error!(
                "alerts: no thread can be started for a receiver ({name}), so it will be told nothing: {error}. Restart \
                 tidegate"
            ),
        }
    }

    pub fn run(&self) {
        loop {
            let (seen, look) = {
                let inner = self.inner.lock();
                (inner.seen, if inner.couriers.is_empty() { IDLE_LOOK } else { LOOK })
            };
            let news = self.state.events.news(seen, look);
            let mut inner = self.inner.lock();
            if news.missed > 0 && !inner.couriers.is_empty() {
                warn!(
                    "alerts: {} events came faster than they could be looked at: alerts may be missing",
                    news.missed
                );
            }
            inner.seen = news.total;
            let now = self.state.clock.now();
            for fact in news.events.iter().filter_map(facts::of) {
                let out = inner.engine.note(&fact, now);
                self.send(&mut inner, out);
            }
            self.tend(&mut inner, now);
            if inner.stop {
                inner.couriers.iter().for_each(|(_, courier)| courier.finish());
                inner.ended = true;
                self.ended.notify_all();
                return;
            }
        }
    }

    /// What time brings.
    fn tend(&self, inner: &mut Inner, now: Tick) {
        let unix = clock::unix_time();
        for outgoing in std::mem::take(&mut *self.given_up.lock()) {
            inner.engine.undelivered(outgoing, now);
        }
        if now.since(inner.read) >= watch::EVERY {
            inner.read = now;
            self.read(inner, now);
        }
        if inner.looked.is_none_or(|last| now.since(last) >= LOOK_AT_CERTIFICATES) {
            inner.looked = Some(now);
            inner.certificates.look(&self.state, unix);
        }
        if now.since(inner.ticked) >= IDLE_LOOK {
            inner.ticked = now;
            let out = inner.engine.tick(now, unix);
            self.send(inner, out);
        }
        let suppressed = inner.engine.take_suppressed();
        let counts = &self.state.events.alerts.suppressed;
        (0..suppressed.repeated).for_each(|_| counts.count("repeated"));
        (0..suppressed.rate).for_each(|_| counts.count("rate"));
    }

    /// Takes the figures of the backends that somebody watches.
    fn read(&self, inner: &mut Inner, now: Tick) {
        let snapshot = self.store.load();
        for backend in &snapshot.backends {
            for turn in inner.watch.read(&backend.name, reading(backend), now) {
                let text = events::figure(&self.state, &turn);
                let mut details =
                    vec![("requests", turn.requests.into()), ("limit", turn.measure.to_string().into())];
                if let Some(value) = turn.value {
                    let name = match turn.measure {
                        Measure::Latency(_) => "p95_seconds",
                        Measure::Errors(_) => "error_rate",
                    };
                    details.push((name, value.into()));
                }
                let fact = Fact {
                    at: clock::unix_time(),
                    what: What::Figure { measure: turn.measure, over: turn.over },
                    subject: turn.backend.to_string(),
                    backend: Some(turn.backend.clone()),
                    text,
                    details,
                };
                let out = inner.engine.note(&fact, now);
                self.send(inner, out);
            }
        }
    }

    fn send(&self, inner: &mut Inner, out: Vec<Outgoing>) {
        for outgoing in out {
            let courier = inner.couriers.iter().find(|(id, _)| *id == outgoing.to);
            let refused = courier.and_then(|(_, courier)| courier.take(outgoing));
            if let Some(outgoing) = refused {
                self.state.events.alerts.suppressed.count("queue");
                inner.engine.undelivered(outgoing, self.state.clock.now());
            }
        }
    }

    pub fn stop(&self, patience: Duration) {
        let end = clock::instant() + patience;
        let left = || end.saturating_duration_since(clock::instant());
        let mut inner = self.inner.lock();
        inner.stop = true;
        if inner.couriers.is_empty() {
            return;
        }
        self.ended.wait_while_for(&mut inner, |inner| !inner.ended, left());
        for (_, courier) in std::mem::take(&mut inner.couriers) {
            courier.ended(left());
        }
    }
}

fn reading(backend: &Backend) -> Reading {
    let traffic = &backend.stats.traffic;
    let classes = traffic.answers.read();
    let [.., server_error, _] = classes;
    Reading {
        answers: classes.iter().sum(),
        failed: server_error + traffic.server_aborts.get(),
        latency: traffic.first_byte.snapshot().cumulative().collect(),
    }
}

/// Of a receiver: the same as long as the same address is spoken to in the same way.
fn identity(alert: &Alert, nth: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    alert.webhook.expose().hash(&mut hasher);
    format::name(&alert.format).hash(&mut hasher);
    if let AlertFormat::PagerDuty { routing_key } = &alert.format {
        routing_key.expose().hash(&mut hasher);
    }
    nth.hash(&mut hasher);
    hasher.finish()
}
