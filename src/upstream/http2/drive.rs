//! Moves the frames of a connection until it ends, and ends it when its server is gone without a word.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::link::State;

/// A server that says nothing for so long while streams wait is asked whether it is still there.
pub const QUIET: Duration = Duration::from_secs(10);
/// How long it has to answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs as a task of its own on the thread that opened the connection. Whatever ends it, streams that are still open
/// learn of it.
pub async fn drive<S>(mut connection: Connection<S, Bytes>, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pings = connection.ping_pong();
    let mut death = pin!(death(pings, state.clone()));
    poll_fn(|cx| {
        let ended = Pin::new(&mut connection).poll(cx).is_ready();
        state.learn(connection.max_concurrent_send_streams());
        if ended || death.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    state.end();
}

/// Over when the server does not answer a PING, or does not let us say goodbye.
async fn death(mut pings: Option<PingPong>, state: Arc<State>) {
    loop {
        sleep(QUIET.saturating_sub(state.silence()).max(Duration::from_millis(1))).await;
        if state.silence() < QUIET {
            continue;
        }
        if state.is_left() {
            return;
        }
        if !state.is_active() {
            sleep(QUIET).await;
            continue;
        }
        let Some(pings) = &mut pings else { return std::future::pending().await };
        match timeout(PATIENCE, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection is ending, or the last PING was never answered.
            Ok(Err(_)) => {
                sleep(PATIENCE).await;
                if state.silence() >= PATIENCE {
                    return;
                }
            }
            Err(_) if state.silence() >= PATIENCE => return,
            Err(_) => {}
        }
    }
}
