//! Reads one HTTP/1 request head: nothing is held while the connection is idle, the whole head has one deadline, and
//! its bytes are checked before anything interprets them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use crate::transport::io::{Io, Wire};
use crate::wire::{Framing, HeadFault, HeadLimits, check_request_head, head_end};

/// What became of waiting for a request.
pub enum Head {
    /// A whole head that passed every check, and the body that it announces; what came behind it was given back to the
    /// stream.
    Request(BytesMut, Framing),
    /// The client closed, or was silent for the whole idle time, without having begun a request.
    Idle,
    /// Refused; what was read of it, for the log.
    Fault(HeadFault, BytesMut),
    /// The deadline for the whole head ran out.
    TooSlow(BytesMut),
    /// The client closed in the middle of the head.
    Cut(BytesMut),
}

/// The first bytes of a request, at most 4 KB, read without owning a buffer while waiting. `None`: closed.
pub async fn first_bytes<S>(io: &mut Io<S>) -> io::Result<Option<BytesMut>>
where
    S: Wire,
{
    poll_fn(|cx| {
        let mut space = [std::mem::MaybeUninit::<u8>::uninit(); 4096];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
        let got = buffer.filled();
        Poll::Ready(Ok((!got.is_empty()).then(|| {
            let mut bytes = BytesMut::with_capacity(got.len().max(1024));
            bytes.extend_from_slice(got);
            bytes
        })))
    })
    .await
}

/// Reads the rest of a head that began with `first`, and checks it.
pub async fn rest<S>(io: &mut Io<S>, first: BytesMut, deadline: Duration, limits: &HeadLimits) -> Head
where
    S: Wire,
{
    let mut head = first;
    let mut scanned = 0;
    // Most heads come whole: no timer for them.
    if let Some(done) = inspect(io, &mut head, &mut scanned, limits) {
        return done;
    }
    let whole = async {
        loop {
            match first_bytes(io).await {
                Ok(Some(more)) => head.extend_from_slice(&more),
                Ok(None) | Err(_) => return Head::Cut(std::mem::take(&mut head)),
            }
            if let Some(done) = inspect(io, &mut head, &mut scanned, limits) {
                return done;
            }
        }
    };
    match pingora_timeout::timeout(deadline, whole).await {
        Ok(done) => done,
        Err(_) => Head::TooSlow(head),
    }
}

/// `None` while the head is neither whole nor wrong.
fn inspect<S>(io: &mut Io<S>, head: &mut BytesMut, scanned: &mut usize, limits: &HeadLimits) -> Option<Head>
where
    S: Wire,
{
    match head_end(head, *scanned, limits) {
        Ok(None) => {
            *scanned = head.len();
            None
        }
        Ok(Some(whole)) => {
            let (start, end) = (whole.start, whole.end);
            if head.len() > end {
                io.unread(&head[end..]);
                head.truncate(end);
            }
            if start > 0 {
                let _ = head.split_to(start);
            }
            let head = std::mem::take(head);
            Some(match check_request_head(&head, limits) {
                Ok(framing) => Head::Request(head, framing),
                Err(fault) => Head::Fault(fault, head),
            })
        }
        Err(fault) => Some(Head::Fault(fault, std::mem::take(head))),
    }
}
