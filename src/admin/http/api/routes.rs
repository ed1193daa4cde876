//! Everything that `/api/v1` answers: the one table that requests are told apart by and the OpenAPI document is made of.

use hyper::Method;

use super::problem::Problem;
use crate::admin::change::{MOST, MOST_CONCURRENT};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Status,
    Config,
    History,
    HistoryText,
    HistoryDiff,
    Frontends,
    Backends,
    Backend,
    Servers,
    Server,
    ChangeServer,
    Tables,
    Table,
    Streams,
    EndStream,
    Events,
    Usage,
    Reload,
    Rollback,
    Drain,
    Undrain,
    OpenApi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

#[derive(Debug)]
pub struct Route {
    pub verb: Verb,
    /// `{name}` is one part of a path, whatever it is.
    pub path: &'static str,
    pub task: Task,
    pub summary: &'static str,
    /// Parameters of the query.
    pub query: &'static [Field],
    /// Keys of the body.
    pub body: &'static [Field],
    /// Keys that every answer has.
    pub keys: &'static [&'static str],
    /// The answer has an ETag, or a change takes If-Match.
    pub tagged: bool,
}

/// A parameter of a query, or a key of a body. None has to be there.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub what: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    Flag,
    /// One of these.
    Word(&'static [&'static str]),
    /// A whole number from the one to the other.
    Number(u64, u64),
    /// The same, or `null`.
    NumberOrNull(u64, u64),
}

const fn field(name: &'static str, kind: Kind, what: &'static str) -> Field {
    Field { name, kind, what }
}

const fn get(path: &'static str, task: Task, summary: &'static str, keys: &'static [&'static str]) -> Route {
    Route { verb: Verb::Get, path, task, summary, query: &[], body: &[], keys, tagged: false }
}

const fn order(path: &'static str, task: Task, summary: &'static str) -> Route {
    Route { verb: Verb::Post, keys: &["done", "message"], tagged: true, ..get(path, task, summary, &[]) }
}

/// Entries of a table, and rows of usage, where nobody says how many.
pub const ROWS: u64 = 1000;
/// And where somebody does.
pub const MOST_ROWS: u64 = 10_000;

const SERVER: &[&str] = &["backend", "name", "address", "state", "weight", "set"];
const CONFIG: &[&str] = &["number", "sha256", "applied_at", "by", "file", "bytes", "text"];

pub const ROUTES: &[Route] = &[
    Route {
        tagged: true,
        ..get(
            "/api/v1/status",
            Task::Status,
            "Everything that the stats page shows",
            &[
                "node",
                "attention",
                "frontends",
                "backends",
                "models",
                "clients",
                "budgets",
                "streams",
                "tables",
            ],
        )
    },
    Route {
        tagged: true,
        ..get("/api/v1/config", Task::Config, "The newest configuration, its secrets masked", CONFIG)
    },
    get(
        "/api/v1/history",
        Task::History,
        "The configurations that were in force, the newest first",
        &["entries", "broken"],
    ),
    get("/api/v1/history/{number}", Task::HistoryText, "One of them, its secrets masked", CONFIG),
    Route {
        query: &[field("to", Kind::Number(1, u64::MAX), "Another number; without, the newest")],
        ..get(
            "/api/v1/history/{number}/diff",
            Task::HistoryDiff,
            "What changed from one configuration to another",
            &["from", "to", "same", "changes", "lines_added", "lines_removed", "diff"],
        )
    },
    get("/api/v1/frontends", Task::Frontends, "Where requests come in", &["frontends"]),
    get("/api/v1/backends", Task::Backends, "Where requests go, with their servers", &["backends"]),
    get("/api/v1/backends/{backend}", Task::Backend, "One backend with its servers", &["name", "servers"]),
    get("/api/v1/servers", Task::Servers, "The servers of all backends", &["servers"]),
    Route { tagged: true, ..get("/api/v1/servers/{backend}/{server}", Task::Server, "One server", SERVER) },
    Route {
        verb: Verb::Patch,
        body: &[
            field("state", Kind::Word(&["ready", "drain", "maint"]), "What an operator wants of it"),
            field("weight", Kind::NumberOrNull(0, MOST as u64), "null: as the file has it"),
            field(
                "max_concurrent",
                Kind::NumberOrNull(0, MOST_CONCURRENT as u64),
                "Requests at once; 0: no limit, null: as the file has it",
            ),
        ],
        tagged: true,
        ..get(
            "/api/v1/servers/{backend}/{server}",
            Task::ChangeServer,
            "Changes a server's state, weight or limit, until it is changed again or tidegate ends",
            SERVER,
        )
    },
    get("/api/v1/tables", Task::Tables, "The stick tables", &["tables"]),
    Route {
        query: &[
            field("key", Kind::Text, "The entry of this key alone: an address, or 64 hex digits"),
            field("limit", Kind::Number(1, MOST_ROWS), "So many entries at most; 1000"),
        ],
        ..get(
            "/api/v1/tables/{table}",
            Task::Table,
            "A stick table with its entries, in no order",
            &["name", "key", "counters", "entries", "size", "list", "more"],
        )
    },
    get("/api/v1/streams", Task::Streams, "The calls and event streams in flight", &["total", "list"]),
    Route {
        verb: Verb::Delete,
        ..get(
            "/api/v1/streams/{id}",
            Task::EndStream,
            "Ends the one of this number, or all of this request id",
            &["ended"],
        )
    },
    Route {
        query: &[field("backend", Kind::Text, "Of this backend alone")],
        ..get(
            "/api/v1/events",
            Task::Events,
            "What has changed lately, the newest first",
            &["total", "events"],
        )
    },
    Route {
        query: &[
            field(
                "by",
                Kind::Text,
                "Columns with commas: client, plan, model, backend, server, day, month, hour",
            ),
            field("since", Kind::Text, "How long ago (30d), a day, a month or a time; 30d"),
            field("until", Kind::Text, "The same; without, up to now"),
            field("limit", Kind::Number(1, MOST_ROWS), "So many rows at most; 1000"),
        ],
        ..get(
            "/api/v1/usage",
            Task::Usage,
            "Who took how many tokens, and what they cost, from the ledger",
            &["since", "until", "by", "rows", "total", "rows_in_all", "cut"],
        )
    },
    Route {
        body: &[
            field(
                "guard",
                Kind::Text,
                "A time, 5s to 10m: what was in force comes back if things get worse in it",
            ),
            field("canary", Kind::Text, "A share, 0.1% to 50%, of the clients that get it first"),
            field("for", Kind::Text, "How long the canary is watched; 60s"),
        ],
        ..order("/api/v1/reload", Task::Reload, "Reads the file again and puts it in force")
    },
    Route {
        body: &[
            field(
                "number",
                Kind::Number(1, u64::MAX),
                "Of the history; without, the one before the one in force",
            ),
            field("write", Kind::Flag, "Also in the place of the file"),
        ],
        ..order("/api/v1/rollback", Task::Rollback, "Puts an older configuration in force")
    },
    order("/api/v1/drain", Task::Drain, "Asks for no new traffic: /ready says 503, connections end politely"),
    order("/api/v1/undrain", Task::Undrain, "Takes traffic again"),
    get(
        "/api/v1/openapi.json",
        Task::OpenApi,
        "This API, as OpenAPI 3.1 describes it",
        &["openapi", "paths"],
    ),
];

#[derive(Debug)]
pub struct Found {
    pub route: &'static Route,
    /// What stands for `{name}`, decoded, in order.
    pub path: Vec<String>,
}

/// # Errors
/// 404 for a path that there is none of, 405 for a method that it has not.
pub fn find(method: &Method, path: &str) -> Result<Found, Problem> {
    let here: Vec<(&Route, Vec<String>)> =
        ROUTES.iter().filter_map(|route| Some((route, matched(route.path, path)?))).collect();
    let wanted = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let mut allowed: Vec<&str> = here.iter().map(|(route, _)| route.verb.name()).collect();
    match here.into_iter().find(|(route, _)| route.verb.name() == wanted) {
        Some((route, path)) => Ok(Found { route, path }),
        None if allowed.is_empty() => Err(Problem::not_found(&format!(
            "there is no {path}; GET /api/v1/openapi.json has all that there is"
        ))),
        None => {
            if allowed.contains(&"GET") {
                allowed.push("HEAD");
            }
            Err(Problem::method_not_allowed(method, &allowed.join(", ")))
        }
    }
}

fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut found, mut parts) = (Vec::new(), path.split('/'));
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        if wanted.starts_with('{') {
            found.push(super::input::decoded(part, false).filter(|part| !part.is_empty())?);
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_and_documented() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/management.md");
        let page = std::fs::read_to_string(file).unwrap();
        for route in ROUTES {
            let method = route.verb.name().parse().unwrap();
            let found = find(&method, &route.path.replace(['{', '}'], "")).unwrap();
            assert_eq!(found.route.task, route.task, "{}", route.path);
            let row = format!("\n| `{} {}", route.verb.name(), route.path);
            assert!(page.contains(&row), "{} {} is not in docs/management.md", route.verb.name(), route.path);
        }
    }

    #[test]
    fn what_is_not_there_and_what_cannot_be_done_are_told_apart() {
        assert_eq!(find(&Method::GET, "/api/v1/nothing").unwrap_err().status, 404);
        for path in ["/api/v1/servers/a", "/api/v1/servers/a/b/c", "/api/v1/servers//b", "/api/v1/status/"] {
            assert_eq!(find(&Method::GET, path).unwrap_err().status, 404, "{path}");
        }
        let wrong = find(&Method::POST, "/api/v1/servers/a/b").unwrap_err();
        assert_eq!((wrong.status.as_u16(), wrong.allow.as_deref()), (405, Some("GET, PATCH, HEAD")));
        assert_eq!(find(&Method::PATCH, "/api/v1/servers/a%20b/%C3%A9").unwrap().path, ["a b", "é"]);
    }
}
