//! What an operator changes of a server at run time, at whichever door: its state, its weight, its limit. It holds until it is
//! taken back, over reloads and not over a restart. Each change is one line in the log.

use std::fmt;
use std::num::NonZeroU32;

use log::info;

use crate::admin::View;
use crate::pool::server::Admin;
use crate::pool::{Change, Member};
use crate::runtime::events;
use crate::runtime::snapshot::{Backend, Snapshot};

/// The heaviest that a server can be.
pub const MOST: u16 = 256;

/// Requests at once that a server can be limited to, as in the file.
pub const MOST_CONCURRENT: u32 = 1_000_000;

/// Where an order came from, as the log and the events tell it: `on the runtime socket`, `over HTTP`.
pub type Door = &'static str;

/// What there is none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Backend,
    Server,
}

pub struct Found<'a> {
    pub backend: &'a Backend,
    pub member: &'a Member,
    /// The server's position.
    pub index: usize,
}

/// # Errors
/// Which of the two names is of nothing.
pub fn find<'a>(snapshot: &'a Snapshot, backend: &str, server: &str) -> Result<Found<'a>, Missing> {
    let found = snapshot.backends.iter().find(|known| *known.name == *backend);
    let backend = found.ok_or(Missing::Backend)?;
    let mut members = backend.pool.members().iter().enumerate();
    let found = members.find(|(_, member)| member.server.name() == server);
    let (index, member) = found.ok_or(Missing::Server)?;
    Ok(Found { backend, member, index })
}

impl Found<'_> {
    pub fn set_state(&self, view: &View, admin: Admin, door: Door) {
        let (before, change) = self.member.server.set_admin(admin, view.state.clock.now());
        let ended = change.as_ref().filter(|_| before == admin);
        if before != admin {
            self.tell(view, door, format_args!("{} (was {})", word(admin), word(before)));
        } else if let Some(ended) = ended {
            let was = events::in_words(ended.from);
            self.tell(view, door, format_args!("{} (it was {was})", word(admin)));
        }
        self.note(view, door, change.as_ref());
    }

    /// At most [`MOST`].
    pub fn set_weight(&self, view: &View, weight: u16, door: Door) {
        let configured = self.member.weight;
        let (pool, before) = (&self.backend.pool, self.member.effective_weight());
        // Back at the configured one, it follows the file again.
        self.member.server.set_weight((weight != configured).then_some(weight));
        if weight == before {
            return;
        }
        self.tell(view, door, format_args!("weight {weight} (was {before}, configured {configured})"));
        // Without a weight it drains: the pool sees that when it settles.
        for (index, change) in pool.settle(view.state.clock.now()) {
            if index == self.index {
                self.note(view, door, Some(&change));
            } else {
                events::server_changed(&view.state, self.backend, index, &change);
            }
        }
        self.note(view, door, None);
    }

    /// `None` is no limit. At the configured one it follows the file again.
    pub fn set_limit(&self, view: &View, wanted: Option<NonZeroU32>, door: Door) {
        let (configured, before) = (self.member.max_concurrent, self.member.limit());
        let order = wanted.map_or(0, NonZeroU32::get);
        self.member.server.set_limit((wanted != configured).then_some(order));
        if wanted != before {
            let text = |limit: Option<NonZeroU32>| limit.map_or("none".to_owned(), |limit| limit.to_string());
            let [wanted, before, configured] = [wanted, before, configured].map(text);
            let change = format_args!("max_concurrent {wanted} (was {before}, configured {configured})");
            self.tell(view, door, change);
        }
    }

    /// The line in the log that is an operator's.
    pub fn tell(&self, view: &View, door: Door, change: fmt::Arguments<'_>) {
        let Backend { name, pool, .. } = self.backend;
        let now = view.state.clock.now();
        let (server, usable, all) = (&self.member.server, pool.usable_count(now), pool.members().len());
        let tier = pool.active_tier(now).map_or("none".to_owned(), |tier| tier.to_string());
        info!(
            "server {name}/{} is set to {change} {door}: {} in flight; {usable} of {all} servers usable, active tier {tier}",
            server.name(),
            server.in_flight()
        );
    }

    /// The event, where it is one, and what it means for the tiers.
    fn note(&self, view: &View, door: Door, change: Option<&Change>) {
        match change {
            Some(change) => events::server_ordered(&view.state, self.backend, self.index, change),
            None => events::tiers(&view.state, self.backend, Some(&format_args!("an order {door}"))),
        }
    }
}

/// As both doors write it.
pub fn word(admin: Admin) -> &'static str {
    match admin {
        Admin::Ready => "ready",
        Admin::Drain => "drain",
        Admin::Maint => "maint",
    }
}

pub fn from_word(word: &str) -> Option<Admin> {
    [Admin::Ready, Admin::Drain, Admin::Maint].into_iter().find(|admin| self::word(*admin) == word)
}
