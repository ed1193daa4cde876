//! Paths and targets: the normal form is final and hides nothing; a target towards a server with a base path stays
//! below it; a redirect is a URL of the host it names. The input is lines: a base path, a host, the target.

use tidegate::rewrite::path::{normalised, target};
use tidegate::rewrite::redirect::{Redirect, Requested, Scheme, location};

use super::pieces;

pub fn run(input: &[u8]) {
    let [base, host, path] = pieces::parts(input, b'\n').map(|part| pieces::text(part));
    let (base, host, path) = (base.unwrap_or_default(), host.unwrap_or_default(), path.unwrap_or_default());
    is_normal(path);
    stays_below(base, path);
    is_a_url(host, path);
}

fn is_normal(path: &str) {
    let path = path.split('?').next().unwrap_or_default();
    let once = normalised(path);
    assert_eq!(normalised(&once), once, "normalised twice");
    assert!(once.starts_with('/') && !once.contains("//"), "{once}");
    assert!(!once.split('/').any(is_dots), "{once}");
}

/// Segments that a server would resolve, once it has decoded them.
pub fn is_dots(segment: &str) -> bool {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    decoded == "." || decoded == ".."
}

fn stays_below(base: &str, path: &str) {
    // As the configuration has it (`config::section::url`).
    let good = base.starts_with('/')
        && base.bytes().all(|b| b.is_ascii_graphic() && !b"?#%".contains(&b))
        && !base.split('/').skip(1).any(|segment| segment.is_empty() || is_dots(segment));
    if !good || !path.starts_with('/') {
        return;
    }
    let sent = target(Some(base), path);
    let (way, query) = sent.split_once('?').map_or((&*sent, None), |(way, query)| (way, Some(query)));
    assert_eq!(query, path.split_once('?').map(|(_, query)| query), "the query is kept");
    assert!(way.starts_with('/'), "{way}");
    assert!(!way.split('/').any(is_dots), "{way}");
    let asked = path.split('?').next().unwrap_or_default();
    let plain = !asked.contains('%') && !asked.split('/').any(is_dots);
    if plain && (asked == "/v1" || asked.starts_with("/v1/")) {
        let below = way.strip_prefix(base).unwrap_or("not below");
        assert_eq!(below, &asked[3..]);
    }
}

fn is_a_url(host: &str, path: &str) {
    let requested = Requested { scheme: Scheme::Http, host, port: None, path_and_query: path };
    let redirect = Redirect { scheme: Some(Scheme::Https), ..Redirect::default() };
    let url = location(&redirect, &requested);
    assert!(url.bytes().all(|b| b.is_ascii_graphic()), "{url}");
    if host.is_empty() {
        assert!(url.starts_with('/') && !url.starts_with("//"), "{url}");
    } else {
        let rest = url.strip_prefix("https://");
        assert!(rest.is_some(), "{url}");
        let authority = rest.and_then(|rest| rest.split(['/', '?', '#', '\\']).next()).unwrap_or_default();
        let kept: String = authority.chars().filter(|c| !"[]".contains(*c)).collect();
        let named = |c: &char| c.is_ascii_alphanumeric() || "-._~:".contains(*c);
        assert_eq!(kept, host.chars().filter(named).collect::<String>(), "{url}");
    }
}
