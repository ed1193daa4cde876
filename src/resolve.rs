//! Keeps the addresses of host names fresh, off the request path: the system's own resolver, on its own threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};

use crate::runtime::addresses::Addresses;
use crate::runtime::events;
use crate::runtime::snapshot::Snapshot;
use crate::runtime::state::State;
use crate::runtime::store::Store;

/// How often a name is looked up again. The system's resolver tells no TTL.
const REFRESH: Duration = Duration::from_secs(30);
/// How often while a name has no address.
const RETRY: Duration = Duration::from_secs(5);
/// How long one look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks up every name once, all at the same time. [`mark`] says what came of it.
pub async fn first(snapshot: &Snapshot) {
    futures::future::join_all(names(snapshot).into_iter().map(look_up)).await;
}

/// Every name once, however many servers share it. Only those in use: one that left the configuration is of no interest.
fn names(snapshot: &Snapshot) -> Vec<&Addresses> {
    let servers = snapshot.backends.iter().flat_map(|backend| &backend.servers);
    let mut names: Vec<&Addresses> = servers.map(|server| &*server.target.addresses).collect();
    names.sort_by_key(|addresses| std::ptr::from_ref(*addresses));
    names.dedup_by(|one, other| std::ptr::eq(*one, *other));
    names
}

/// A server whose name has no address takes no traffic, checked or not.
pub fn mark(state: &State, snapshot: &Snapshot) {
    for backend in &snapshot.backends {
        for (index, (server, member)) in backend.servers.iter().zip(backend.pool.members()).enumerate() {
            let lost = server.target.place().load().is_empty();
            if let Some(change) = member.server.set_lost(lost, state.clock.now()) {
                events::server_changed(state, backend, index, &change);
            }
        }
    }
}

/// Looks up every name again and again.
pub async fn keep_fresh(state: Arc<State>, store: Arc<Store>) {
    let mut since_refresh = Duration::ZERO;
    loop {
        tokio::time::sleep(RETRY).await;
        since_refresh += RETRY;
        let all = since_refresh >= REFRESH;
        if all {
            since_refresh = Duration::ZERO;
        }
        let snapshot = store.load();
        let due = names(&snapshot).into_iter().filter(|addresses| all || addresses.load().is_empty());
        futures::future::join_all(due.map(look_up)).await;
        mark(&state, &store.load());
    }
}

/// A name that cannot be resolved keeps the addresses that it had.
async fn look_up(addresses: &Addresses) {
    if addresses.host.parse::<std::net::IpAddr>().is_ok() {
        return;
    }
    let (host, port) = (addresses.host.as_str(), addresses.port);
    let found = match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect::<Vec<SocketAddr>>(),
        Ok(Err(e)) => return unresolved(addresses, &e.to_string()),
        Err(_) => return unresolved(addresses, "no answer from the resolver in time"),
    };
    if found.is_empty() {
        return unresolved(addresses, "the name has no address");
    }
    let list = format!("{found:?}");
    if addresses.replace(found) {
        info!("{host} resolves to {list}");
    }
}

fn unresolved(addresses: &Addresses, why: &str) {
    let old = addresses.load();
    if old.is_empty() {
        warn!("{} cannot be resolved, its servers get no traffic: {why}", addresses.host);
    } else {
        warn!("{} cannot be resolved, its last addresses {old:?} stay in use: {why}", addresses.host);
    }
}
