//! Parts of the report: what `/api/v1/status` has all of.

use serde_json::json;

use super::Call;
use super::answer::Answer;
use super::problem::Problem;
use crate::admin::View;

pub fn frontends(view: &View) -> Result<Answer, Problem> {
    Answer::of(&json!({"frontends": view.report().frontends}))
}

pub fn backends(view: &View) -> Result<Answer, Problem> {
    Answer::of(&json!({"backends": view.report().backends}))
}

pub fn backend(call: &Call) -> Result<Answer, Problem> {
    let report = view_backend(&call.view, call.part(0))?;
    Answer::of(&report)
}

fn view_backend(view: &View, name: &str) -> Result<crate::admin::report::Backend, Problem> {
    let snapshot = view.store.load();
    let found = snapshot.backends.iter().find(|backend| *backend.name == *name);
    let found = found.ok_or_else(|| {
        Problem::not_found("no such backend: GET /api/v1/backends has those that there are")
    })?;
    Ok(view.backend(found, view.state.clock.now()))
}

pub fn tables(view: &View) -> Result<Answer, Problem> {
    Answer::of(&json!({"tables": view.report().tables}))
}

pub fn events(call: &Call) -> Result<Answer, Problem> {
    let only = call.query.text("backend");
    let known = |name: &str| call.view.store.load().backends.iter().any(|backend| *backend.name == *name);
    if only.is_some_and(|name| !known(name)) {
        return Err(Problem::bad_request("`backend`: there is none of this name"));
    }
    Answer::of(&call.view.events(only))
}
