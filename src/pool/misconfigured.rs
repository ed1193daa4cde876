//! A server that refuses our key will refuse it again, whoever asks: it is last in line until it takes the key. Once a
//! minute has passed without another refusal, the next request may find out. A 403 may also mean what one client asked for, so of a server that
//! took the key before it takes several in a row.

use std::borrow::Cow;
use std::time::Duration;

use crate::base::clock::Tick;

/// How long it is last in line after the latest refusal.
pub const LASTS: Duration = Duration::from_secs(60);
/// Answers 403 in a row that count as a refused key.
const FORBIDDEN: u32 = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misconfigured {
    until: Option<Tick>,
    /// 403 in a row.
    forbidden: u32,
    /// It took the key once.
    proven: bool,
}

impl Misconfigured {
    /// Nothing that another success would change.
    pub fn is_clean(&self) -> bool {
        self.proven && self.forbidden == 0 && self.until.is_none()
    }

    /// Until then nobody asks it who has another; after that it may show whether it takes the key by now.
    pub fn until(&self, now: Tick) -> Option<Tick> {
        self.until.filter(|until| now < *until)
    }

    /// It refused our key, and has not taken it since.
    pub fn is_marked(&self) -> bool {
        self.until.is_some()
    }

    /// 401. Says why it is misconfigured.
    pub fn refused(&mut self, now: Tick) -> Cow<'static, str> {
        self.until = Some(now + LASTS);
        Cow::Borrowed("status 401: it refuses our api_key")
    }

    /// 403. Says why it is misconfigured, if that makes it so.
    pub fn forbidden(&mut self, now: Tick) -> Option<Cow<'static, str>> {
        self.forbidden = self.forbidden.saturating_add(1);
        if self.proven && self.forbidden < FORBIDDEN && self.until(now).is_none() {
            return None;
        }
        self.until = Some(now + LASTS);
        Some(match self.forbidden {
            1 => Cow::Borrowed("status 403: it refuses our api_key"),
            row => Cow::Owned(format!("status 403, {row} in a row: it refuses our api_key")),
        })
    }

    pub fn well(&mut self) {
        *self = Misconfigured { until: None, forbidden: 0, proven: true };
    }

    /// An operator says that it is well. A check does not: it may ask for what needs no key.
    pub fn end(&mut self) {
        (self.until, self.forbidden) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_marks_it_for_a_minute_and_each_refusal_renews_that() {
        let mut key = Misconfigured::default();
        key.refused(Tick(0));
        key.refused(Tick(1000));
        assert_eq!((key.until(Tick(60_999)), key.until(Tick(61_000))), (Some(Tick(61_000)), None));
        key.refused(Tick(70_000));
        key.well();
        assert!(key.is_clean());
        key.refused(Tick(80_000));
        key.end();
        assert!(!key.is_marked());
    }

    #[test]
    fn a_403_marks_at_once_a_server_that_never_took_the_key() {
        let mut key = Misconfigured::default();
        assert_eq!(key.forbidden(Tick(0)).as_deref(), Some("status 403: it refuses our api_key"));
    }

    #[test]
    fn of_one_that_took_it_five_in_a_row_do() {
        let mut key = Misconfigured::default();
        key.well();
        for _ in 0..3 {
            assert!((0..4).all(|_| key.forbidden(Tick(0)).is_none()));
            key.well();
        }
        assert!((0..4).all(|_| key.forbidden(Tick(0)).is_none()));
        assert!(key.forbidden(Tick(0)).is_some_and(|why| why.contains("5 in a row")));
    }
}
