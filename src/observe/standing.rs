//! How what is in force came to be so, and how long it holds: the outcome of the last reload, the ends of certificates.

use std::time::Duration;

use parking_lot::Mutex;

/// For the metrics.
#[derive(Debug, Default)]
pub struct Standing {
    reload: Mutex<Reload>,
    certificates: Mutex<Vec<Certificate>>,
}

/// What became of changed files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// The last one was refused.
    pub refused: bool,
    /// When one was put in force last, since 1970; `None`: what the process began with is.
    pub applied: Option<Duration>,
}

/// A file with certificates that a bind uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub file: String,
    /// The first end of those in it, since 1970.
    pub end: Duration,
}

impl Standing {
    pub fn reload(&self) -> Reload {
        *self.reload.lock()
    }

    /// A file was put in force.
    pub fn applied(&self, now: Duration) {
        *self.reload.lock() = Reload { refused: false, applied: Some(now) };
    }

    /// A file was not.
    pub fn refused(&self) {
        self.reload.lock().refused = true;
    }

    pub fn certificates(&self) -> Vec<Certificate> {
        self.certificates.lock().clone()
    }

    /// These are in use from now on.
    pub fn use_certificates(&self, all: Vec<Certificate>) {
        *self.certificates.lock() = all;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_changes_nothing_of_what_is_in_force() {
        let standing = Standing::default();
        assert_eq!(standing.reload(), Reload { refused: false, applied: None });
        standing.applied(Duration::from_secs(9));
        standing.refused();
        assert_eq!(standing.reload(), Reload { refused: true, applied: Some(Duration::from_secs(9)) });
        standing.applied(Duration::from_secs(12));
        assert_eq!(standing.reload(), Reload { refused: false, applied: Some(Duration::from_secs(12)) });
    }
}
