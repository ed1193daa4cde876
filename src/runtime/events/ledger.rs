//! Whether what calls took and cost is kept on disk.

use std::borrow::Cow;

use log::{error, info};

use super::{EventKind, State, Tone, Word};

/// The disk takes no calls. `why` names the file and what the system said of it.
pub fn ledger_degraded(state: &State, why: &str) {
    error!(
        "ledger: calls cannot be written to disk: {why}. Requests go on, and calls are kept in memory until it takes them \
         again, but a crash would lose them. Make the file writable and the disk less full; it is tried again by itself"
    );
    state.events.push(word(Tone::Alarm, "durable", "degraded", why.to_owned()).event());
}

/// The disk takes them again; `kept` calls had waited in memory.
pub fn ledger_recovered(state: &State, kept: u64) {
    let why = format!("{kept} calls that waited in memory are on disk");
    info!("ledger: it is written to disk again, {why}");
    state.events.push(word(Tone::Better, "degraded", "durable", why).event());
}

/// Calls are gone: the disk took none for longer than memory lasts. Whoever tells it gathers them: this is a line each time.
pub fn calls_lost(state: &State, calls: u64) {
    let why = format!("{calls} calls are lost: the disk takes none, and memory holds no more");
    error!("ledger: {why}. `tidegate usage` will miss them. Make the file writable and the disk less full");
    let mut event = word(Tone::Alarm, "degraded", "calls_lost", why).event();
    event.figures.push(("calls", calls as f64));
    state.events.push(event);
}

fn word(tone: Tone, from: &'static str, to: &'static str, why: String) -> Word {
    Word { kind: EventKind::Ledger, tone, subject: Cow::Borrowed("ledger"), from, to, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn a_disk_that_fails_and_comes_back_is_told_with_what_it_cost() {
        let state = State::new(Clock::fake());
        ledger_degraded(&state, "state/usage.db: No space left on device");
        calls_lost(&state, 7);
        ledger_recovered(&state, 12);
        let told: Vec<_> = state.events.recent(9).into_iter().rev().map(|e| (e.from, e.to, e.why)).collect();
        assert_eq!(told[0].2, "state/usage.db: No space left on device");
        assert_eq!(told[1].1, "calls_lost");
        assert_eq!(
            told[2],
            ("degraded".into(), "durable".into(), "12 calls that waited in memory are on disk".into())
        );
    }
}
