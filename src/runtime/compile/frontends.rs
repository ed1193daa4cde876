//! Frontends, their rules, and their binds.

use std::sync::Arc;

use bytes::Bytes;

use crate::acl::IpSet;
use crate::config::checked::{self, Checked, RedirectTarget};
use crate::rewrite::header::HeaderChange;
use crate::rewrite::redirect::{Redirect, Scheme};
use crate::runtime::compile::{CompileError, acls, tls};
use crate::runtime::snapshot::{Action, Backend, Bind, Frontend, RedirectTo, Rule};
use crate::runtime::state::State;

pub fn compile(
    checked: &Checked,
    state: &State,
    backends: &[Backend],
) -> Result<Vec<Frontend>, CompileError> {
    checked.frontends.iter().map(|frontend| one(frontend, state, checked, backends)).collect()
}

fn one(
    frontend: &checked::Frontend,
    state: &State,
    checked: &Checked,
    backends: &[Backend],
) -> Result<Frontend, CompileError> {
    let cells = |backend: &str, server: &str| state.cells(&frontend.name, backend, server);
    let answers = backends
        .iter()
        .zip(&checked.backends)
        .map(|(_, backend)| backend.servers.iter().map(|server| cells(&backend.name, &server.name)).collect())
        .collect();
    let forwarded_for_except =
        frontend.forwarded_for.as_ref().map(|option| option.except.iter().copied().collect::<IpSet>());
    Ok(Frontend {
        name: Arc::from(&*frontend.name),
        max_connections: frontend.max_connections,
        request_head: frontend.timeouts.request_head,
        client: frontend.timeouts.client,
        keep_alive: frontend.timeouts.keep_alive,
        total: frontend.timeouts.total,
        max_request_body: frontend.max_request_body,
        forwarded_for_except,
        monitor: frontend.monitor.clone(),
        rules: frontend
            .rules
            .iter()
            .map(|rule| self::rule(rule, &frontend.name))
            .collect::<Result<_, _>>()?,
        default_backend: frontend.default_backend,
        stats: state.frontend_stats(&frontend.name),
        local: cells("", ""),
        unserved: checked.backends.iter().map(|backend| cells(&backend.name, "")).collect(),
        answers,
    })
}

fn rule(rule: &checked::Rule, frontend: &str) -> Result<Rule, CompileError> {
    let action = match &rule.action {
        checked::Action::Deny { status } => Action::Deny(*status),
        checked::Action::Delay(time) => Action::Delay(*time),
        checked::Action::Redirect(redirect) => {
            Action::Redirect { status: redirect.status, to: target(&redirect.target) }
        }
        checked::Action::SetHeader(fields) => {
            changes(fields.iter().map(|(n, v)| HeaderChange::Set(n.clone(), v.clone())), rule, frontend)?
        }
        checked::Action::RemoveHeader(names) => {
            changes(names.iter().cloned().map(HeaderChange::Remove), rule, frontend)?
        }
        checked::Action::Track(table) => Action::Track(*table),
        checked::Action::UseBackend(backend) => Action::UseBackend(*backend),
        checked::Action::Return(answer) => Action::Return {
            status: answer.status,
            content_type: answer.content_type.clone(),
            body: Bytes::from(answer.body.clone()),
        },
    };
    Ok(Rule { condition: rule.condition.as_ref().map(acls::condition), action })
}

fn changes(
    changes: impl Iterator<Item = HeaderChange>,
    rule: &checked::Rule,
    frontend: &str,
) -> Result<Action, CompileError> {
    let changes: Vec<HeaderChange> = changes.collect();
    for change in &changes {
        change.check().map_err(|error| CompileError::Rule {
            frontend: frontend.to_owned(),
            line: rule.line,
            error: error.to_string(),
        })?;
    }
    Ok(Action::Headers(changes))
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

pub fn binds(checked: &Checked, state: &State) -> Result<Vec<Bind>, CompileError> {
    checked
        .listeners()
        .map(|(frontend, bind)| {
            let tls = match &bind.tls {
                Some(tls) => Some(tls::bind(tls, state.tickets()?)?),
                None => None,
            };
            Ok(Bind { frontend, address: bind.address, tls })
        })
        .collect()
}
