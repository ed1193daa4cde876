//! Every bind of the configuration, bound but not yet open.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::listen::bind::{Bound, bind};
use crate::runtime::snapshot::Snapshot;

pub struct Listeners {
    /// In the order of [`Snapshot::binds`].
    pub bound: Vec<(String, Bound)>,
}

impl Listeners {
    /// # Errors
    /// An address that is taken or not ours; all of them are let go then.
    pub fn bind(snapshot: &Snapshot, threads: usize) -> anyhow::Result<Listeners> {
        let bound = snapshot
            .binds
            .iter()
            .map(|to| {
                let frontend = &snapshot.frontends[to.frontend].name;
                let bound = bind(to.address, threads)
                    .with_context(|| format!("frontend `{frontend}`: cannot listen on {}", to.address))?;
                Ok((frontend.to_string(), bound))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Listeners { bound })
    }

    /// Frontends and where they listen, ports that were 0 resolved.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.bound.iter().map(|(frontend, bound)| (frontend.clone(), bound.address)).collect()
    }
}
