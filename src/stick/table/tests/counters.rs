//! Every counter there is, on its own and against a plain reference.

use super::*;
use crate::stick::counter::tests::Reference;
use crate::stick::spec::Gpc;

const MINUTE: Period = Period::MINUTE;

fn storing(counters: &[CounterKind]) -> Arc<Table> {
    Arc::new(Table::new(TableSpec {
        name: "all".into(),
        size: 100,
        expire: Duration::from_secs(86_400),
        counters: counters.to_vec(),
    }))
}

/// The readings of the entry of key 1, by the counter's name.
fn reading(table: &Table, name: &str, now: Tick) -> u64 {
    let place = table.spec().counters.iter().position(|kind| kind.name() == name).unwrap();
    table.peek(&key(1), place, now).unwrap()
}

#[test]
fn each_event_raises_its_own_counters_and_no_others() {
    let now = Tick(1000);
    let shown = |happens: &dyn Fn(&Tracked)| {
        let table = storing(&CounterKind::all(MINUTE));
        happens(&table.track(key(1), now).unwrap());
        let row = table.row(&key(1), now).unwrap();
        let raised = table.spec().counters.iter().zip(row.values).filter(|(_, value)| *value > 0);
        raised.map(|(kind, value)| format!("{}={value}", kind.name())).collect::<Vec<_>>().join(" ")
    };
    let connection = "conn_cnt=1 conn_rate=1";
    assert_eq!(shown(&|_| ()), connection);
    assert_eq!(
        shown(&|tracked| tracked.request(now)),
        format!("{connection} http_req_cnt=1 http_req_rate=1")
    );
    assert_eq!(shown(&|tracked| tracked.error(now)), format!("{connection} http_err_cnt=1 http_err_rate=1"));
    assert_eq!(
        shown(&|tracked| tracked.failure(now)),
        format!("{connection} http_fail_cnt=1 http_fail_rate=1")
    );
    assert_eq!(
        shown(&|tracked| tracked.bytes(7, 9, now)),
        format!("{connection} bytes_in_cnt=7 bytes_in_rate=7 bytes_out_cnt=9 bytes_out_rate=9")
    );
    assert_eq!(shown(&|tracked| tracked.tokens(7, now)), format!("{connection} tokens_cnt=7 tokens_rate=7"));
    assert_eq!(shown(&|tracked| tracked.cost(9, now)), format!("{connection} cost_rate=9"));
    let raised = |which| shown(&|tracked| tracked.raise_gpc(which, now));
    assert_eq!(raised(Gpc::Zero), format!("gpc0=1 gpc0_rate=1 {connection}"));
    assert_eq!(raised(Gpc::One), format!("{connection} gpc1=1 gpc1_rate=1"));
    assert_eq!(shown(&|tracked| tracked.set_gpt0(u32::MAX, now)), format!("gpt0=4294967295 {connection}"));
}

#[test]
fn requests_of_one_connection_share_its_guard() {
    let table = storing(&CounterKind::all(MINUTE));
    let now = Tick(1);
    let connection = Arc::new(table.track(key(1), now).unwrap());
    let requests: Vec<Arc<Tracked>> = (0..3).map(|_| connection.clone()).collect();
    for request in &requests {
        request.request(now);
        request.bytes(10, 20, now);
    }
    let read = |name| reading(&table, name, now);
    assert_eq!([read("conn_cnt"), read("conn_rate"), read("conn_cur")], [1, 1, 1]);
    assert_eq!([read("http_req_cnt"), read("bytes_in_cnt"), read("bytes_out_cnt")], [3, 30, 60]);
    drop(connection);
    assert_eq!(reading(&table, "conn_cur", now), 1, "a request that outlives its connection still holds on");
    drop(requests);
    assert_eq!(reading(&table, "conn_cur", now), 0);
}

#[test]
fn a_guard_knows_its_own_table() {
    let (old, new) = (storing(&[CounterKind::ConnCnt]), storing(&[CounterKind::ConnCnt]));
    let tracked = old.track(key(1), Tick(0)).unwrap();
    assert!(tracked.is_of(&old) && !tracked.is_of(&new));
    assert_eq!(format!("{tracked:?}"), "Tracked { table: \"all\", .. }");
}

#[test]
fn what_is_not_stored_takes_no_lock() {
    let table = storing(&[CounterKind::ConnCur]);
    let tracked = table.track(key(1), Tick(0)).unwrap();
    let locked = table.shards[0].0.lock();
    tracked.request(Tick(1));
    tracked.error(Tick(1));
    tracked.failure(Tick(1));
    tracked.bytes(1, 1, Tick(1));
    tracked.raise_gpc(Gpc::Zero, Tick(1));
    tracked.raise_gpc(Gpc::One, Tick(1));
    tracked.set_gpt0(1, Tick(1));
    tracked.tokens(1, Tick(1));
    tracked.cost(1, Tick(1));
    drop(locked);
    let table = storing(&[CounterKind::BytesInCnt]);
    let tracked = table.track(key(1), Tick(0)).unwrap();
    let locked = table.shards[0].0.lock();
    tracked.bytes(0, 1, Tick(1));
    drop(locked);
    tracked.bytes(1, 0, Tick(1));
    assert_eq!(tracked.read(0, Tick(1)), 1);
}

#[test]
fn a_refused_entry_is_no_connection() {
    let table = storing(&CounterKind::all(MINUTE));
    assert!(table.track_if(key(1), Tick(0), |_| Err::<(), _>(())).unwrap().is_err());
    assert_eq!([reading(&table, "conn_cnt", Tick(0)), reading(&table, "conn_rate", Tick(0))], [0, 0]);
}

#[test]
fn a_long_connection_that_counts_keeps_its_time_to_live() {
    let table = storing(&[CounterKind::HttpReqCnt]);
    let tracked = table.track(key(1), Tick(0)).unwrap();
    tracked.request(Tick(3_600_000));
    let expires = table.row(&key(1), Tick(3_600_000)).unwrap().expires_in;
    assert_eq!(expires, Duration::from_secs(86_400));
    tracked.read(0, Tick(7_200_000));
    let expires = table.row(&key(1), Tick(7_200_000)).unwrap().expires_in;
    assert_eq!(expires, Duration::from_secs(82_800), "a reading is no use");
}

#[test]
fn the_wait_of_a_total_or_a_tag_is_the_life_of_the_entry() {
    let table = storing(&CounterKind::all(MINUTE));
    let now = Tick(10);
    let tracked = table.track(key(1), now).unwrap();
    tracked.set_gpt0(5, now);
    tracked.failure(now);
    tracked.bytes(1 << 40, 0, now);
    let wait = |name: &str, threshold| {
        let place = table.spec().counters.iter().position(|kind| kind.name() == name).unwrap();
        tracked.until_below(place, threshold, now)
    };
    let expire = table.spec().expire;
    for name in ["gpt0", "http_fail_cnt", "bytes_in_cnt", "conn_cnt"] {
        assert_eq!(wait(name, 0), expire, "{name}");
    }
    assert_eq!(wait("gpt0", 5), Duration::ZERO);
    assert_eq!(wait("conn_cur", 0), Duration::from_secs(1));
    // Half of it is left when half of the second period is over.
    assert_eq!(wait("bytes_in_rate", 1 << 39), Duration::from_secs(90));
}

#[test]
fn nothing_overflows() {
    let longest = Period::of(Duration::MAX);
    let table = storing(&CounterKind::all(longest));
    let last = Tick(u64::MAX);
    for now in [Tick(0), Tick(u64::MAX - 1), last] {
        let tracked = table.track(key(1), now).unwrap();
        for _ in 0..2 {
            tracked.bytes(u64::MAX, u64::MAX, now);
            tracked.tokens(u64::MAX, now);
            tracked.cost(u64::MAX, now);
            tracked.request(now);
        }
        for counter in 0..table.spec().counters.len() {
            tracked.read(counter, now);
            for threshold in [0, 1, u64::MAX - 1, u64::MAX] {
                tracked.until_below(counter, threshold, now);
            }
        }
    }
    for name in [
        "bytes_in_cnt",
        "bytes_in_rate",
        "bytes_out_cnt",
        "bytes_out_rate",
        "tokens_cnt",
        "tokens_rate",
        "cost_rate",
    ] {
        assert_eq!(reading(&table, name, last), u64::MAX, "{name}");
    }
}

#[test]
fn threads_that_share_a_guard_lose_no_count() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 2000;
    let table = storing(&CounterKind::all(MINUTE));
    let shared = Arc::new(table.track(key(1), Tick(0)).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let shared = shared.clone();
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    shared.request(Tick(5));
                    shared.bytes(3, 1 << 40, Tick(5));
                    shared.raise_gpc(Gpc::One, Tick(5));
                }
            });
        }
    });
    let total = THREADS * ROUNDS;
    for (name, value) in [
        ("http_req_cnt", total),
        ("http_req_rate", total),
        ("bytes_in_rate", 3 * total),
        ("bytes_out_rate", total << 40),
        ("bytes_out_cnt", total << 40),
        ("gpc1", total),
        ("gpc1_rate", total),
        ("conn_cnt", 1),
        ("conn_cur", 1),
    ] {
        assert_eq!(reading(&table, name, Tick(5)), value, "{name}");
    }
}

/// What an entry holds, counter by counter, with the arithmetic of HAProxy's source and numbers that do not end.
#[derive(Clone)]
struct Plain {
    kinds: Vec<CounterKind>,
    totals: Vec<i128>,
    rates: Vec<Reference>,
    guards: i128,
}

impl Plain {
    fn new(kinds: &[CounterKind]) -> Plain {
        let (totals, rates) = (vec![0; kinds.len()], vec![Reference::default(); kinds.len()]);
        Plain { kinds: kinds.to_vec(), totals, rates, guards: 0 }
    }

    /// Raises what the names say: `http_req` raises `http_req_cnt` and `http_req_rate`.
    fn raise(&mut self, what: &str, amount: u64, now: u64) {
        for (place, kind) in self.kinds.iter().enumerate() {
            let Some(rest) = kind.name().strip_prefix(what) else { continue };
            match kind.period() {
                Some(period) if amount > 0 => {
                    let period = period.length().as_millis() as i128;
                    self.rates[place].add(i128::from(amount), period, i128::from(now));
                }
                None if rest.is_empty() || rest == "_cnt" => self.totals[place] += i128::from(amount),
                _ => {}
            }
        }
    }

    fn tag(&mut self, value: u32) {
        for (place, kind) in self.kinds.iter().enumerate() {
            if *kind == CounterKind::Gpt0 {
                self.totals[place] = i128::from(value);
            }
        }
    }

    fn clear(&mut self) {
        *self = Plain { guards: self.guards, ..Plain::new(&self.kinds) };
    }

    fn read(&self, now: u64) -> Vec<u64> {
        let value = |(place, kind): (usize, &CounterKind)| match kind.period() {
            Some(period) => self.rates[place].read(period.length().as_millis() as i128, i128::from(now)),
            None if *kind == CounterKind::ConnCur => self.guards,
            None => self.totals[place],
        };
        self.kinds.iter().enumerate().map(value).map(|value| u64::try_from(value).unwrap()).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Track(u32),
    /// Another holder of the same guard.
    Share(usize),
    Release(usize),
    Request(usize),
    Error(usize),
    Failure(usize),
    Bytes(usize, u64, u64),
    Tokens(usize, u64),
    Cost(usize, u64),
    Raise(usize, bool),
    Tag(usize, u32),
    Clear(Option<u32>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<usize>;
    let bytes = || prop_oneof![Just(0), 1u64..5000, 1u64..1 << 50];
    prop_oneof![
        3 => (0u32..3).prop_map(Step::Track),
        1 => at().prop_map(Step::Share),
        2 => at().prop_map(Step::Release),
        3 => at().prop_map(Step::Request),
        1 => at().prop_map(Step::Error),
        1 => at().prop_map(Step::Failure),
        3 => (at(), bytes(), bytes()).prop_map(|(at, received, sent)| Step::Bytes(at, received, sent)),
        1 => (at(), bytes()).prop_map(|(at, tokens)| Step::Tokens(at, tokens)),
        1 => (at(), bytes()).prop_map(|(at, cost)| Step::Cost(at, cost)),
        2 => (at(), any::<bool>()).prop_map(|(at, which)| Step::Raise(at, which)),
        1 => (at(), any::<u32>()).prop_map(|(at, value)| Step::Tag(at, value)),
        1 => proptest::option::of(0u32..3).prop_map(Step::Clear),
        4 => (0u64..70).prop_map(Step::Wait),
    ]
}

/// Any counters, each with a period of its own, in any order.
fn kinds() -> impl Strategy<Value = Vec<CounterKind>> {
    let periods = prop::collection::vec(1u64..100, 21);
    let chosen = prop::sample::subsequence((0..21).collect::<Vec<usize>>(), 1..=21).prop_shuffle();
    (periods, chosen).prop_map(|(periods, chosen)| {
        let period = |place: usize| Period::of(Duration::from_millis(periods[place]));
        chosen.into_iter().map(|place| CounterKind::all(period(place))[place]).collect()
    })
}

proptest! {
    #[test]
    fn totals_and_rates_are_those_of_a_plain_reference(
        kinds in kinds(),
        steps in prop::collection::vec(step(), 1..120),
        threshold in 0u64..100,
    ) {
        let table = storing(&kinds);
        let mut plain: HashMap<u32, Plain> = HashMap::new();
        let mut holders: Vec<(u32, Arc<Tracked>)> = Vec::new();
        let mut ms = 1_000_000;
        for step in steps {
            let now = Tick(ms);
            match step {
                Step::Wait(wait) => ms += wait,
                Step::Track(n) => {
                    holders.push((n, Arc::new(table.track(key(n), now).unwrap())));
                    let entry = plain.entry(n).or_insert_with(|| Plain::new(&kinds));
                    entry.raise("conn", 1, ms);
                    entry.guards += 1;
                }
                Step::Clear(Some(n)) => {
                    table.clear(Some(&key(n)));
                    plain.retain(|of, entry| *of != n || entry.guards > 0);
                    if let Some(entry) = plain.get_mut(&n) {
                        entry.clear();
                    }
                }
                Step::Clear(None) => {
                    table.clear(None);
                    plain.retain(|_, entry| entry.guards > 0);
                    plain.values_mut().for_each(Plain::clear);
                }
                _ if holders.is_empty() => {}
                Step::Share(at) => holders.push(holders[at % holders.len()].clone()),
                Step::Release(at) => {
                    let (n, tracked) = holders.swap_remove(at % holders.len());
                    plain.get_mut(&n).unwrap().guards -= i128::from(Arc::strong_count(&tracked) == 1);
                }
                Step::Request(at) | Step::Error(at) | Step::Failure(at) | Step::Bytes(at, ..) | Step::Tokens(at, _)
                | Step::Cost(at, _) | Step::Raise(at, _) | Step::Tag(at, _) => {
                    let (n, tracked) = &holders[at % holders.len()];
                    let entry = plain.get_mut(n).unwrap();
                    match step {
                        Step::Request(_) => {
                            tracked.request(now);
                            entry.raise("http_req", 1, ms);
                        }
                        Step::Error(_) => {
                            tracked.error(now);
                            entry.raise("http_err", 1, ms);
                        }
                        Step::Failure(_) => {
                            tracked.failure(now);
                            entry.raise("http_fail", 1, ms);
                        }
                        Step::Bytes(_, received, sent) => {
                            tracked.bytes(received, sent, now);
                            entry.raise("bytes_in", received, ms);
                            entry.raise("bytes_out", sent, ms);
                        }
                        Step::Tokens(_, tokens) => {
                            tracked.tokens(tokens, now);
                            entry.raise("tokens", tokens, ms);
                        }
                        Step::Cost(_, cost) => {
                            tracked.cost(cost, now);
                            entry.raise("cost", cost, ms);
                        }
                        Step::Raise(_, one) => {
                            tracked.raise_gpc(if one { Gpc::One } else { Gpc::Zero }, now);
                            entry.raise(if one { "gpc1" } else { "gpc0" }, 1, ms);
                        }
                        Step::Tag(_, value) => {
                            tracked.set_gpt0(value, now);
                            entry.tag(value);
                        }
                        _ => {}
                    }
                }
            }
            for n in 0..3 {
                let ours = table.row(&key(n), Tick(ms)).map(|row| row.values);
                prop_assert_eq!(ours, plain.get(&n).map(|entry| entry.read(ms)));
            }
        }
        for (n, tracked) in &holders {
            for (place, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.period().is_some()) {
                let wait = tracked.until_below(place, threshold, Tick(ms)).as_millis() as u64;
                let later = |wait| plain[n].read(ms + wait)[place];
                prop_assert!(later(wait) <= threshold, "{}", kind);
                prop_assert!(wait == 0 || later(wait - 1) > threshold, "{}", kind);
            }
        }
    }
}
