//! What goes wrong when: phases of one fault each, all of it following from a seed.

use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    Well,
    /// The right answer, later.
    Slow,
    /// The right answer, in small pieces with pauses between them.
    Drip,
    /// Nobody listens; a request on a connection that is there already finds it reset.
    Refuse,
    /// Accepts a connection, then resets it.
    ResetAtOnce,
    /// Reads the request, then resets the connection.
    ResetUnanswered,
    /// Reads the request, then closes the connection.
    CloseUnanswered,
    ResetInHead,
    StallBeforeHead,
    /// A stream that says 200 and its first event, without content, then no more.
    StallAfterHead,
    /// Answers something that is not HTTP.
    Garbage,
    /// A stream that ends before the length it promised and before any content; a plain answer whose length is no number.
    LyingLength,
    /// A stream that says 200, then an error.
    ErrorEventFirst,
    /// A stream that says 200 and its first event, without content, then closes.
    CutBeforeContent,
    /// 429 with Retry-After.
    RateLimited,
    /// 429 with the rate limit headers of a provider.
    QuotaExhausted,
    ServerError,
    Unavailable,
    /// Sends some of the content, then no more: what no proxy can hide when the server is gone then.
    StallAfterContent,
}

impl Fault {
    /// Every fault that a proxy can keep from the client while another server is well. Those that are about the
    /// beginning of a stream are their like before the head when the answer is no stream.
    pub const HIDEABLE: [Fault; 17] = [
        Fault::Slow,
        Fault::Drip,
        Fault::Refuse,
        Fault::ResetAtOnce,
        Fault::ResetUnanswered,
        Fault::CloseUnanswered,
        Fault::ResetInHead,
        Fault::StallBeforeHead,
        Fault::StallAfterHead,
        Fault::Garbage,
        Fault::LyingLength,
        Fault::ErrorEventFirst,
        Fault::CutBeforeContent,
        Fault::RateLimited,
        Fault::QuotaExhausted,
        Fault::ServerError,
        Fault::Unavailable,
    ];
}

/// The faults of one server over time; past the last phase it is well.
#[derive(Clone, Debug)]
pub struct Schedule {
    seed: Option<u64>,
    /// Each with the time it ends at.
    phases: Vec<(Duration, Fault)>,
}

impl Schedule {
    /// The same one for ever.
    pub fn always(fault: Fault) -> Schedule {
        Schedule { seed: None, phases: vec![(Duration::MAX, fault)] }
    }

    /// For `whole` time a fault, then well, then a fault, for 200 ms to 1.5 s each. Every one of `faults` comes once, in
    /// an order of chance, before one comes again.
    pub fn new(seed: u64, faults: &[Fault], whole: Duration) -> Schedule {
        let mut chance = Chance(seed);
        let (mut phases, mut deck, mut at) = (Vec::new(), Vec::new(), Duration::ZERO);
        while at < whole {
            if deck.is_empty() {
                deck = faults.to_vec();
            }
            let fault = deck.swap_remove(chance.below(deck.len() as u64) as usize);
            for fault in [fault, Fault::Well] {
                at += Duration::from_millis(200 + chance.below(1300));
                phases.push((at.min(whole), fault));
            }
        }
        Schedule { seed: Some(seed), phases }
    }

    pub fn at(&self, elapsed: Duration) -> Fault {
        let next = self.phases.partition_point(|&(end, _)| end <= elapsed);
        self.phases.get(next).map_or(Fault::Well, |&(_, fault)| fault)
    }
}

/// For the message of a test that failed.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seed) = self.seed {
            write!(f, "seed {seed}:")?;
        }
        for (end, fault) in &self.phases {
            write!(f, " {fault:?} until {end:.1?},")?;
        }
        write!(f, " then well")
    }
}

/// Numbers by chance from a seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    /// 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}
