//! Who asks, in figures and in the ledger: a client of the configuration by its name, one whose key only its server can
//! judge by the beginning of the key's digest, one without a key by no name.

use std::fmt::Write;
use std::sync::Arc;

use crate::auth::Identity;
use crate::observe::stats::{ClientStats, Session};
use crate::proxy::context::Context;

/// Bytes of a digest that stand for the client.
const SHOWN: usize = 6;

/// The client's cells, and its being counted there among those in progress.
pub struct Asker {
    pub stats: Arc<ClientStats>,
    _session: Session,
}

/// Counts a request of a client that the configuration names. One that it does not name counts when it turns out to be a
/// call: others may be millions.
pub fn meet(context: &mut Context) {
    if context.asker.is_some() {
        return;
    }
    let named = context.client_key().map(|client| client.stats.clone());
    let stats = match named {
        Some(stats) => stats,
        None if context.call.is_some() => context.worker.shared.state.client_stats(&name(&context.identity)),
        None => return,
    };
    let session = stats.request(context.now());
    context.asker = Some(Asker { stats, _session: session });
}

/// Empty: anonymous.
pub fn name(identity: &Identity) -> Arc<str> {
    match identity {
        Identity::Known(client) => client.name.clone(),
        Identity::Passthrough { digest } => {
            let mut name = String::from("key:");
            for byte in digest.iter().take(SHOWN) {
                let _ = write!(name, "{byte:02x}");
            }
            name.into()
        }
        Identity::Anonymous | Identity::Rejected(_) => Arc::default(),
    }
}
