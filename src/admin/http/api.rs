//! `/api/v1`: what there is to see, and what an operator may change, as JSON. [`routes`] has all of it: what it does not
//! name is not answered, and `/api/v1/openapi.json` is made of it.

mod answer;
mod change;
mod figures;
mod guard;
mod history;
mod input;
mod openapi;
mod precondition;
mod problem;
mod routes;
mod servers;
mod tables;
mod usage;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use super::access;
use crate::admin::View;
use crate::admin::audit::{self, Outcome};
use answer::Answer;
use input::Fields;
use problem::Problem;
use routes::{Found, Task};

/// What begins so is answered here.
pub const ROOT: &str = "/api/";

/// What is asked, after all that can be wrong with it is known not to be.
struct Call {
    view: Arc<View>,
    head: Parts,
    /// What stands in the path for `{name}`, in order.
    path: Vec<String>,
    query: Fields,
    body: Fields,
}

impl Call {
    /// A part of the path; the route has as many as are asked for.
    fn part(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }
}

/// The whole answer. hyper leaves the body of an answer to HEAD away.
pub async fn answer(view: &Arc<View>, peer: IpAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let if_none_match = precondition::if_none_match(&head.headers);
    match respond(view, peer, head, body).await {
        Ok(answer) => answer.into_response(&if_none_match),
        Err(problem) => problem.into_response(),
    }
}

async fn respond(view: &Arc<View>, peer: IpAddr, head: Parts, body: Incoming) -> Result<Answer, Problem> {
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    let who = format!("http {peer}");
    let mut what = format!("{} {}", head.method, head.uri.path());
    let stranger = |problem: Problem| {
        if !reads {
            view.strangers.refused(&view.state.clock, &who, &what, &problem.message);
        }
        problem
    };
    let snapshot = view.store.load();
    if !access::is_allowed(snapshot.admin.token.as_ref(), &head.headers) {
        return Err(stranger(Problem::unauthorized()));
    }
    let Found { route, path } = routes::find(&head.method, head.uri.path())?;
    let query = input::query(route, head.uri.query())?;
    if reads {
        let call = Call { view: view.clone(), head, path, query, body: Fields::default() };
        return read(route.task, call).await;
    }
    guard::may_change(&snapshot.admin, peer, &head.headers).map_err(stranger)?;
    let changed = async {
        let (body, text) = input::body(route, &head.headers, body).await?;
        if !body.is_empty() {
            what = format!("{what} {text}");
        }
        let call = Call { view: view.clone(), head, path, query, body };
        change::run(route.task, call, &who).await
    };
    let changed = changed.await;
    audit::write(
        &who,
        &what,
        changed.as_ref().map_or_else(|why| Outcome::Refused(&why.message), |_| Outcome::Done),
    );
    changed
}

/// What may be read.
async fn read(task: Task, call: Call) -> Result<Answer, Problem> {
    let view = &call.view;
    match task {
        Task::Status => Answer::of(&view.report())?.tagged(change::node_tag(view)),
        Task::OpenApi => Answer::of(&openapi::document()),
        Task::Events => figures::events(&call),
        Task::Streams => Answer::of(&view.streams(usize::MAX)),
        Task::Frontends => figures::frontends(view),
        Task::Backends => figures::backends(view),
        Task::Backend => figures::backend(&call),
        Task::Servers => servers::all(view),
        Task::Server => servers::one(view, call.part(0), call.part(1)),
        Task::Tables => figures::tables(view),
        Task::Table => tables::entries(&call).await,
        Task::Config => history::newest(view).await,
        Task::History => history::list(view).await,
        Task::HistoryText => history::text(&call).await,
        Task::HistoryDiff => history::diff(&call).await,
        Task::Usage => usage::report(&call).await,
        Task::Reload
        | Task::Rollback
        | Task::Drain
        | Task::Undrain
        | Task::ChangeServer
        | Task::EndStream => Err(Problem::not_found("this only changes something")),
    }
}
