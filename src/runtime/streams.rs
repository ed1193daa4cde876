//! The calls and event streams in flight: whose they are, where they are, and what they took so far; and the way for an
//! operator to end one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ai::estimate::Ratios;
use crate::ai::price::Price;
use crate::ai::usage::Usage;
use crate::base::clock::Tick;

/// Parts of the register, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// All of them. One for the life of the process.
#[derive(Debug, Default)]
pub struct Streams {
    shards: [Mutex<HashMap<u64, Arc<Stream>>>; SHARDS],
    begun: AtomicU64,
}

/// What is known of one from its beginning.
#[derive(Debug)]
pub struct Beginning {
    pub request_id: String,
    /// `None`: anonymous.
    pub client: Option<Arc<str>>,
    pub plan: Option<Arc<str>>,
    pub frontend: Arc<str>,
    pub src: IpAddr,
    pub at: Tick,
}

/// One of them.
#[derive(Debug)]
pub struct Stream {
    /// Counts from 1 on; never used twice.
    pub number: u64,
    pub beginning: Beginning,
    way: Mutex<Way>,
    /// Tokens that the provider told of so far, and bytes of content that were seen.
    prompt: AtomicU64,
    completion: AtomicU64,
    content: AtomicU64,
    killed: AtomicBool,
    kill: Notify,
}

/// Where it is.
#[derive(Clone, Debug)]
pub struct Way {
    /// Empty: it names none, or its body was not read.
    pub model: Arc<str>,
    /// Backend and server, once there is an attempt.
    pub place: Option<(Arc<str>, Arc<str>)>,
    pub attempts: u32,
    /// Its answer is an event stream; `None`: there is none yet.
    pub streamed: Option<bool>,
    /// How its tokens are reckoned; `None`: they are not counted.
    pub gauge: Option<Gauge>,
}

/// What turns bytes to tokens, and tokens to money, until the provider tells.
#[derive(Clone, Debug)]
pub struct Gauge {
    pub ratios: Arc<Ratios>,
    pub price: Option<Price>,
    /// Bytes of the body that are prompt.
    pub prompt_bytes: u64,
}

const UNKNOWN: u64 = u64::MAX;

impl Streams {
    pub fn begin(self: &Arc<Streams>, beginning: Beginning) -> Live {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let stream = Arc::new(Stream {
            number,
            beginning,
            way: Mutex::new(Way {
                model: Arc::from(""),
                place: None,
                attempts: 0,
                streamed: None,
                gauge: None,
            }),
            prompt: AtomicU64::new(UNKNOWN),
            completion: AtomicU64::new(UNKNOWN),
            content: AtomicU64::new(UNKNOWN),
            killed: AtomicBool::new(false),
            kill: Notify::new(),
        });
        self.shard(number).lock().insert(number, stream.clone());
        Live { streams: self.clone(), stream }
    }

    /// Those in flight, in the order in which they began.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        let mut all: Vec<Arc<Stream>> =
            self.shards.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect();
        all.sort_by_key(|stream| stream.number);
        all
    }

    /// How many are in flight.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Ends the one with this number, or those with this request id (clients may choose it, so there can be several). How
    /// many there were.
    pub fn kill(&self, id: &str) -> usize {
        let number = id.parse::<u64>().ok();
        let named = self.all().into_iter().filter(|stream| stream.beginning.request_id == id);
        let numbered = number.and_then(|number| self.shard(number).lock().get(&number).cloned());
        // A number is what we gave; a request id that looks like one is somebody else's idea.
        let found: Vec<Arc<Stream>> = match numbered {
            Some(stream) => vec![stream],
            None => named.collect(),
        };
        for stream in &found {
            stream.killed.store(true, Ordering::Release);
            stream.kill.notify_one();
        }
        found.len()
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Stream>>> {
        &self.shards[number as usize % SHARDS]
    }
}

impl Stream {
    /// Where it is now.
    pub fn way(&self) -> Way {
        self.way.lock().clone()
    }

    /// One more attempt begins, or another model is asked.
    pub fn goes(&self, way: Way) {
        *self.way.lock() = way;
    }

    /// The answer began.
    pub fn answers(&self, streamed: bool) {
        self.way.lock().streamed = Some(streamed);
    }

    /// So much has passed.
    pub fn passed(&self, told: &Usage, content: u64) {
        self.prompt.store(told.prompt.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.completion.store(told.completion.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.content.store(content, Ordering::Relaxed);
    }

    /// What it took so far, reckoned where the provider has not told yet. Unknown is `None`.
    pub fn used(&self) -> Usage {
        let Some(gauge) = self.way.lock().gauge.clone() else { return Usage::default() };
        let known = |cell: &AtomicU64| Some(cell.load(Ordering::Relaxed)).filter(|tokens| *tokens != UNKNOWN);
        let seen = known(&self.content).map(|content| gauge.ratios.completion_tokens(content));
        let prompt = || Some(gauge.prompt_bytes).filter(|bytes| *bytes > 0);
        Usage {
            prompt: known(&self.prompt).or_else(|| prompt().map(|bytes| gauge.ratios.prompt_tokens(bytes))),
            completion: known(&self.completion).max(seen),
            ..Usage::default()
        }
    }

    /// In micro-dollars; of a call without an answer yet, its prompt alone. `None`: the model has no price.
    pub fn cost(&self) -> Option<u64> {
        let price = self.way.lock().gauge.as_ref()?.price?;
        let used = self.used();
        price.cost(&Usage { completion: used.completion.or(Some(0)), ..used })
    }

    /// Until an operator ends it.
    pub async fn killed(&self) {
        while !self.killed.load(Ordering::Acquire) {
            self.kill.notified().await;
        }
    }
}

/// Keeps a stream in the register while it lives.
#[derive(Debug)]
pub struct Live {
    streams: Arc<Streams>,
    stream: Arc<Stream>,
}

impl Live {
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }
}

impl Deref for Live {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.stream
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let number = self.stream.number;
        self.streams.shard(number).lock().remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn beginning(id: &str) -> Beginning {
        Beginning {
            request_id: id.to_owned(),
            client: None,
            plan: None,
            frontend: "api".into(),
            src: Ipv4Addr::LOCALHOST.into(),
            at: Tick(0),
        }
    }

    fn numbers(streams: &Streams) -> Vec<u64> {
        streams.all().iter().map(|stream| stream.number).collect()
    }

    #[test]
    fn what_ends_leaves_the_register() {
        let streams = Arc::new(Streams::default());
        let lives: Vec<Live> = (0..40).map(|n| streams.begin(beginning(&n.to_string()))).collect();
        assert_eq!((numbers(&streams), streams.count()), ((1..=40).collect(), 40));
        drop(lives);
        assert_eq!((numbers(&streams), streams.count()), (vec![], 0));
    }

    #[test]
    fn one_is_killed_by_its_number_or_all_of_a_request_id() {
        let streams = Arc::new(Streams::default());
        let (one, two, three) =
            (streams.begin(beginning("a")), streams.begin(beginning("b")), streams.begin(beginning("b")));
        let dead = || [&one, &two, &three].map(|live| live.killed.load(Ordering::Relaxed));
        assert_eq!((streams.kill("c"), streams.kill("9"), streams.kill("")), (0, 0, 0));
        assert_eq!((streams.kill("1"), dead()), (1, [true, false, false]));
        assert_eq!((streams.kill("b"), dead()), (2, [true, true, true]));
    }

    #[test]
    fn a_request_id_cannot_pass_for_anothers_number() {
        let streams = Arc::new(Streams::default());
        let (one, two) = (streams.begin(beginning("2")), streams.begin(beginning("x")));
        assert_eq!(streams.kill("2"), 1);
        assert!(!one.killed.load(Ordering::Relaxed) && two.killed.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn who_is_killed_before_it_listens_hears_it_all_the_same() {
        let streams = Arc::new(Streams::default());
        let live = streams.begin(beginning("a"));
        streams.kill("a");
        live.killed().await;
    }

    #[test]
    fn what_it_took_is_reckoned_until_the_provider_tells() {
        let streams = Arc::new(Streams::default());
        let live = streams.begin(beginning("a"));
        assert_eq!((live.used(), live.cost()), (Usage::default(), None));
        let price = Price { input: 1_000_000, output: 2_000_000, cached_input: 1_000_000 };
        let gauge = Gauge { ratios: Arc::default(), price: Some(price), prompt_bytes: 400 };
        live.goes(Way {
            model: "m".into(),
            place: Some(("ai".into(), "one".into())),
            attempts: 1,
            streamed: None,
            gauge: Some(gauge),
        });
        assert_eq!((live.used().prompt, live.used().completion, live.cost()), (Some(100), None, Some(100)));
        live.passed(&Usage::default(), 40);
        assert_eq!((live.used().completion, live.cost()), (Some(10), Some(120)));
        live.passed(&Usage { prompt: Some(7), completion: Some(50), ..Usage::default() }, 40);
        assert_eq!((live.used().prompt, live.used().completion), (Some(7), Some(50)));
    }
}
