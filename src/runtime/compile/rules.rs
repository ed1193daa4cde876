//! The rules of a frontend: for its connections, its requests and its answers.

use bytes::Bytes;

use crate::config::checked::{self, Checked, CounterRef, HeaderFetch, HeaderPart, RedirectTarget};
use crate::rewrite::header::{Fetch, HeaderChange, HeaderText, Part};
use crate::rewrite::path::PathRewrite;
use crate::rewrite::redirect::{Redirect, Scheme};
use crate::runtime::compile::{CompileError, acls, counter_kind};
use crate::runtime::snapshot::{Action, ConnectionAction, ConnectionRule, RedirectTo, ResponseRule, Rule};
use crate::stick::Gpc;

/// What is wrong with the rule in a line of the file.
pub struct RuleError {
    line: usize,
    error: String,
}

impl RuleError {
    pub fn in_frontend(self, frontend: &str) -> CompileError {
        CompileError::Rule { frontend: frontend.to_owned(), line: self.line, error: self.error }
    }
}

pub fn of_connections(rules: &[checked::ConnectionRule], checked: &Checked) -> Vec<ConnectionRule> {
    let action = |action| match action {
        checked::ConnectionAction::Track(table) => ConnectionAction::Track(table),
        checked::ConnectionAction::Reject => ConnectionAction::Reject,
        checked::ConnectionAction::SilentDrop => ConnectionAction::SilentDrop,
        checked::ConnectionAction::Accept => ConnectionAction::Accept,
        checked::ConnectionAction::Raise(counter) => {
            ConnectionAction::Raise { table: counter.table, which: gpc(checked, counter) }
        }
        checked::ConnectionAction::SetGpt0(counter, value) => {
            ConnectionAction::SetGpt0 { table: counter.table, value }
        }
    };
    rules
        .iter()
        .map(|rule| ConnectionRule {
            condition: rule.condition.as_ref().map(acls::condition),
            action: action(rule.action),
        })
        .collect()
}

pub fn of_requests(rules: &[checked::Rule], checked: &Checked) -> Result<Vec<Rule>, RuleError> {
    rules
        .iter()
        .map(|rule| {
            let action =
                action(&rule.action, checked).map_err(|error| RuleError { line: rule.line, error })?;
            let asks_model = rule.condition.as_ref().is_some_and(|condition| acls::asks_model(condition, checked))
                || matches!(rule.action, checked::Action::Track(table) if checked.tables[table].key == checked::TableKey::Model);
            Ok(Rule { condition: rule.condition.as_ref().map(acls::condition), asks_model, action })
        })
        .collect()
}

pub fn of_answers(rules: &[checked::ResponseRule]) -> Result<Vec<ResponseRule>, RuleError> {
    rules
        .iter()
        .map(|rule| {
            let changes = match &rule.action {
                checked::ResponseAction::SetHeader(fields) => changes(fields, HeaderChange::Set),
                checked::ResponseAction::AddHeader(fields) => changes(fields, HeaderChange::Add),
                checked::ResponseAction::RemoveHeader(names) => removals(names),
            };
            let changes = changes.map_err(|error| RuleError { line: rule.line, error })?;
            Ok(ResponseRule { condition: rule.condition.as_ref().map(acls::condition), changes })
        })
        .collect()
}

fn action(action: &checked::Action, checked: &Checked) -> Result<Action, String> {
    Ok(match action {
        checked::Action::Deny { status } => Action::Deny(*status),
        checked::Action::Delay(time) => Action::Delay(*time),
        checked::Action::Tarpit { time, status } => Action::Tarpit { time: *time, status: *status },
        checked::Action::SilentDrop => Action::SilentDrop,
        checked::Action::Redirect(redirect) => {
            Action::Redirect { status: redirect.status, to: target(&redirect.target) }
        }
        checked::Action::SetHeader(fields) => headers(changes(fields, HeaderChange::Set)?),
        checked::Action::AddHeader(fields) => headers(changes(fields, HeaderChange::Add)?),
        checked::Action::RemoveHeader(names) => headers(removals(names)?),
        checked::Action::RewritePath(rewrite) => Action::RewritePath(
            match rewrite {
                checked::PathRewrite::Prefix { from, to } => PathRewrite::prefix(from, to),
                checked::PathRewrite::Regex { regex, to } => PathRewrite::regex(regex, to),
            }
            .map_err(|error| error.to_string())?,
        ),
        checked::Action::Track(table) => Action::Track(*table),
        checked::Action::Raise(counter) => {
            Action::Raise { table: counter.table, which: gpc(checked, *counter) }
        }
        checked::Action::SetGpt0(counter, value) => Action::SetGpt0 { table: counter.table, value: *value },
        checked::Action::UseBackend(backend) => Action::UseBackend(*backend),
        checked::Action::Return(answer) => Action::Return {
            status: answer.status,
            content_type: answer.content_type.clone(),
            body: Bytes::from(answer.body.clone()),
        },
    })
}

/// The file's checks let nothing but these two be raised.
fn gpc(checked: &Checked, counter: CounterRef) -> Gpc {
    let named = checked.tables.get(counter.table).and_then(|table| table.counters.get(counter.counter));
    named.and_then(|counter| counter_kind(*counter).gpc()).unwrap_or(Gpc::Zero)
}

fn headers(changes: Vec<HeaderChange>) -> Action {
    let literal = changes.iter().all(HeaderChange::is_literal);
    Action::Headers { changes, literal }
}

fn changes(
    fields: &[(http::HeaderName, checked::HeaderText)],
    change: impl Fn(http::HeaderName, HeaderText) -> HeaderChange,
) -> Result<Vec<HeaderChange>, String> {
    good(fields.iter().map(|(name, value)| change(name.clone(), text(value))))
}

fn removals(names: &[http::HeaderName]) -> Result<Vec<HeaderChange>, String> {
    good(names.iter().cloned().map(HeaderChange::Remove))
}

fn good(changes: impl Iterator<Item = HeaderChange>) -> Result<Vec<HeaderChange>, String> {
    changes.map(|change| change.check().map(|()| change).map_err(|error| error.to_string())).collect()
}

fn text(text: &checked::HeaderText) -> HeaderText {
    HeaderText::new(text.0.iter().map(|part| match part {
        HeaderPart::Text(text) => Part::Text(text.clone()),
        HeaderPart::Fetch(what) => Part::Fetch(fetch(what)),
    }))
}

fn fetch(fetch: &HeaderFetch) -> Fetch {
    match fetch {
        HeaderFetch::Src => Fetch::Src,
        HeaderFetch::ClientCn => Fetch::ClientCn,
        HeaderFetch::ClientDn => Fetch::ClientDn,
        HeaderFetch::TlsVersion => Fetch::TlsVersion,
        HeaderFetch::TlsCipher => Fetch::TlsCipher,
        HeaderFetch::Host => Fetch::Host,
        HeaderFetch::Path => Fetch::Path,
        HeaderFetch::Method => Fetch::Method,
        HeaderFetch::ApiKey => Fetch::ApiKey,
        HeaderFetch::Plan => Fetch::Plan,
        HeaderFetch::RequestId => Fetch::RequestId,
        HeaderFetch::Header(name) => Fetch::Header(name.clone()),
        HeaderFetch::Status => Fetch::Status,
    }
}

fn target(target: &RedirectTarget) -> RedirectTo {
    match target {
        RedirectTarget::Location(location) => RedirectTo::Location(location.clone()),
        RedirectTarget::Parts { scheme, host, port } => RedirectTo::Parts(Redirect {
            scheme: scheme.map(|scheme| match scheme {
                checked::Scheme::Http => Scheme::Http,
                checked::Scheme::Https => Scheme::Https,
            }),
            host: host.clone(),
            port: *port,
        }),
    }
}
