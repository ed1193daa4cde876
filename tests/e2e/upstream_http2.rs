//! HTTP/2 towards servers that choose it: a client cannot tell which version a server speaks.

mod choice;
mod faults;
mod foreign;
mod goodbye;
mod heads;
mod many;

use crate::support::h2_front::{Front, Ground};
use crate::support::h2_server::{Exchange, H2Server, Speaks};

/// tidegate with one worker thread over a server with that script; `backend`: what the backend has besides, indented by
/// four.
#[track_caller]
fn front<F: Future<Output = ()> + 'static>(
    backend: &str,
    script: impl Fn(Exchange) -> F + Send + 'static,
) -> (Front, H2Server) {
    let ground = Ground::new();
    let server = H2Server::start(&ground.config, &Speaks::default(), script);
    let front = ground.front(backend, &server.url());
    (front, server)
}

/// Answers with 200 and `{"server":"h2"}`.
async fn well(mut exchange: Exchange) {
    exchange.well().await;
}
