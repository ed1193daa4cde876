//! How the next server of a tier is chosen. An algorithm sees positions and candidates, never servers; it takes the one
//! it chose at once, so that a limit is never passed between choosing and taking.

use self::first::first;
use self::hash::Hash;
use self::least_conn::LeastConn;
use self::random::random;
use self::round_robin::RoundRobin;
use crate::base::clock::Tick;

mod first;
pub mod hash;
mod latency;
mod least_conn;
mod lottery;
mod random;
mod round_robin;

/// `backends.*.balance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    RoundRobin,
    LeastConn,
    Latency,
    /// Of what, the caller knows: it gives the [`Draw::key`].
    Hash,
    First,
    Random,
}

impl Kind {
    /// HAProxy's word for it, as in the `algo` column; it has none for `latency`.
    pub fn haproxy_name(self) -> &'static str {
        match self {
            Kind::RoundRobin => "roundrobin",
            Kind::LeastConn => "leastconn",
            Kind::Latency => "latency",
            Kind::Hash => "hash",
            Kind::First => "first",
            Kind::Random => "random",
        }
    }
}

/// What one choice may depend on beside the servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draw {
    /// What a hash is made of, as [`hash::key`] has it; `None`: the request has no value there.
    pub key: Option<u64>,
    /// New for each choice, all bits alike.
    pub random: u64,
    pub now: Tick,
}

/// Makes every bit depend on every bit.
pub(super) fn mixed(bits: u64) -> u64 {
    lottery::mix(bits)
}

/// What a server is to one choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// Not usable, or not wanted this time.
    Out,
    /// Usable, but without room.
    Full,
    /// May be taken; never 0.
    Weight(u32),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Choice<T> {
    Taken(T),
    /// There are candidates, but none has room.
    Full,
    /// No candidate at all.
    Empty,
}

/// The servers of one tier as an algorithm sees them: by position, in the order of the configuration.
pub trait Servers {
    type Taken;

    fn count(&self) -> usize;

    fn look(&self, position: usize) -> Candidate;

    /// Requests on it now; a stream counts until its end.
    fn in_flight(&self, position: usize) -> u32;

    /// What the time to its first byte is thought to be now, in microseconds; `None`: nothing is known of it.
    fn first_byte(&self, position: usize) -> Option<f64>;

    /// Takes a place on it; `None`: it filled up meanwhile, and the next best is to be chosen.
    fn take(&self, position: usize) -> Option<Self::Taken>;

    /// The candidates with room, and their weights.
    fn open(&self) -> impl Iterator<Item = (usize, u32)> {
        (0..self.count()).filter_map(|position| match self.look(position) {
            Candidate::Weight(weight) if weight > 0 => Some((position, weight)),
            _ => None,
        })
    }

    /// What it means that nobody could be taken. One that has room by now was full a moment ago: to say that there is
    /// nobody would be an error for the client, to wait is not.
    fn none_taken(&self, refused: bool) -> Choice<Self::Taken> {
        let usable = || (0..self.count()).any(|position| self.look(position) != Candidate::Out);
        if refused || usable() { Choice::Full } else { Choice::Empty }
    }
}

#[derive(Debug)]
pub enum Balance {
    RoundRobin(RoundRobin),
    LeastConn(LeastConn),
    Latency,
    Hash(Hash),
    First,
    Random,
}

impl Balance {
    /// `names` are those of the servers, in the order of their positions.
    pub fn new<'a>(kind: Kind, names: impl ExactSizeIterator<Item = &'a str>) -> Balance {
        match kind {
            Kind::RoundRobin => Balance::RoundRobin(RoundRobin::new(names.len())),
            Kind::LeastConn => Balance::LeastConn(LeastConn::new(names.len())),
            Kind::Latency => Balance::Latency,
            Kind::Hash => Balance::Hash(Hash::new(names)),
            Kind::First => Balance::First,
            Kind::Random => Balance::Random,
        }
    }

    pub fn choose<S: Servers>(&self, servers: &S, draw: Draw) -> Choice<S::Taken> {
        if servers.count() == 1 {
            return first(servers);
        }
        match self {
            Balance::RoundRobin(round_robin) => round_robin.choose(servers),
            Balance::LeastConn(least_conn) => least_conn.choose(servers),
            Balance::Latency => latency::latency(servers, draw.random),
            Balance::Hash(hash) => hash.choose(servers, draw.key),
            Balance::First => first(servers),
            Balance::Random => random(servers, draw.random),
        }
    }
}

#[cfg(test)]
mod tests;
