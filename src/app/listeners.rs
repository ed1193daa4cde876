//! Every bind of the configuration, bound but not yet open.

use anyhow::Context as _;

use crate::listen::bind::{Bound, Listener, SocketFile, bind};
use crate::runtime::snapshot::Snapshot;

pub struct Listeners {
    /// In the order of [`Snapshot::binds`], each with the name of its frontend.
    bound: Vec<(String, Bound)>,
}

/// Every bind, open: for each worker thread one listener of each, in the order of [`Snapshot::binds`].
pub struct Open {
    pub of_threads: Vec<Vec<Listener>>,
    /// To be kept as long as anybody listens.
    pub files: Vec<SocketFile>,
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
                let bound = bind(&to.address, threads)
                    .with_context(|| format!("frontend `{frontend}`: cannot listen on {}", to.address))?;
                Ok((frontend.to_string(), bound))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Listeners { bound })
    }

    /// Where each bind listens, ports that were 0 resolved, with the name of its frontend.
    pub fn addresses(&self) -> Vec<(String, String)> {
        self.bound.iter().map(|(frontend, bound)| (frontend.clone(), bound.address.to_string())).collect()
    }

    /// Lets clients in.
    ///
    /// # Errors
    /// Somebody took a port meanwhile.
    pub fn open(self, threads: usize) -> anyhow::Result<Open> {
        let mut open = Open { of_threads: (0..threads).map(|_| Vec::new()).collect(), files: Vec::new() };
        for (frontend, bound) in self.bound {
            let address = bound.address.clone();
            let (listeners, file) =
                bound.open().with_context(|| format!("frontend `{frontend}`: cannot listen on {address}"))?;
            for (thread, listener) in open.of_threads.iter_mut().zip(listeners) {
                thread.push(listener);
            }
            open.files.extend(file);
        }
        Ok(open)
    }
}
