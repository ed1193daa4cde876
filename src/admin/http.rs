//! The admin listener: hyper on a runtime of its own. Every connection is bounded in time and number, so that neither
//! a scraper that hangs nor one that never reads can keep `/health` from being answered.

mod access;
mod api;
pub(in crate::admin) mod base64;
mod route;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use log::error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::admin::{View, spawn, trend};

/// Connections at once; more wait until one is closed.
const MOST_CONNECTIONS: usize = 256;
/// For the head of a request; also how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(15);
/// How long a connection may be used; then it ends after the answer in hand.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long that last answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// Rest after a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the runtime ends: also after a stop was ordered, so that `/ready` can say so.
pub async fn serve(listener: TcpListener, view: Arc<View>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // At the start there is nothing to be read yet.
    let mut readings = interval_at(Instant::now() + trend::EVERY, trend::EVERY);
    readings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = false;
    loop {
        let next = async {
            let place = room.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::pin!(next);
        let (accepted, place) = loop {
            tokio::select! {
                next = &mut next => break next,
                _ = readings.tick() => view.keep_reading(),
                _ = stop.wait_for(|stop| *stop), if !stopped => {
                    stopped = true;
                    view.draining.store(true, Ordering::Relaxed);
                }
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                let view = view.clone();
                spawn(async move {
                    talk(stream, peer.ip(), view).await;
                    drop(place);
                });
            }
            Err(e) => {
                error!("admin.listen: no connection can be taken: {e}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection to its end. Errors are the client's, and nobody asks for them.
async fn talk(stream: TcpStream, peer: IpAddr, view: Arc<View>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(view.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(LIFETIME) => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(LAST_ANSWER, connection).await;
}

async fn answer(
    view: Arc<View>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path().starts_with(api::ROOT) {
        return Ok(api::answer(&view, peer, request).await);
    }
    Ok(route::answer(&view, request.method(), request.uri(), request.headers()))
}
