//! What may be changed: a server's state and weight, streams that are ended, orders to the whole process.

use std::num::NonZeroU32;

use hyper::StatusCode;
use hyper::header::IF_MATCH;
use serde_json::json;

use super::answer::Answer;
use super::input::Fields;
use super::precondition::{self, Tag};
use super::problem::Problem;
use super::routes::Task;
use super::{Call, history, servers};
use crate::admin::change::{Door, MOST, MOST_CONCURRENT, from_word};
use crate::admin::socket::orders;
use crate::admin::{View, streams};
use crate::runtime::orders::Order;

const DOOR: Door = "over HTTP";

/// Does it, if the caller saw what is there now.
pub async fn run(task: Task, call: Call, who: &str) -> Result<Answer, Problem> {
    match task {
        Task::ChangeServer => server(&call),
        Task::EndStream => end_stream(&call),
        Task::Reload => {
            let reload = reload(&call.body)?;
            order(&call, reload, who).await
        }
        Task::Rollback => {
            let (to, write) = (call.body.number("number"), call.body.flag("write"));
            order(&call, Order::Rollback { to, write }, who).await
        }
        Task::Drain => order(&call, Order::Drain, who).await,
        Task::Undrain => order(&call, Order::Undrain, who).await,
        _ => Err(Problem::not_found("nothing is changed here")),
    }
}

/// In the words of the socket.
fn reload(body: &Fields) -> Result<Order, Problem> {
    let words = match (body.text("guard"), body.text("canary"), body.text("for")) {
        (None, None, None) => vec!["reload"],
        (Some(time), None, None) => vec!["reload", "guard", time],
        (None, Some(share), None) => vec!["reload", "canary", share],
        (None, Some(share), Some(time)) => vec!["reload", "canary", share, "for", time],
        (Some(_), Some(_), _) => return Err(Problem::bad_request("`guard` and `canary` exclude each other")),
        (_, None, Some(_)) => return Err(Problem::bad_request("`for` goes with `canary`")),
    };
    let order = orders::parse(&words).unwrap_or(Ok(Order::Reload));
    order.map_err(|why| Problem::bad_request(why.trim_end()))
}

/// Without waiting for anything: nobody else comes between the look and the change.
fn server(call: &Call) -> Result<Answer, Problem> {
    let (view, backend, name) = (&call.view, call.part(0), call.part(1));
    let snapshot = view.store.load();
    let found = servers::find(&snapshot, backend, name)?;
    precondition::holds(&call.head.headers, Some(&servers::tag(found.member)))?;
    if call.body.is_empty() {
        return Err(Problem::bad_request(
            "nothing to change: send `state` (ready, drain, maint), `weight` (0 to 256, or null) or `max_concurrent`",
        ));
    }
    if let Some(weight) = call.body.number_or_null("weight") {
        let weight =
            weight.map_or(found.member.weight, |weight| u16::try_from(weight).unwrap_or(MOST).min(MOST));
        found.set_weight(view, weight, DOOR);
    }
    if let Some(limit) = call.body.number_or_null("max_concurrent") {
        let ordered = |limit| u32::try_from(limit).unwrap_or(MOST_CONCURRENT).min(MOST_CONCURRENT);
        found.set_limit(
            view,
            limit.map_or(found.member.max_concurrent, |limit| NonZeroU32::new(ordered(limit))),
            DOOR,
        );
    }
    if let Some(admin) = call.body.text("state").and_then(from_word) {
        found.set_state(view, admin, DOOR);
    }
    servers::one(view, backend, name)
}

fn end_stream(call: &Call) -> Result<Answer, Problem> {
    let (view, id) = (&call.view, call.part(0));
    let ended = streams::end(view, id, DOOR);
    if ended.is_empty() {
        return Err(Problem::not_found(
            "no such stream: GET /api/v1/streams has those in flight, by number and request_id; one that has ended by \
             itself is no longer there",
        ));
    }
    Answer::of(&json!({"ended": ended}))
}

async fn order(call: &Call, order: Order, who: &str) -> Result<Answer, Problem> {
    let (view, headers) = (&call.view, &call.head.headers);
    // Of those who say what they saw one comes after the other: the second sees what the first has done. Nobody else waits:
    // a reload that is watched takes its time, and another order is what ends it.
    let (_turn, tag) = match (headers.contains_key(IF_MATCH), &order) {
        (false, _) => (None, None),
        (true, Order::Drain | Order::Undrain) => (Some(view.turns.lock().await), Some(node_tag(view))),
        (true, _) => (Some(view.turns.lock().await), history::tag(view).await),
    };
    precondition::holds(headers, tag.as_ref())?;
    let answer = view.order(order, who).await;
    if !answer.done {
        return Err(Problem::new(StatusCode::CONFLICT, "refused", answer.message.trim_end()));
    }
    Answer::of(&answer)
}

/// Of what drain and undrain change.
pub fn node_tag(view: &View) -> Tag {
    Tag::new(if view.state.is_draining() { "draining" } else { "not-draining" })
}
