//! A counter is known, and can be raised, only for what is tracked, and rules run in order: those of the connection, then
//! those of its requests, then those of the answer.

use super::{Rules, Setting, Step};
use crate::config::checked::{Acl, Action, ConnectionAction, Test};

/// What a rule does to tables.
enum Touch {
    Track(usize),
    Write(usize),
}

pub(super) fn check(
    setting: &Setting<'_>,
    rules: &Rules<'_>,
    connection: &[Step<'_>],
    request: &[Step<'_>],
    response: &[Step<'_>],
) {
    let of_connection = rules.connection.iter().map(|r| match r.action {
        ConnectionAction::Track(table) => Some(Touch::Track(table)),
        ConnectionAction::Raise(counter) | ConnectionAction::SetGpt0(counter, _) => {
            Some(Touch::Write(counter.table))
        }
        _ => None,
    });
    let of_request = rules.request.iter().map(|r| match r.action {
        Action::Track(table) => Some(Touch::Track(table)),
        Action::Raise(counter) | Action::SetGpt0(counter, _) => Some(Touch::Write(counter.table)),
        _ => None,
    });
    let of_response = rules.response.iter().map(|_| None);
    let steps = connection.iter().chain(request).chain(response);
    let mut tracked: Vec<usize> = Vec::new();
    for (step, touch) in steps.zip(of_connection.chain(of_request).chain(of_response)) {
        if let Some((acl, table)) = early(setting, step, &tracked) {
            let table = name(setting, table);
            let message =
                format!("acl `{acl}` is never true here: no rule before this one tracks table `{table}`");
            setting.warn(step, message, &format!("put a rule `{{track: {table}}}` before it"));
        }
        match touch {
            Some(Touch::Track(table)) if !tracked.contains(&table) => tracked.push(table),
            Some(Touch::Write(table)) if !tracked.contains(&table) && setting.never(step).is_none() => {
                let table = name(setting, table);
                let message = format!("this rule does nothing: no rule before it tracks table `{table}`");
                setting.warn(step, message, &format!("put a rule `{{track: {table}}}` before it"));
            }
            _ => {}
        }
    }
}

fn name<'a>(setting: &Setting<'a>, table: usize) -> &'a str {
    setting.tables.get(table).and_then(|t| t.as_ref()).map_or("NAME", |t| &t.name)
}

/// An ACL of the rule that asks a table which is not tracked yet.
fn early<'a>(setting: &Setting<'a>, step: &Step<'_>, tracked: &[usize]) -> Option<(&'a str, usize)> {
    let mut early = None;
    step.condition?.visit(&mut |i| {
        if let Some(Some(Acl { name, test: Test::Above { table, .. } })) = setting.acls.get(i)
            && !tracked.contains(table)
        {
            early = Some((name.as_str(), *table));
        }
    });
    early
}
