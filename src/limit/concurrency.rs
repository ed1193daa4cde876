//! Requests of a client in flight at once: from admission until the permit is dropped, at the end of the stream.

use std::time::Duration;

use crate::stick::Entry;

/// What a client is told to wait for one of its own requests to end, which nobody can know.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// Whether one more fits.
pub(super) fn fits(entry: &Entry<'_>, limit: Option<u32>) -> bool {
    limit.is_none_or(|limit| entry.in_flight() < limit)
}
