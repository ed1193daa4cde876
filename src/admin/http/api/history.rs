//! The configurations that were in force, without their secrets.

use std::time::Duration;

use serde_json::{Value, json};

use super::Call;
use super::answer::Answer;
use super::precondition::Tag;
use super::problem::Problem;
use crate::admin::View;
use crate::base::calendar::Civil;
use crate::config::difference::{difference, masked};
use crate::history::{Entry, Error, History};

pub async fn list(view: &View) -> Result<Answer, Problem> {
    let document = ask(view, |history| {
        let entries: Vec<Value> = history.list()?.iter().map(entry).collect();
        Ok(json!({"entries": entries, "broken": history.broken()?}))
    });
    Answer::of(&document.await?)
}

pub async fn newest(view: &View) -> Result<Answer, Problem> {
    let document = ask(view, |history| {
        let Some(newest) = history.newest()? else { return Ok(None) };
        Ok(Some((whole(&newest, &history.text(newest.number)?), newest.sha256)))
    });
    let (document, sha256) = document.await?.ok_or_else(is_empty)?;
    Answer::of(&document)?.tagged(Tag::new(&sha256))
}

/// Of the newest one; `None` where there is none.
pub async fn tag(view: &View) -> Option<Tag> {
    let newest = ask(view, History::newest).await.ok()??;
    Some(Tag::new(&newest.sha256))
}

pub async fn text(call: &Call) -> Result<Answer, Problem> {
    let number = number(call)?;
    let document = ask(&call.view, move |history| {
        let text = history.text(number)?;
        let found = history.list()?.into_iter().find(|entry| entry.number == number);
        Ok(found.map(|found| whole(&found, &text)))
    });
    Answer::of(&document.await?.ok_or_else(is_empty)?)
}

pub async fn diff(call: &Call) -> Result<Answer, Problem> {
    let (from, to) = (number(call)?, call.query.number("to"));
    let document = ask(&call.view, move |history| {
        let Some(to) = to.or(history.newest()?.map(|newest| newest.number)) else { return Ok(None) };
        let difference = difference(&history.text(from)?, &history.text(to)?);
        let changes: Option<Vec<Value>> = difference.changes().map(|changes| {
            changes.iter().map(|change| json!({"key": change.path, "change": change.to_string()})).collect()
        });
        Ok(Some(json!({
            "from": from,
            "to": to,
            "same": difference.is_empty(),
            "changes": changes,
            "lines_added": difference.lines_added(),
            "lines_removed": difference.lines_removed(),
            "diff": difference.to_string(),
        })))
    });
    Answer::of(&document.await?.ok_or_else(is_empty)?)
}

fn number(call: &Call) -> Result<u64, Problem> {
    let wrong =
        |_| Problem::not_found("the history goes by numbers: GET /api/v1/history has those that there are");
    call.part(0).parse().map_err(wrong)
}

fn is_empty() -> Problem {
    Problem::not_found("the history is empty: what is in force could not be kept; the log says why")
}

/// On a thread of its own: it waits for the disk, and comparing may take half a second.
async fn ask<T: Send + 'static>(
    view: &View,
    question: impl FnOnce(&History) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let dir = view.state_dir.clone().ok_or_else(|| Problem::not_found("there is no history here"))?;
    let _turn = view.questions.acquire().await.map_err(|error| Problem::failed(error.to_string()))?;
    let found = View::aside(move || question(&History::open(&dir))).await.map_err(Problem::failed)?;
    found.map_err(|error| match error {
        Error::Unknown { .. } => Problem::not_found(&error.to_string()),
        error => Problem::failed(error.to_string()),
    })
}

fn whole(of: &Entry, text: &str) -> Value {
    let mut document = entry(of);
    document["text"] = json!(masked(text));
    document
}

fn entry(entry: &Entry) -> Value {
    json!({
        "number": entry.number,
        "sha256": entry.sha256,
        "applied_at": time(entry.at),
        "applied_again_at": entry.again.map(time),
        "by": entry.who,
        "file": entry.file.display().to_string(),
        "bytes": entry.bytes,
    })
}

fn time(at: Duration) -> String {
    let mut out = Vec::new();
    // Writing to a Vec does not fail.
    let _ = Civil::from_unix(at).write_rfc3339(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
