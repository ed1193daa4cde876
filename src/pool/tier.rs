//! One tier of a backend: the servers that share a number, and the balancer that turns among them. The lowest tier with
//! a usable server is the active one.

use super::Member;
use super::balance::{Balance, Kind};

#[derive(Debug)]
pub struct Tier {
    pub number: u32,
    /// Positions in the pool's list of members.
    pub(super) indexes: Vec<usize>,
    pub(super) balance: Balance,
}

/// Who takes first attempts. A change of `active` is a failover or a failback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The number of the tier; `None` when nothing is usable.
    pub active: Option<u32>,
    /// The number of the tier that helps it out, see `tiers.help_below`.
    pub helping: Option<u32>,
}

impl Tier {
    /// The tiers of `members`, lowest number first, each in the order of the configuration.
    pub(super) fn group(members: &[Member], kind: Kind) -> Vec<Tier> {
        let mut numbers: Vec<u32> = members.iter().map(|member| member.tier).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let indexes_of = |number| {
            let own = |(index, member): (usize, &Member)| (member.tier == number).then_some(index);
            members.iter().enumerate().filter_map(own).collect::<Vec<usize>>()
        };
        let tier = |number| {
            let indexes: Vec<usize> = indexes_of(number);
            let names =
                indexes.iter().map(|index| members.get(*index).map_or("", |member| member.server.name()));
            let balance = Balance::new(kind, names);
            Tier { number, indexes, balance }
        };
        numbers.into_iter().map(tier).collect()
    }
}
