//! The runtime socket, which speaks as HAProxy's does (management guide, 9.3): a line holds commands separated by `;`,
//! each answer ends with an empty line, and the connection is closed; after `prompt` it stays.

mod change;
mod command;
mod counters;
mod errors;
mod events;
mod history;
mod info;
pub(in crate::admin) mod orders;
mod servers;
mod sessions;
mod streams;
mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use log::error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::admin::audit::{self, Outcome};
use crate::admin::socket::command::{Answer, Reply};
use crate::admin::{View, spawn};

pub use counters::Cleared;

/// Connections at once; more wait until one is closed.
const MOST_CONNECTIONS: usize = 32;
/// Of a line of commands, in bytes.
const LONGEST_LINE: u64 = 16 * 1024;
/// How long the first line, and taking an answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an interactive session may be silent.
const SESSION: Duration = Duration::from_secs(600);
/// Rest after a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers commands until the runtime ends: also while draining, when an operator wants to see most.
pub async fn serve(listener: UnixListener, view: Arc<View>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut stopped = false;
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break accepted,
                _ = stop.wait_for(|stop| *stop), if !stopped => {
                    stopped = true;
                    view.draining.store(true, Ordering::Relaxed);
                }
            }
        };
        match accepted {
            Ok((stream, _)) => {
                let view = view.clone();
                spawn(async move {
                    // Whoever is on the other side has gone: there is nobody to tell.
                    let _ = converse(stream, &view).await;
                    drop(place);
                });
            }
            Err(e) => {
                error!("admin.socket: no connection can be taken: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, view: &Arc<View>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    let mut interactive = false;
    loop {
        let patience = if interactive { SESSION } else { PATIENCE };
        let Ok(line) = timeout(patience, read_line(&mut reader)).await else { return Ok(()) };
        let Some(line) = line? else { return Ok(()) };
        let Some(line) = line else {
            let message = format!("Line too long: at most {LONGEST_LINE} bytes.\n\n");
            return send(&mut write, message.as_bytes()).await;
        };
        for command in line.split(';') {
            match command::run(command, view, interactive) {
                Reply::Answer(answer) => deliver(&mut write, answer).await?,
                Reply::Change(change) => {
                    let outcome = change.as_ref().map_or_else(|why| Outcome::Refused(why), |_| Outcome::Done);
                    audit::write(&who(&write), command, outcome);
                    let (Ok(text) | Err(text)) = change;
                    send(&mut write, text.as_bytes()).await?;
                }
                Reply::Order(order) => {
                    let who = who(&write);
                    let answer = view.order(order, &who).await;
                    audit::write(&who, command, Outcome::of(&answer));
                    send(&mut write, orders::in_words(&answer).as_bytes()).await?;
                }
                Reply::Prompt => interactive = !interactive,
                Reply::Quit => return Ok(()),
            }
            send(&mut write, b"\n").await?;
        }
        if interactive {
            send(&mut write, b"> ").await?;
        } else if reader.buffer().is_empty() {
            return write.shutdown().await;
        }
    }
}

/// For the log and the history.
fn who(write: &OwnedWriteHalf) -> String {
    let user = write.as_ref().peer_cred().map(|credentials| credentials.uid());
    user.map_or_else(|_| "socket".to_owned(), |user| format!("socket uid {user}"))
}

/// `None`: the end. `Some(None)`: longer than a line may be.
async fn read_line(reader: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<Option<String>>> {
    let mut line = Vec::new();
    let read = reader.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
        return Ok(Some(None));
    }
    Ok(Some(Some(String::from_utf8_lossy(&line).trim().to_owned())))
}

async fn deliver(write: &mut OwnedWriteHalf, answer: Answer) -> std::io::Result<()> {
    match answer {
        Answer::Text(text) => send(write, text.as_bytes()).await,
        Answer::Parts(mut parts) => {
            while let Some(part) = parts.recv().await {
                send(write, part.as_bytes()).await?;
            }
            Ok(())
        }
    }
}

/// Gives up on one who does not read.
async fn send(write: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    for part in bytes.chunks(64 * 1024) {
        timeout(PATIENCE, write.write_all(part)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    }
    Ok(())
}
