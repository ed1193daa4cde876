//! Certificates that end soon.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use log::{error, info, warn};

use super::{EventKind, State, Tone, Word};
use crate::base::calendar::Civil;
use crate::base::clock;

/// The first certificate of a file to end does so at `end` (since 1970): soon, or it has.
pub fn certificate_ends(state: &State, path: &Path, end: Duration) {
    let (now, at) = (clock::unix_time(), Civil::from_unix(end));
    let day = format!("{:04}-{:02}-{:02}", at.year, at.month, at.day);
    let file = path.display();
    let left = end.saturating_sub(now);
    let (tone, to, why) = if left.is_zero() {
        let why = format!("{file} ended on {day}: clients refuse the connection");
        error!("certificate {why}. Put a new one into the file and reload");
        (Tone::Alarm, "ended", why)
    } else {
        let days = left.as_secs() / 86_400;
        let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        let why = format!("{file} ends on {day}, in {left}");
        warn!("certificate {why}. Put a new one into the file and reload");
        (Tone::Worse, "ending", why)
    };
    let mut event = word(path, tone, "valid", to, why).event();
    event.expected = Some(left).filter(|left| !left.is_zero());
    state.events.push(event);
}

/// A file of which [`certificate_ends`] told has one that lasts.
pub fn certificate_renewed(state: &State, path: &Path) {
    let why = format!("{} has a new certificate", path.display());
    info!("certificate: {why}");
    state.events.push(word(path, Tone::Better, "ending", "renewed", why).event());
}

fn word(path: &Path, tone: Tone, from: &'static str, to: &'static str, why: String) -> Word {
    let subject = Cow::Owned(format!("certificate {}", path.display()));
    Word { kind: EventKind::Certificate, tone, subject, from, to, why }
}
