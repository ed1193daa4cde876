//! How the next server of a tier is chosen. An algorithm sees positions and candidates, never servers; it takes the one
//! it chose at once, so that a limit is never passed between choosing and taking.

use self::round_robin::RoundRobin;

pub mod round_robin;

/// `backends.*.balance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    RoundRobin,
}

impl Kind {
    /// HAProxy's word for it, as in the `algo` column.
    pub fn haproxy_name(self) -> &'static str {
        match self {
            Kind::RoundRobin => "roundrobin",
        }
    }
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

#[derive(Debug)]
pub enum Balance {
    RoundRobin(RoundRobin),
}

impl Balance {
    pub fn new(kind: Kind, servers: usize) -> Balance {
        match kind {
            Kind::RoundRobin => Balance::RoundRobin(RoundRobin::new(servers)),
        }
    }

    /// Chooses among positions `0..count`. `take` may refuse the chosen one (it filled up meanwhile): then the next
    /// best is chosen.
    pub fn choose<T>(
        &self,
        count: usize,
        look: impl Fn(usize) -> Candidate,
        take: impl Fn(usize) -> Option<T>,
    ) -> Choice<T> {
        if count == 1 {
            return match look(0) {
                Candidate::Out | Candidate::Weight(0) => Choice::Empty,
                Candidate::Full => Choice::Full,
                Candidate::Weight(_) => take(0).map_or(Choice::Full, Choice::Taken),
            };
        }
        match self {
            Balance::RoundRobin(round_robin) => round_robin.choose(look, take),
        }
    }
}
