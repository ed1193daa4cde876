//! The guard against HTTP/2 floods: whether and where it trips does not depend on the pieces that the frames came in,
//! and no kind of frame goes beyond its budget. The input is what we have written so far (a byte, in units of 64 bytes),
//! then what follows the preface.

use tidegate::base::clock::Tick;
use tidegate::wire::Flood;
use tidegate::wire::h2_guard::Guard;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub fn run(input: &[u8]) {
    let Some((written, frames)) = input.split_first() else { return };
    let written = 64 * u64::from(*written);
    let bytes = [PREFACE, frames].concat();
    let whole = trip(&bytes, usize::MAX, written);
    for size in [1, 7, 64] {
        let found = trip(&bytes, size, written);
        // Where the header of the frame began in an earlier piece, the piece is what can be held back.
        let expected = whole.map(|(kind, at)| (kind, at, at.next_multiple_of(size)));
        match (found, expected) {
            (None, None) => {}
            (Some((kind, at)), Some((expected, first, last))) => {
                assert_eq!(kind, expected, "in pieces of {size}");
                // The header has 9 bytes; it is complete in the piece that is held back.
                assert!(
                    (first..=last.max(first + 8)).contains(&at),
                    "{at}, not {first}, in pieces of {size}"
                );
            }
            _ => assert_eq!(found, whole, "in pieces of {size}"),
        }
    }
    let passed = whole.map_or(bytes.len(), |(_, at)| at);
    within_budget(bytes.get(PREFACE.len()..passed).unwrap_or_default(), written);
}

/// What trips the guard, and how many bytes pass before.
fn trip(bytes: &[u8], size: usize, written: u64) -> Option<(Flood, usize)> {
    let mut guard = Guard::default();
    let mut before = 0;
    for piece in bytes.chunks(size) {
        if let Err(trip) = guard.feed(piece, written, Tick(1)) {
            assert!(trip.at <= piece.len(), "beyond the piece");
            let again = guard.feed(b"x", written, Tick(2)).map_err(|again| (again.kind, again.at));
            assert_eq!(again, Err((trip.kind, 0)), "a trip is for good");
            return Some((trip.kind, before + trip.at));
        }
        before += piece.len();
    }
    None
}

/// Counts the frames that passed, all at one moment.
fn within_budget(mut frames: &[u8], written: u64) {
    let (mut resets, mut settings, mut pings, mut windows) = (0, 0, 0, 0);
    while let Some(([high, middle, low, kind, flags, ..], rest)) = frames.split_first_chunk::<9>() {
        let own = flags & 1 == 0;
        match kind {
            3 => resets += 1,
            4 if own => settings += 1,
            6 if own => pings += 1,
            8 => windows += 1,
            _ => {}
        }
        let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        frames = rest.get(length..).unwrap_or_default();
    }
    let earned = usize::try_from(written / 64).unwrap_or(usize::MAX);
    for (count, kind, earned) in [
        (resets, Flood::RapidReset, 0),
        (settings, Flood::Settings, 0),
        (pings, Flood::Ping, earned),
        (windows, Flood::WindowUpdate, earned),
    ] {
        assert!(count <= usize::from(kind.budget()) + earned, "{count} frames passed: {kind:?}");
    }
}
