//! Servers as resources of their own: the figures of the report, their backend, and what an operator set of them.

use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::answer::Answer;
use super::precondition::Tag;
use super::problem::Problem;
use crate::admin::change::{self, Found, Missing};
use crate::admin::{View, report};
use crate::pool::Member;
use crate::runtime::snapshot::Snapshot;

/// # Errors
/// 404, in words.
pub fn find<'a>(snapshot: &'a Snapshot, backend: &str, server: &str) -> Result<Found<'a>, Problem> {
    change::find(snapshot, backend, server).map_err(|missing| {
        Problem::not_found(match missing {
            Missing::Backend => "no such backend: GET /api/v1/backends has those that there are",
            Missing::Server => "no such server: GET /api/v1/servers has those that there are",
        })
    })
}

/// Of what can be changed of it.
pub fn tag(member: &Member) -> Tag {
    let state = change::word(member.server.admin());
    let limit = |limit: Option<NonZeroU32>| limit.map_or(0, NonZeroU32::get);
    let (now, configured) = (limit(member.limit()), limit(member.max_concurrent));
    Tag::new(&format!("{state}-{}-{}-{now}-{configured}", member.effective_weight(), member.weight))
}

pub fn all(view: &View) -> Result<Answer, Problem> {
    let snapshot = view.store.load();
    let mut servers = Vec::new();
    for backend in view.report().backends {
        for server in &backend.servers {
            // A reload may have come between.
            if let Ok(found) = change::find(&snapshot, &backend.name, &server.name) {
                servers.push(document(&backend.name, server, found.member)?);
            }
        }
    }
    Answer::of(&json!({ "servers": servers }))
}

pub fn one(view: &View, backend: &str, server: &str) -> Result<Answer, Problem> {
    let snapshot = view.store.load();
    let found = find(&snapshot, backend, server)?;
    let report = view.server(found.backend, found.index, view.state.clock.now());
    let report = report.ok_or_else(|| Problem::not_found("no such server"))?;
    Answer::of(&document(backend, &report, found.member)?)?.tagged(tag(found.member))
}

fn document(backend: &str, server: &report::Server, member: &Member) -> Result<Value, Problem> {
    let mut document = serde_json::to_value(server).map_err(|error| Problem::failed(error.to_string()))?;
    document["backend"] = json!(backend);
    document["set"] = json!({
        "state": change::word(member.server.admin()),
        "weight": member.server.weight_override(),
        "configured_weight": member.weight,
        "max_concurrent": member.server.limit_override().map(|limit| limit.map_or(0, NonZeroU32::get)),
        "configured_max_concurrent": member.max_concurrent,
    });
    Ok(document)
}
