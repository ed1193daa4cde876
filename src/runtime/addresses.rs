//! The addresses of a host name: all are used in turn, but for those where a connection failed a moment ago.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::base::clock;

/// How long an address is passed over where no connection could be made, in ms.
const PASSED_OVER: u64 = 10_000;

/// The addresses of a host name, replaced whenever it is resolved again. Empty until the name was resolved once.
#[derive(Debug)]
pub struct Addresses {
    pub host: String,
    pub port: u16,
    list: ArcSwap<List>,
    /// Connections begun.
    turn: AtomicUsize,
    /// Changes whenever the list does.
    version: AtomicU64,
    /// What the times in the list count from.
    born: Instant,
}

/// Where an operator says that a server is, over what the file says. It is the server's own, whoever else is at its host.
#[derive(Debug, Default)]
pub struct Moved {
    to: ArcSwapOption<Addresses>,
    /// Of that address; 0: it is where the file says.
    mark: AtomicU64,
}

impl Moved {
    /// `None`: it is where the file says.
    pub fn load(&self) -> Option<Arc<Addresses>> {
        self.to.load_full()
    }

    /// Differs between any two addresses; 0: it is where the file says.
    pub fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    /// From now on it is there; `None`: where the file says.
    pub fn set(&self, address: Option<SocketAddr>) {
        let to =
            address.map(|address| Addresses::new(address.ip().to_string(), address.port(), vec![address]));
        self.to.store(to.map(Arc::new));
        self.mark.store(address.map_or(0, mark), Ordering::Release);
    }
}

fn mark(address: SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    hasher.finish().max(1)
}

#[derive(Debug)]
struct List {
    addresses: Arc<Vec<SocketAddr>>,
    /// Until when each is passed over, in ms; 0: it is not.
    passed_over: Vec<AtomicU64>,
}

impl List {
    fn new(addresses: Vec<SocketAddr>) -> List {
        let passed_over = addresses.iter().map(|_| AtomicU64::new(0)).collect();
        List { addresses: Arc::new(addresses), passed_over }
    }
}

impl Addresses {
    pub fn new(host: String, port: u16, list: Vec<SocketAddr>) -> Addresses {
        Addresses {
            host,
            port,
            list: ArcSwap::from_pointee(List::new(list)),
            turn: AtomicUsize::new(0),
            version: AtomicU64::new(0),
            born: clock::instant(),
        }
    }

    pub fn load(&self) -> Arc<Vec<SocketAddr>> {
        self.list.load().addresses.clone()
    }

    /// Changes whenever the list does.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// True when the list changed.
    pub fn replace(&self, mut list: Vec<SocketAddr>) -> bool {
        // Resolvers turn the order round; that is no change.
        list.sort_unstable();
        list.dedup();
        let old = self.list.load();
        let changed = *old.addresses != list;
        if changed {
            let new = List::new(list);
            for (address, passed_over) in new.addresses.iter().zip(&new.passed_over) {
                if let Some(index) = old.addresses.iter().position(|known| known == address) {
                    let until = old.passed_over.get(index).map_or(0, |until| until.load(Ordering::Relaxed));
                    passed_over.store(until, Ordering::Relaxed);
                }
            }
            self.list.store(Arc::new(new));
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        changed
    }

    /// The order in which the next connection tries them: each begins with another one, and those that failed a moment
    /// ago come last.
    pub fn in_turn(&self) -> Vec<SocketAddr> {
        let list = self.list.load();
        if let [only] = list.addresses[..] {
            return vec![only];
        }
        let now = self.elapsed();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (mut well, mut failed) = (Vec::with_capacity(list.addresses.len()), Vec::new());
        for (address, until) in list.addresses.iter().zip(&list.passed_over) {
            let passed_over = until.load(Ordering::Relaxed) > now;
            if passed_over { failed.push(*address) } else { well.push(*address) }
        }
        for part in [&mut well, &mut failed] {
            if !part.is_empty() {
                let first = turn % part.len();
                part.rotate_left(first);
            }
        }
        well.extend(failed);
        well
    }

    /// A connection to this one failed, or took longer than its share of the time.
    pub fn pass_over(&self, address: SocketAddr) {
        self.mark(address, self.elapsed() + PASSED_OVER);
    }

    /// A connection to this one succeeded.
    pub fn well(&self, address: SocketAddr) {
        self.mark(address, 0);
    }

    fn mark(&self, address: SocketAddr, until: u64) {
        let list = self.list.load();
        if let Some(index) = list.addresses.iter().position(|known| *known == address)
            && let Some(passed_over) = list.passed_over.get(index)
            && passed_over.load(Ordering::Relaxed) != until
        {
            passed_over.store(until, Ordering::Relaxed);
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 443))
    }

    #[test]
    fn an_operator_moves_a_server_and_takes_it_back() {
        let moved = Moved::default();
        assert!((moved.load().is_none(), moved.mark()) == (true, 0));
        moved.set(Some(at(1)));
        let first = moved.mark();
        assert_eq!(moved.load().map(|to| to.in_turn()), Some(vec![at(1)]));
        moved.set(Some(at(2)));
        assert!(moved.mark() != first && moved.mark() != 0);
        moved.set(None);
        assert!((moved.load().is_none(), moved.mark()) == (true, 0));
    }

    #[test]
    fn every_connection_begins_with_another_address() {
        let addresses = Addresses::new("a".into(), 443, vec![at(1), at(2), at(3)]);
        let firsts: Vec<_> = (0..6).map(|_| addresses.in_turn()[0]).collect();
        assert_eq!(firsts, [at(1), at(2), at(3), at(1), at(2), at(3)]);
        assert!((0..3).all(|_| addresses.in_turn().len() == 3));
    }

    #[test]
    fn one_that_failed_comes_last_until_it_succeeds() {
        let addresses = Addresses::new("a".into(), 443, vec![at(1), at(2), at(3)]);
        addresses.pass_over(at(2));
        assert!((0..9).all(|_| addresses.in_turn()[2] == at(2)));
        addresses.well(at(2));
        assert!((0..3).any(|_| addresses.in_turn()[0] == at(2)));
    }

    #[test]
    fn when_all_failed_all_are_tried() {
        let addresses = Addresses::new("a".into(), 443, vec![at(1), at(2)]);
        addresses.pass_over(at(1));
        addresses.pass_over(at(2));
        let firsts: Vec<_> = (0..2).map(|_| addresses.in_turn()[0]).collect();
        assert_eq!(firsts, [at(1), at(2)]);
    }

    #[test]
    fn a_new_list_keeps_what_is_known_of_the_old_addresses() {
        let addresses = Addresses::new("a".into(), 443, vec![at(1), at(2)]);
        addresses.pass_over(at(2));
        assert!(!addresses.replace(vec![at(2), at(1), at(2)]));
        assert_eq!(addresses.version(), 0);
        assert!(addresses.replace(vec![at(2), at(3)]));
        assert_eq!(addresses.version(), 1);
        assert!((0..4).all(|_| addresses.in_turn() == [at(3), at(2)]));
    }
}
