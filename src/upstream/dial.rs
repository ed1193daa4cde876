//! TCP to a server: the addresses of its name in turn, each with an even share of the time before the next is tried too.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;

use crate::runtime::target::{Addresses, Target};
use crate::upstream::connect::ConnectError;

/// The first connection to any of the addresses. One that is slow is not given up when its share is over, only no longer
/// waited for alone: it may be the one that works.
pub(super) async fn dial(target: &Target, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let addresses = &*target.place();
    let mut order = addresses.in_turn().into_iter();
    let share = timeout / u32::try_from(order.len().max(1)).unwrap_or(1);
    let Some(first) = order.next() else {
        return Err(ConnectError::Unresolved(addresses.host.clone()));
    };
    if order.len() == 0 {
        return TcpStream::connect(first).await.map_err(ConnectError::Connect);
    }
    let mut running = FuturesUnordered::new();
    let mut waiting = vec![first];
    running.push(one(first));
    loop {
        let Ok(tried) = pingora_timeout::timeout(share, running.next()).await else {
            // Too slow to wait for: the next one is tried beside it.
            if let Some(next) = order.next() {
                waiting.push(next);
                running.push(one(next));
            }
            continue;
        };
        match tried {
            Some((address, Ok(tcp))) => {
                addresses.well(address);
                slower(addresses, &waiting, address);
                return Ok(tcp);
            }
            Some((address, Err(e))) => {
                addresses.pass_over(address);
                waiting.retain(|other| *other != address);
                match order.next() {
                    Some(next) => {
                        waiting.push(next);
                        running.push(one(next));
                    }
                    None if running.is_empty() => return Err(ConnectError::Connect(e)),
                    None => {}
                }
            }
            None => return Err(ConnectError::Timeout(timeout)),
        }
    }
}

async fn one(address: SocketAddr) -> (SocketAddr, io::Result<TcpStream>) {
    (address, TcpStream::connect(address).await)
}

/// Those that had begun before the one that worked have had their share.
fn slower(addresses: &Addresses, waiting: &[SocketAddr], winner: SocketAddr) {
    for address in waiting.iter().take_while(|address| **address != winner) {
        addresses.pass_over(*address);
    }
}
