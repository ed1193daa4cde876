//! A changed file that was put in force, or refused.

use std::borrow::Cow;
use std::path::Path;

use log::{error, info, warn};

use super::{EventKind, State, Tone, Word};
use crate::base::clock;

/// A reload was refused. `why` may have many lines, as the diagnostics of a file do: all of them are logged, the first says
/// in the event what is wrong and where.
pub fn reload_refused(state: &State, file: &Path, why: &str) {
    let why = why.trim_end();
    let first = why.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why").trim();
    if first == why {
        error!("reload refused, nothing has changed: {}: {why}", file.display());
    } else {
        error!("reload refused, nothing has changed:\n{why}");
    }
    state.standing.refused();
    state.events.push(word(Tone::Alarm, "refused", first.to_owned()).event());
}

/// A file is in force.
pub fn reload_applied(state: &State, file: &Path) {
    info!("reload: {} is in force", file.display());
    state.standing.applied(clock::unix_time());
    state.events.push(word(Tone::Better, "applied", format!("{} is in force", file.display())).event());
}

/// What was in force before is in force again; `why` says what spoke against the new.
pub fn rolled_back(state: &State, why: &str) {
    warn!("rollback: what was in force before the last reload is in force again: {why}");
    let subject = Cow::Borrowed("configuration");
    let (kind, tone) = (EventKind::Rollback, Tone::Alarm);
    let word = Word { kind, tone, subject, from: "applied", to: "rolled_back", why: why.to_owned() };
    state.events.push(word.event());
}

fn word(tone: Tone, to: &'static str, why: String) -> Word {
    let subject = Cow::Borrowed("configuration");
    Word { kind: EventKind::Reload, tone, subject, from: "requested", to, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;

    #[test]
    fn the_first_mistake_stands_in_the_event_and_a_good_file_ends_it() {
        let state = State::new(Clock::fake());
        let file = Path::new("tidegate.yaml");
        reload_refused(&state, file, "tidegate.yaml:3:1: error: unknown key `bnd`\n  |\n3 | bnd: x\n");
        reload_applied(&state, file);
        let told: Vec<_> = state.events.recent(9).into_iter().map(|e| (e.to, e.tone, e.why)).collect();
        assert_eq!(told[0], ("applied".into(), Tone::Better, "tidegate.yaml is in force".into()));
        assert_eq!(
            told[1],
            ("refused".into(), Tone::Alarm, "tidegate.yaml:3:1: error: unknown key `bnd`".into())
        );
        assert_eq!(state.events.recent(1)[0].subject, "configuration");
    }
}
