//! The clients that the configuration names, found by the digest of their key, and what becomes of the others.
//!
//! Looking up is a plain hash table with a plain comparison, and leaks nothing by its timing: what it compares are SHA-256
//! digests. Who sends keys cannot choose the digest that is compared, so to learn how many of its bytes agree does not
//! lead him closer to any key; and the table's seed is random.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::api_key::{KeyDigest, Presented, digest};

/// `clients.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Without a known key nobody gets in.
    Required,
    /// No key is anonymous; a wrong one is refused.
    Optional,
    /// Any key or none; one that is not known counts by its digest.
    Passthrough,
}

/// A client of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub name: Arc<str>,
    /// Its own place in the snapshot's list.
    pub place: usize,
    /// Place of its plan in the snapshot's list.
    pub plan: Option<usize>,
    pub digest: KeyDigest,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    Known(Arc<Client>),
    /// No key, where none is needed.
    Anonymous,
    /// A key that only the server can judge.
    Passthrough {
        digest: KeyDigest,
    },
    /// 401 `invalid_api_key`.
    Rejected(Rejection),
}

/// Why a request is refused; for the log, and the words of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    Missing,
    Unknown,
    Malformed,
}

impl Identity {
    /// What stands for the client in tables and limits; None for who has no key.
    pub fn digest(&self) -> Option<&KeyDigest> {
        match self {
            Identity::Known(client) => Some(&client.digest),
            Identity::Passthrough { digest } => Some(digest),
            Identity::Anonymous | Identity::Rejected(_) => None,
        }
    }

    /// The client of the configuration.
    pub fn client(&self) -> Option<&Arc<Client>> {
        match self {
            Identity::Known(client) => Some(client),
            _ => None,
        }
    }
}

/// Every client of a snapshot.
#[derive(Debug)]
pub struct Directory {
    mode: Mode,
    clients: HashMap<KeyDigest, Arc<Client>, RandomState>,
}

impl Directory {
    /// Of two clients with one key the first counts; the configuration refuses them before.
    pub fn new(mode: Mode, clients: impl IntoIterator<Item = Client>) -> Directory {
        let mut known = HashMap::with_hasher(RandomState::new());
        for client in clients {
            known.entry(client.digest).or_insert_with(|| Arc::new(client));
        }
        Directory { mode, clients: known }
    }

    /// Says who presents this. Allocates nothing.
    pub fn identify(&self, presented: Presented<'_>) -> Identity {
        match (presented, self.mode) {
            (Presented::Key(key), mode) => {
                let digest = digest(key);
                match (self.clients.get(&digest), mode) {
                    (Some(client), _) => Identity::Known(client.clone()),
                    (None, Mode::Passthrough) => Identity::Passthrough { digest },
                    (None, Mode::Required | Mode::Optional) => Identity::Rejected(Rejection::Unknown),
                }
            }
            (Presented::None, Mode::Required) => Identity::Rejected(Rejection::Missing),
            (Presented::None, Mode::Optional | Mode::Passthrough) => Identity::Anonymous,
            // Another scheme may be right for a server that is not ours to know.
            (Presented::Malformed, Mode::Passthrough) => Identity::Anonymous,
            (Presented::Malformed, Mode::Required | Mode::Optional) => {
                Identity::Rejected(Rejection::Malformed)
            }
        }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Clients in it.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(mode: Mode) -> Directory {
        let client = |name: &str, key: &[u8]| Client {
            name: name.into(),
            place: 0,
            plan: Some(1),
            digest: digest(key),
        };
        Directory::new(
            mode,
            [client("app", b"sk-app"), client("trial", b"sk-trial"), client("late", b"sk-app")],
        )
    }

    #[test]
    fn a_known_key_is_known_in_every_mode() {
        for mode in [Mode::Required, Mode::Optional, Mode::Passthrough] {
            let identity = directory(mode).identify(Presented::Key(b"sk-app"));
            let client = identity.client().unwrap();
            assert_eq!((&*client.name, client.plan), ("app", Some(1)));
            assert_eq!(identity.digest(), Some(&digest(b"sk-app")));
        }
        assert_eq!(directory(Mode::Required).len(), 2);
    }

    #[test]
    fn others_fare_as_the_mode_says() {
        use Identity::{Anonymous, Passthrough, Rejected};
        let unknown = Passthrough { digest: digest(b"sk-apq") };
        for (mode, none, malformed, wrong) in [
            (
                Mode::Required,
                Rejected(Rejection::Missing),
                Rejected(Rejection::Malformed),
                Rejected(Rejection::Unknown),
            ),
            (Mode::Optional, Anonymous, Rejected(Rejection::Malformed), Rejected(Rejection::Unknown)),
            (Mode::Passthrough, Anonymous, Anonymous, unknown),
        ] {
            let directory = directory(mode);
            assert_eq!(directory.identify(Presented::None), none, "{mode:?}");
            assert_eq!(directory.identify(Presented::Malformed), malformed, "{mode:?}");
            assert_eq!(directory.identify(Presented::Key(b"sk-apq")), wrong, "{mode:?}");
        }
    }

    #[test]
    fn who_has_no_key_has_no_digest() {
        assert_eq!(Identity::Anonymous.digest(), None);
        assert_eq!(Identity::Rejected(Rejection::Unknown).digest(), None);
    }
}
