//! `backends.NAME.check.chat`: a short chat completion, so that a server is up only when its model answers.

use crate::config::checked::ChatCheck;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const CHAT: Keys = Keys {
    path: "backends.NAME.check.chat",
    known: &["model", "max_tokens", "prompt"],
    not_yet: &[],
    elsewhere: &[
        ("path", "it is always `/chat/completions`; for another one use `http`"),
        ("expect", "it expects 200 and an answer with choices; for more use `http` with a `body`"),
        ("headers", "use `http` with a `body`; the server's own `api_key` is sent anyway"),
    ],
};

pub(super) fn read(value: Value<'_>, backend: &str) -> Option<ChatCheck> {
    let map = Map::open(value, &CHAT, format!("the chat check of backend `{backend}`"))?;
    let max_tokens = map.or("max_tokens", 5, |v| v.count_u32(1..=1000));
    let prompt = map.or("prompt", "ping".to_owned(), |v| v.nonempty());
    Some(ChatCheck { model: map.required("model", |v| v.nonempty())?, max_tokens, prompt })
}
