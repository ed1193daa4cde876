//! Frontends and their binds.

use std::sync::Arc;

use bytes::Bytes;

use crate::acl::IpSet;
use crate::config::checked::{self, Checked};
use crate::runtime::compile::{CompileError, rules, tls};
use crate::runtime::snapshot::{Backend, Bind, ErrorBody, Frontend};
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
    let trust = frontend.forwarded_for.as_ref().map(|option| &option.trust).filter(|trust| !trust.is_empty());
    Ok(Frontend {
        name: Arc::from(&*frontend.name),
        max_connections: frontend.max_connections,
        request_head: frontend.timeouts.request_head,
        client: frontend.timeouts.client,
        keep_alive: frontend.timeouts.keep_alive,
        total: frontend.timeouts.total,
        max_request_body: frontend.max_request_body,
        forwarded_for_except,
        forwarded_for_trust: trust.map(|trust| trust.iter().copied().collect()),
        monitor: frontend.monitor.clone(),
        error_bodies: frontend.error_bodies.iter().map(error_body).collect(),
        connection_rules: rules::of_connections(&frontend.connection_rules, checked),
        rules: rules::of_requests(&frontend.rules, checked).map_err(|e| e.in_frontend(&frontend.name))?,
        response_rules: rules::of_answers(&frontend.response_rules)
            .map_err(|e| e.in_frontend(&frontend.name))?,
        default_backend: frontend.default_backend,
        gate: state.gate(&frontend.name),
        stats: state.frontend_stats(&frontend.name),
        local: cells("", ""),
        unserved: checked.backends.iter().map(|backend| cells(&backend.name, "")).collect(),
        answers,
    })
}

fn error_body(own: &checked::ErrorBody) -> (u16, ErrorBody) {
    (own.status, ErrorBody { content_type: own.content_type.clone(), body: Bytes::from(own.body.clone()) })
}

pub fn binds(checked: &Checked, state: &State) -> Result<Vec<Bind>, CompileError> {
    checked
        .listeners()
        .map(|(frontend, bind)| {
            let tls = match &bind.tls {
                Some(tls) => Some(tls::bind(tls, state.tickets(tls::ticket_scope(tls))?)?),
                None => None,
            };
            let accept_proxy = bind.accept_proxy.as_ref();
            Ok(Bind {
                frontend,
                address: bind.address.clone(),
                accept_proxy: accept_proxy.map(|from| Arc::new(from.iter().copied().collect())),
                tls,
            })
        })
        .collect()
}
