//! When the certificates of binds end. Looked at while the process runs: nobody reads the warnings of a file that was
//! loaded three months ago.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::checked::Checked;
use crate::observe::standing::Certificate;
use crate::runtime::events;
use crate::runtime::state::State;

/// How long before the end it is told: as the check of a file does.
const SOON: Duration = Duration::from_secs(14 * 86_400);

#[derive(Default)]
pub struct Certificates {
    /// By file: the first end of those in it, since 1970.
    ends: Vec<(PathBuf, Duration)>,
    /// Of which files it was told, and how many days were left then.
    told: HashMap<PathBuf, u64>,
}

impl Certificates {
    pub fn of(checked: &Checked) -> Certificates {
        let mut ends: Vec<(PathBuf, Duration)> = Vec::new();
        for tls in checked.listeners().filter_map(|(_, bind)| bind.tls.as_ref()) {
            let own = tls.certificates.iter().map(|own| (&own.path, own.chain.as_slice()));
            let client_ca = tls.client_ca.as_ref().map(|ca| &ca.authorities);
            let of_clients = client_ca.map(|ca| (&ca.path, ca.certificates.as_slice()));
            for (path, chain) in own.chain(of_clients) {
                if let Some(end) = chain.iter().filter_map(end).min()
                    && !ends.iter().any(|(known, _)| known == path)
                {
                    ends.push((path.clone(), end));
                }
            }
        }
        Certificates { ends, told: HashMap::new() }
    }

    /// For the metrics.
    pub fn ends(&self) -> Vec<Certificate> {
        let shown =
            |(path, end): &(PathBuf, Duration)| Certificate { file: path.display().to_string(), end: *end };
        self.ends.iter().map(shown).collect()
    }

    /// These are in force now; what was told of those before is remembered.
    pub fn replace(&mut self, new: Certificates) {
        self.ends = new.ends;
        self.told.retain(|path, _| self.ends.iter().any(|(known, _)| known == path));
    }

    /// Tells of those that end soon, of each once a day, and of those that were renewed.
    pub fn look(&mut self, state: &State, now: Duration) {
        for (path, end) in &self.ends {
            let left = end.saturating_sub(now);
            if left >= SOON {
                if self.told.remove(path).is_some() {
                    events::certificate_renewed(state, path);
                }
                continue;
            }
            // The first day of an ended one is another than the last of a living one.
            let day = if left.is_zero() {
                u64::MAX - (now.saturating_sub(*end)).as_secs() / 86_400
            } else {
                left.as_secs() / 86_400
            };
            if self.told.insert(path.clone(), day) != Some(day) {
                events::certificate_ends(state, path, *end);
            }
        }
    }
}

/// Since 1970. What cannot be read was refused by whoever uses it.
fn end(certificate: &CertificateDer<'_>) -> Option<Duration> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{self, Clock};

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_certificate_that_ends_is_told_once_a_day_until_it_is_renewed() {
        let state = State::new(Clock::fake());
        let now = clock::unix_time();
        let with = |end| Certificates { ends: vec![("a.pem".into(), end)], told: HashMap::new() };
        let mut certificates = with(now + DAY * 15);
        let then = |certificates: &mut Certificates, now| {
            let before = state.events.total();
            certificates.look(&state, now);
            let new = usize::try_from(state.events.total() - before).unwrap();
            state.events.recent(new).into_iter().map(|event| event.to.into_owned()).collect::<Vec<_>>()
        };
        assert!(then(&mut certificates, now).is_empty());
        assert_eq!(then(&mut certificates, now + DAY * 2), ["ending"]);
        assert!(then(&mut certificates, now + DAY * 2).is_empty());
        assert_eq!(then(&mut certificates, now + DAY * 3), ["ending"]);
        certificates.replace(with(now + DAY * 15));
        assert!(then(&mut certificates, now + DAY * 3).is_empty(), "a reload changes nothing of it");
        certificates.replace(with(now + DAY * 90));
        assert_eq!(then(&mut certificates, now + DAY * 3), ["renewed"]);
        certificates.replace(with(now - DAY));
        assert_eq!(then(&mut certificates, now), ["ended"]);
        assert!(then(&mut certificates, now).is_empty());
        assert_eq!(then(&mut certificates, now + DAY), ["ended"]);
    }
}
