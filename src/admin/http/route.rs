//! What the admin listener answers to beside the API: paths, methods, the token.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};

use super::access;
use crate::admin::View;
use crate::admin::health::Readiness;
use crate::admin::{prometheus, stats_csv, stats_page};
use crate::observe::exposition;

/// All there is, for one who asked for something else.
const PATHS: &str = "\
/stats          the stats page, for people
/stats;csv      the same figures as HAProxy's CSV
/api/v1/openapi.json  the API for programs: all figures, and changes
/metrics        for Prometheus
/health         200 while the process lives
/ready          200 while it may take traffic
";

const TEXT: &str = "text/plain; charset=utf-8";

/// The whole answer. hyper leaves the body of an answer to HEAD away.
pub fn answer(view: &View, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let path = uri.path();
    let known = PATHS.lines().any(|line| line.split(' ').next() == Some(path)) || path == "/";
    if known && !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".into());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/health" => return respond(StatusCode::OK, TEXT, "alive\n".into()),
        "/ready" => return ready(view),
        _ => {}
    }
    if !access::is_allowed(view.store.load().admin.token.as_ref(), headers) {
        return unauthorized();
    }
    match path {
        "/" => moved("/stats"),
        "/stats" => page(view),
        "/stats;csv" => respond(StatusCode::OK, TEXT, stats_csv::text(view)),
        "/metrics" => metrics(view, uri.query()),
        _ => {
            let body = format!("nothing here; there is:\n\n{PATHS}");
            respond(StatusCode::NOT_FOUND, TEXT, body)
        }
    }
}

fn ready(view: &View) -> Response<Full<Bytes>> {
    let readiness = Readiness::of(view);
    let status = match readiness {
        Readiness::Ready => StatusCode::OK,
        Readiness::Starting | Readiness::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    respond(status, TEXT, readiness.explanation().into())
}

fn metrics(view: &View, query: Option<&str>) -> Response<Full<Bytes>> {
    match prometheus::Names::of(query) {
        Ok(names) => respond(StatusCode::OK, exposition::CONTENT_TYPE, names.text(view)),
        Err(why) => respond(StatusCode::BAD_REQUEST, TEXT, why),
    }
}

fn page(view: &View) -> Response<Full<Bytes>> {
    let mut page = respond(StatusCode::OK, "text/html; charset=utf-8", stats_page::render(&view.report()));
    if let Ok(policy) = HeaderValue::from_str(stats_page::content_security_policy()) {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    page.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    page
}

fn unauthorized() -> Response<Full<Bytes>> {
    let mut refused = respond(StatusCode::UNAUTHORIZED, TEXT, format!("{}\n", access::WHAT_TO_SEND));
    access::challenge(refused.headers_mut());
    refused
}

fn moved(to: &'static str) -> Response<Full<Bytes>> {
    let mut moved = respond(StatusCode::FOUND, TEXT, format!("see {to}\n"));
    moved.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    moved
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_documented() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/management.md");
        let page = std::fs::read_to_string(path).unwrap();
        let paths = PATHS.lines().filter_map(|line| line.split(' ').next());
        for path in paths.filter(|path| !path.starts_with(crate::admin::http::api::ROOT)) {
            assert!(page.contains(&format!("\n| `{path}` |")), "{path} is not in docs/management.md");
        }
    }
}
