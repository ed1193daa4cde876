//! What is kept of one call: who, where, how much. Nothing of what was asked or answered.

use std::sync::Arc;
use std::time::Duration;

/// One call that is over. What is unknown is `None`; a name that there is none of is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// When it was over: time since 1970-01-01 UTC.
    pub at: Duration,
    /// The client may have chosen it, so it proves nothing and need not be unique.
    pub request_id: String,
    /// Its name; empty: anonymous.
    pub client: Arc<str>,
    pub plan: Arc<str>,
    /// The one that was asked in the end.
    pub model: Arc<str>,
    pub backend: Arc<str>,
    pub server: Arc<str>,
    /// `None`: the client left before it had one.
    pub status: Option<u16>,
    /// Cached tokens included.
    pub prompt: Option<u64>,
    /// Tokens of reasoning included.
    pub completion: Option<u64>,
    pub cached: Option<u64>,
    pub reasoning: Option<u64>,
    /// Micro-dollars.
    pub cost: Option<u64>,
    /// The tokens were reckoned, not told by the provider.
    pub estimated: bool,
    pub stream: bool,
    pub attempts: u32,
    pub duration: Duration,
    pub first_content: Option<Duration>,
}

impl Call {
    /// Whether the client got no answer, or one that is an error.
    pub(super) fn failed(&self) -> bool {
        self.status.is_none_or(|status| status >= 400)
    }

    /// Whether a provider may ask money for it: nobody does for an error.
    pub(super) fn is_billable(&self) -> bool {
        self.status.is_none_or(|status| status < 400)
    }

    pub(super) fn tokens_unknown(&self) -> bool {
        self.prompt.is_none() || self.completion.is_none()
    }
}
