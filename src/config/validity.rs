//! From when to when a certificate is good. What a file holds today may be of no use tomorrow, so that an operator hears
//! of it while there is time.

use std::time::UNIX_EPOCH;

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::diagnostic::{Code, Diagnostic};
use super::value::Value;

/// Seconds of warning before the end.
const SOON: i64 = 14 * DAY;
const DAY: i64 = 86_400;

/// What is the matter with a certificate at some time.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Expired,
    NotYet,
    /// Whole days that are left.
    Soon(i64),
}

/// Both ends belong to it. Seconds since 1970.
fn judge(from: i64, to: i64, now: i64) -> Option<Fault> {
    match () {
        () if now > to => Some(Fault::Expired),
        () if now < from => Some(Fault::NotYet),
        () if to - now < SOON => Some(Fault::Soon((to - now) / DAY)),
        () => None,
    }
}

/// Warns of certificates that are not good now, or not for long: of the first one in a file, and how many more there are.
///
/// `consequence` says what comes of a bad one.
pub(super) fn warn(value: Value<'_>, certificates: &[CertificateDer<'_>], consequence: &str) {
    let Ok(now) = value.context.environment.now().duration_since(UNIX_EPOCH) else { return };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let mut found = certificates.iter().enumerate().filter_map(|(i, certificate)| {
        // What this crate cannot read was judged by others, or is by whoever uses it.
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        let fault = judge(validity.not_before.timestamp(), validity.not_after.timestamp(), now)?;
        Some(match fault {
            Fault::Expired => (i, format!("expired on {}", day(validity.not_after)), RENEW),
            Fault::NotYet => (i, format!("is not valid before {}", day(validity.not_before)), NOT_YET),
            Fault::Soon(days) => {
                let left = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                (i, format!("expires on {}, in {left}", day(validity.not_after)), RENEW)
            }
        })
    });
    let Some((first, what, hint)) = found.next() else { return };
    let more = match found.count() {
        0 => String::new(),
        more => format!(" (and {more} more of this file)"),
    };
    let message = format!("certificate {} in `{}` {what}{more}", first + 1, value.shown());
    value.context.report(
        Diagnostic::warning(Code::Conflict, value.span(), message).hint(format!("{consequence}: {hint}")),
    );
}

const RENEW: &str = "put a new one into the file";
const NOT_YET: &str = "look at the clock of this machine, and at the file";

/// Like 2026-11-21, in UTC.
fn day(time: ASN1Time) -> String {
    let time = time.to_datetime();
    format!("{}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fourteen_days_are_worth_a_word() {
        let (from, to) = (1_000_000, 1_000_000 + 90 * DAY);
        assert_eq!(judge(from, to, from - 1), Some(Fault::NotYet));
        assert_eq!(judge(from, to, from), None);
        assert_eq!(judge(from, to, to - SOON), None);
        assert_eq!(judge(from, to, to - SOON + 1), Some(Fault::Soon(13)));
        assert_eq!(judge(from, to, to), Some(Fault::Soon(0)));
        assert_eq!(judge(from, to, to + 1), Some(Fault::Expired));
    }
}
