//! ETag, If-Match and If-None-Match (RFC 9110, 8.8.3 and 13.1). A tag is of what can be changed, not of the figures beside
//! it: of a server what an operator set, of the configuration its text. Else no change could ever name the one it saw.

use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use hyper::{HeaderMap, StatusCode};

use super::problem::Problem;

/// With its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Of letters, digits and hyphens.
    pub fn new(text: &str) -> Tag {
        Tag(format!("\"{text}\""))
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Whether a change may be made of what has this tag now; `None`: it has no tag, or is not there.
///
/// # Errors
/// 412: the client saw another one.
pub fn holds(headers: &HeaderMap, now: Option<&Tag>) -> Result<(), Problem> {
    let wanted = tags(headers, &IF_MATCH);
    // Strong comparison: a weak tag never matches.
    let matches = |wanted: &String| wanted == "*" || now.is_some_and(|now| *wanted == now.0);
    if !headers.contains_key(IF_MATCH) || wanted.iter().any(matches) {
        return Ok(());
    }
    let now = now.map_or(String::new(), |now| format!(" (it is {} now)", now.0));
    let message = format!("it is no longer as If-Match says{now}: read it again, then decide");
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message))
}

pub fn if_none_match(headers: &HeaderMap) -> Vec<String> {
    tags(headers, &IF_NONE_MATCH)
}

/// Weak comparison: `W/` says nothing.
pub fn is_known(tag: &Tag, known: &[String]) -> bool {
    known.iter().any(|known| known == "*" || known.trim_start_matches("W/") == tag.0)
}

/// Ours have no commas in them, so those that have need not be read right.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_of_what_was_seen() {
        let now = Tag::new("a-1");
        for (sent, good) in [
            (&[][..], true),
            (&["*"], true),
            (&["\"a-1\""], true),
            (&["\"x\", \"a-1\""], true),
            (&["\"x\"", "\"a-1\""], true),
            (&["\"a-2\""], false),
            (&["W/\"a-1\""], false),
            (&["a-1"], false),
            (&[""], false),
        ] {
            let headers: HeaderMap = sent.iter().map(|tag| (IF_MATCH, tag.parse().unwrap())).collect();
            let mut all = HeaderMap::new();
            for tag in sent {
                all.append(IF_MATCH, tag.parse().unwrap());
            }
            assert_eq!(holds(&all, Some(&now)).is_ok(), good, "{sent:?} {headers:?}");
        }
    }

    #[test]
    fn what_is_known_is_not_sent_again() {
        let now = Tag::new("a-1");
        for (sent, known) in [("W/\"a-1\"", true), ("\"a-1\"", true), ("*", true), ("\"b\"", false)] {
            assert_eq!(is_known(&now, &[sent.to_owned()]), known, "{sent}");
        }
    }
}
