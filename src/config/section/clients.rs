//! `clients`: who may send requests, and under which plan.

use sha2::{Digest, Sha256};

use super::ai::names::ModelNames;
use super::budget;
use crate::config::checked::{ClientKey, ClientMode, Clients};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::names::Names;
use crate::config::reader::{Keys, Map};
use crate::config::value::{Value, check_name};

pub(super) const KEYS: &[&Keys] = &[&CLIENTS, &CLIENT];

const CLIENTS: Keys = Keys { path: "clients", known: &["mode", "keys"], not_yet: &[], elsewhere: &[] };

const CLIENT: Keys = Keys {
    path: "clients.keys",
    known: &["name", "key", "key_sha256", "plan", "budget"],
    not_yet: &[],
    elsewhere: &[
        ("requests_per_minute", "limits stand in a plan, and the key names the plan"),
        ("tokens_per_minute", "limits stand in a plan, and the key names the plan"),
        ("concurrent", "limits stand in a plan, and the key names the plan"),
        ("total_budget", "a total is of a plan; of one key it is `budget`"),
        ("usd", "it stands in `budget`: `budget: {usd: 50, per: day}`"),
    ],
};

const MODES: &[(&str, ClientMode)] = &[
    ("required", ClientMode::Required),
    ("optional", ClientMode::Optional),
    ("passthrough", ClientMode::Passthrough),
];

/// The clients, and their names for the ACLs.
pub(super) fn read(root: &Map<'_>, plans: &Names, models: &ModelNames) -> (Option<Clients>, Names) {
    let nobody = Clients { mode: ClientMode::Passthrough, keys: Vec::new() };
    let Some(value) = root.get("clients") else {
        return (Some(nobody), Names::new("client key", Vec::new()));
    };
    let Some(map) = Map::open(value, &CLIENTS, "`clients`") else {
        return (None, Names::new("client key", Vec::new()));
    };
    let mode = map.or("mode", ClientMode::Required, |v| v.word(MODES, &[]));
    let items = map.get("keys").map_or(Some(Vec::new()), |v| v.items());
    let none = items.as_ref().is_some_and(Vec::is_empty);
    if none && mode == ClientMode::Required && !map.misspelt("keys") {
        let message = "with `mode: required` and no keys every request gets 401";
        let wrong = Diagnostic::error(Code::Conflict, map.key_span("mode"), message);
        map.context.report(wrong.hint("add `keys`, or use `mode: passthrough`"));
    }
    let mut taken = Taken::default();
    let keys: Vec<Option<ClientKey>> =
        items.unwrap_or_default().into_iter().map(|v| client(v, plans, models, &mut taken)).collect();
    let names = Names::new("client key", taken.names);
    (keys.into_iter().collect::<Option<_>>().map(|keys| Clients { mode, keys }), names)
}

/// What earlier keys have taken.
#[derive(Default)]
struct Taken {
    /// In the order of the list, also of keys with a mistake, so that the indices fit.
    names: Vec<(String, Span)>,
    digests: Vec<([u8; 32], usize)>,
}

fn client(value: Value<'_>, plans: &Names, models: &ModelNames, taken: &mut Taken) -> Option<ClientKey> {
    let Some(map) = Map::open(value, &CLIENT, "a client key") else {
        taken.names.push((String::new(), value.span()));
        return None;
    };
    let name = map.required("name", |v| {
        let name = v.nonempty()?;
        check_name(v.context, &name, v.span())?;
        if let Some((_, first)) = taken.names.iter().find(|(n, _)| *n == name) {
            let hint = format!("the first is in line {}", first.line);
            return v.reject(Code::Conflict, format!("two client keys are called `{}`", v.shown()), hint);
        }
        Some(name)
    });
    taken.names.push((name.clone().unwrap_or_default(), value.span()));
    let digest = match (map.get("key"), map.get("key_sha256")) {
        (Some(key), None) => digest_of(key),
        (None, Some(hex)) => digest_in(hex),
        (Some(_), Some(hex)) => hex.reject(
            Code::Conflict,
            "a client key has `key` or `key_sha256`, not both",
            "remove one of them",
        ),
        (None, None) if !map.is_clean() => None,
        (None, None) => {
            let wrong =
                Diagnostic::error(Code::MissingKey, map.span, "a client key needs `key` or `key_sha256`");
            map.context.reject(wrong.hint("`key: \"${NAME}\"` takes it from the environment"))
        }
    };
    let digest = digest.and_then(|d| unique(&map, d, value.span().line, taken));
    let plan = map.get("plan").map(|v| plans.resolve(v));
    let what = match &name {
        Some(name) => format!("the budget of client key `{name}`"),
        None => "the budget of a client key".to_owned(),
    };
    let budget = budget::read(&map, "budget", &budget::OF_CLIENT, &what, models.why_free(None));
    Some(ClientKey {
        name: name?,
        digest: digest?,
        plan: plan.map_or(Some(None), |p| p.map(Some))?,
        budget: budget?,
    })
}

fn unique(map: &Map<'_>, digest: [u8; 32], line: usize, taken: &mut Taken) -> Option<[u8; 32]> {
    let span = map.key_span(if map.has("key") { "key" } else { "key_sha256" });
    if let Some((_, first)) = taken.digests.iter().find(|(d, _)| *d == digest) {
        let wrong = Diagnostic::error(Code::Conflict, span, "two clients have the same key");
        return map.context.reject(wrong.hint(format!("the first is in line {first}")));
    }
    taken.digests.push((digest, line));
    Some(digest)
}

fn digest_of(value: Value<'_>) -> Option<[u8; 32]> {
    let key = value.nonempty()?;
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        let hint = "a client could not send it: visible ASCII characters without spaces";
        return value.reject(Code::BadValue, "`key` has characters that no header carries", hint);
    }
    Some(Sha256::digest(key.as_bytes()).into())
}

fn digest_in(value: Value<'_>) -> Option<[u8; 32]> {
    let text = value.nonempty()?;
    hex(&text).or_else(|| {
        let hint = "`printf %s KEY | sha256sum` prints it";
        value.reject(Code::BadValue, "`key_sha256` must be 64 hexadecimal digits", hint)
    })
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        assert_eq!(hex(&"0a".repeat(32)), Some([10; 32]));
        assert_eq!(hex(&"0A".repeat(32)), Some([10; 32]));
        for bad in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &"+a".repeat(32), &"é".repeat(32)] {
            assert_eq!(hex(bad), None);
        }
    }
}
