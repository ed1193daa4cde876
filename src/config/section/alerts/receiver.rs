//! Where an alert goes: its webhook, the format that is spoken there, and PagerDuty's key. No message quotes the webhook:
//! who knows it may write into the channel.

use crate::base::secret::Secret;
use crate::config::checked::AlertFormat;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::reader::Map;
use crate::config::section::url;
use crate::config::value::Value;

const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// Of an integration with PagerDuty's Events API v2.
const ROUTING_KEY_LENGTH: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Slack,
    PagerDuty,
    Json,
}

const FORMATS: &[(&str, Format)] =
    &[("slack", Format::Slack), ("pagerduty", Format::PagerDuty), ("json", Format::Json)];

/// Hosts that understand one format alone.
const HOSTS: &[(&str, &str, Format)] = &[
    ("hooks.slack.com", "Slack", Format::Slack),
    ("hooks.slack-gov.com", "Slack", Format::Slack),
    ("events.pagerduty.com", "PagerDuty", Format::PagerDuty),
    ("events.eu.pagerduty.com", "PagerDuty", Format::PagerDuty),
];

pub(super) enum Receiver {
    /// An empty value switches the alert off: `${SLACK_WEBHOOK:-}` where there is no such variable.
    Off,
    On {
        webhook: Secret,
        format: AlertFormat,
    },
}

/// What is told of a secret that may be empty.
enum Given {
    Nothing,
    Empty,
    Text(String),
}

pub(super) fn read(map: &Map<'_>) -> Option<Receiver> {
    let format = format(map);
    let webhook = match map.get("webhook") {
        None => Some(Given::Nothing),
        Some(value) => given(value, webhook),
    };
    let routing_key = match map.get("routing_key") {
        None => Some(Given::Nothing),
        Some(value) => given(value, routing_key),
    };
    let (format, webhook, routing_key) = (format?, webhook?, routing_key?);
    match format {
        Format::PagerDuty => pagerduty(map, webhook, routing_key),
        Format::Slack | Format::Json => {
            if !matches!(routing_key, Given::Nothing) {
                let message = "`routing_key` has no effect: it is for `format: pagerduty`";
                let warning = Diagnostic::warning(Code::Conflict, map.key_span("routing_key"), message);
                map.context.report(warning.hint("remove it"));
            }
            let webhook = match webhook {
                Given::Text(webhook) => webhook,
                Given::Empty => return Some(off(map, "webhook")),
                Given::Nothing if format == Format::Slack => {
                    return needed(
                        map,
                        "webhook",
                        "`webhook: ${SLACK_WEBHOOK}` takes it from the environment",
                    );
                }
                Given::Nothing => {
                    return needed(map, "webhook", "the url that gets the JSON, with https:// or http://");
                }
            };
            warn_of_host(map, &webhook, format);
            let format = if format == Format::Slack { AlertFormat::Slack } else { AlertFormat::Json };
            Some(Receiver::On { webhook: Secret::new(webhook), format })
        }
    }
}

fn format(map: &Map<'_>) -> Option<Format> {
    match map.get("format") {
        Some(value) => value.word(FORMATS, &[]),
        None if map.misspelt("format") => None,
        None => needed(map, "format", "`slack`, `pagerduty` or `json`: what is spoken at the webhook"),
    }
}

/// One message for a key that is missing, unless another says so already.
fn needed<T>(map: &Map<'_>, key: &str, hint: &str) -> Option<T> {
    if map.misspelt(key) || !map.is_clean() {
        return None;
    }
    let wrong = Diagnostic::error(Code::MissingKey, map.span, format!("{} needs `{key}`", map.what));
    map.context.reject(wrong.hint(hint))
}

fn pagerduty(map: &Map<'_>, webhook: Given, routing_key: Given) -> Option<Receiver> {
    let routing_key = match routing_key {
        Given::Text(routing_key) => routing_key,
        Given::Empty => return Some(off(map, "routing_key")),
        Given::Nothing => {
            let hint = "the integration key of a service with Events API v2; `routing_key: ${PD_KEY}` takes it from the environment";
            return needed(map, "routing_key", hint);
        }
    };
    let webhook = match webhook {
        Given::Text(webhook) => {
            warn_of_host(map, &webhook, Format::PagerDuty);
            webhook
        }
        Given::Empty | Given::Nothing => PAGERDUTY.to_owned(),
    };
    let usual =
        routing_key.len() == ROUTING_KEY_LENGTH && routing_key.bytes().all(|b| b.is_ascii_alphanumeric());
    if webhook == PAGERDUTY && !usual {
        let message = "this does not look like a routing key of PagerDuty, which has 32 letters and digits";
        let warning = Diagnostic::warning(Code::BadValue, map.key_span("routing_key"), message);
        map.context.report(
            warning.hint("look at the integration key of the service; `tidegate alert test` tries it"),
        );
    }
    let format = AlertFormat::PagerDuty { routing_key: Secret::new(routing_key) };
    Some(Receiver::On { webhook: Secret::new(webhook), format })
}

fn off(map: &Map<'_>, key: &str) -> Receiver {
    let message = format!("this alert is switched off: its `{key}` is empty");
    let warning = Diagnostic::warning(Code::Conflict, map.key_span(key), message);
    map.context.report(warning.hint("set the variable, or remove the alert"));
    Receiver::Off
}

/// `None` after a mistake, which is reported.
fn given(value: Value<'_>, check: impl FnOnce(Value<'_>, &str) -> Option<()>) -> Option<Given> {
    let text = value.text()?;
    if text.is_empty() {
        return Some(Given::Empty);
    }
    check(value, &text)?;
    Some(Given::Text(text))
}

fn webhook(value: Value<'_>, text: &str) -> Option<()> {
    let Some(why) = url::why_no_webhook(text) else { return Some(()) };
    let hint = "like `https://hooks.example.com/services/...`, best as `${NAME}` from the environment";
    value.reject(Code::BadValue, format!("this is not the url of a webhook: {why}"), hint)
}

fn routing_key(value: Value<'_>, text: &str) -> Option<()> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(());
    }
    let hint = "copy it again: letters and digits alone";
    value.reject(Code::BadValue, "`routing_key` has spaces or characters that no key has", hint)
}

/// Slack and PagerDuty refuse what is not their own, and nobody would look there.
fn warn_of_host(map: &Map<'_>, webhook: &str, format: Format) {
    let Some((_, rest)) = webhook.split_once("://") else { return };
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    let Some((_, owner, theirs)) = HOSTS.iter().find(|(known, ..)| host.eq_ignore_ascii_case(known)) else {
        return;
    };
    if *theirs != format {
        let word = FORMATS.iter().find(|(_, known)| known == theirs).map_or("", |(word, _)| word);
        let message = format!("this webhook is one of {owner}, which understands `format: {word}` alone");
        let warning = Diagnostic::warning(Code::Conflict, map.key_span("format"), message);
        map.context.report(warning.hint(format!("write `format: {word}`")));
    }
}
