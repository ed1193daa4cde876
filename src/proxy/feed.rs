//! The request body between the client, who brings it, and the attempts, each of which reads it from its beginning at its
//! own pace. One task runs both: whoever brings a part polls the attempts afterwards, so that nobody has to be woken.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use pingora::http::ResponseHeader;

/// A part with fewer bytes is gathered with others.
const SMALL: usize = 4 * 1024;
/// Bytes of a buffer of gathered parts.
const GATHERED: usize = 16 * 1024;

/// An attempt is writing a part: the client is left alone meanwhile, so that it brings no more than servers take.
const BUSY: u8 = 1;
/// An attempt has sent all there is, and waits for more.
const WANTED: u8 = 2;
/// The server takes no more.
const REFUSED: u8 = 4;
/// A 1xx came.
const INTERIM: u8 = 8;

/// What came of a request body so far.
#[derive(Default)]
pub struct Feed {
    kept: Mutex<Kept>,
    flags: AtomicU8,
}

#[derive(Default)]
struct Kept {
    /// Large parts as they came, small ones gathered. Most bodies are one part; of more, each small one would cost many
    /// times what it holds.
    parts: Vec<Bytes>,
    /// What came last, in small parts.
    gathered: BytesMut,
    done: bool,
    interim: Vec<ResponseHeader>,
}

/// How far an attempt has read.
#[derive(Clone, Copy, Default)]
pub struct Cursor {
    part: usize,
    /// Bytes of that part.
    offset: usize,
}

pub enum Next {
    Part(Bytes),
    /// The client has not sent more yet.
    Later,
    End,
}

impl Feed {
    /// What it costs in memory to keep a part of this size.
    pub fn cost(&self, size: usize) -> usize {
        let kept = self.kept.lock();
        match (kept.gathers(size), kept.fits(size)) {
            (true, true) => 0,
            (true, false) => GATHERED,
            (false, _) => size + size_of::<Bytes>(),
        }
    }

    pub fn push(&self, part: Bytes) {
        let mut kept = self.kept.lock();
        let (gathers, fits) = (kept.gathers(part.len()), kept.fits(part.len()));
        if (!gathers || !fits) && !kept.gathered.is_empty() {
            let gathered = kept.gathered.split().freeze();
            kept.parts.push(gathered);
        }
        if !gathers {
            kept.parts.push(part);
            return;
        }
        if !fits {
            kept.gathered = BytesMut::with_capacity(GATHERED);
        }
        kept.gathered.extend_from_slice(&part);
    }

    /// The client has sent all of it.
    pub fn end(&self) {
        self.kept.lock().done = true;
    }

    /// Nothing is sent again from here on.
    pub fn forget(&self) {
        let mut kept = self.kept.lock();
        kept.parts = Vec::new();
        kept.gathered = BytesMut::new();
    }

    /// Everything so far, for who reads it through.
    pub fn parts(&self) -> Vec<Bytes> {
        let (mut cursor, mut parts) = (Cursor::default(), Vec::new());
        while let Next::Part(part) = self.next(&mut cursor) {
            parts.push(part);
        }
        parts
    }

    /// What comes behind the cursor.
    pub fn next(&self, cursor: &mut Cursor) -> Next {
        let kept = self.kept.lock();
        while let Some(part) = kept.parts.get(cursor.part) {
            let rest = part.slice(cursor.offset.min(part.len())..);
            *cursor = Cursor { part: cursor.part + 1, offset: 0 };
            // What was gathered may have been read before it became a part. An empty one would end a chunked body.
            if !rest.is_empty() {
                return Next::Part(rest);
            }
        }
        match kept.gathered.get(cursor.offset..) {
            Some(rest) if !rest.is_empty() => {
                cursor.offset = kept.gathered.len();
                Next::Part(Bytes::copy_from_slice(rest))
            }
            _ if kept.done => Next::End,
            _ => Next::Later,
        }
    }

    /// Waits until there is something behind the cursor. Whoever brings it polls this again.
    pub async fn more(&self, cursor: Cursor) {
        poll_fn(|_| {
            let kept = self.kept.lock();
            let ready = kept.done || cursor.part < kept.parts.len() || cursor.offset < kept.gathered.len();
            self.set(WANTED, !ready);
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits until all of it is here. Whoever brings it polls this again.
    pub async fn whole(&self) {
        poll_fn(|_| {
            let done = self.kept.lock().done;
            self.set(WANTED, !done);
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// One that is here already.
    pub fn of(parts: Vec<Bytes>) -> Feed {
        let kept = Kept { parts, done: true, ..Kept::default() };
        Feed { kept: Mutex::new(kept), flags: AtomicU8::default() }
    }

    fn set(&self, flag: u8, on: bool) {
        if on {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// An attempt begins: nothing is known of what its server takes.
    pub fn begin(&self) {
        self.flags.store(0, Ordering::Relaxed);
    }

    /// Whether a part is being written.
    pub fn is_busy(&self) -> bool {
        self.has(BUSY)
    }

    /// A part is being written until this is dropped, be it because nobody waits for it any more.
    pub fn busy(&self) -> Busy<'_> {
        self.set(BUSY, true);
        Busy(self)
    }

    /// Whether the server takes no more of the body.
    pub fn is_refused(&self) -> bool {
        self.has(REFUSED)
    }

    pub fn refuse(&self) {
        self.set(REFUSED, true);
    }

    /// Whether an attempt waits for more of the body.
    pub fn is_wanted(&self) -> bool {
        self.has(WANTED)
    }

    /// A 1xx for the client.
    pub fn inform(&self, head: ResponseHeader) {
        self.kept.lock().interim.push(head);
        self.set(INTERIM, true);
    }

    /// Whether there is a 1xx to pass on.
    pub fn has_interim(&self) -> bool {
        self.has(INTERIM)
    }

    pub fn take_interim(&self) -> Vec<ResponseHeader> {
        self.set(INTERIM, false);
        std::mem::take(&mut self.kept.lock().interim)
    }
}

pub struct Busy<'a>(&'a Feed);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(BUSY, false);
    }
}

impl Kept {
    fn gathers(&self, size: usize) -> bool {
        size < SMALL && !self.parts.is_empty()
    }

    fn fits(&self, size: usize) -> bool {
        self.gathered.capacity() - self.gathered.len() >= size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every reader gets all bytes in order, wherever it stood when the others came.
        #[test]
        fn all_readers_read_the_same(
            sizes in prop::collection::vec(prop_oneof![1usize..200, 3000usize..9000], 1..60),
            reads in prop::collection::vec(any::<bool>(), 60),
        ) {
            let feed = Feed::default();
            let (mut sent, mut early, mut cursor) = (Vec::new(), Vec::new(), Cursor::default());
            for (index, size) in sizes.into_iter().enumerate() {
                let part: Vec<u8> = (0..size).map(|i| u8::try_from((i + index) % 251).unwrap()).collect();
                sent.extend_from_slice(&part);
                feed.push(part.into());
                if reads[index]
                    && let Next::Part(part) = feed.next(&mut cursor)
                {
                    prop_assert!(!part.is_empty());
                    early.extend_from_slice(&part);
                }
            }
            feed.end();
            loop {
                match feed.next(&mut cursor) {
                    Next::Part(part) => {
                        prop_assert!(!part.is_empty());
                        early.extend_from_slice(&part);
                    }
                    Next::End => break,
                    Next::Later => unreachable!(),
                }
            }
            prop_assert_eq!(&early, &sent);
            prop_assert_eq!(feed.parts().concat(), sent);
        }
    }
}
