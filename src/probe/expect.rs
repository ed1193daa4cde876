//! What the answer to a check must be: made once from the configuration, asked for each answer. Pure: values in, a
//! judgement out. What it says is for people: it names what was expected and, cut short, the one value that was found
//! instead; never a body.

mod json;
mod text;

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName, SET_COOKIE};
use regex::bytes::Regex;

use self::json::JsonExpectation;
use self::text::{Text, short};
use crate::config::checked::{BodyMatch, ChatCheck, HttpCheck};

/// The most that is read of a body. What is expected stands before that.
pub const BODY_LIMIT: usize = 1 << 20;

const TOO_MANY_REQUESTS: u16 = 429;

#[derive(Debug)]
pub struct Expectation {
    /// Ascending.
    statuses: Vec<u16>,
    /// A server that says `429` is alive and says so.
    limited_is_well: bool,
    headers: Vec<(HeaderName, Text)>,
    body: Option<Body>,
}

#[derive(Debug)]
enum Body {
    Contains(String),
    Matches(Option<Regex>, String),
    Json(Vec<JsonExpectation>),
    /// A chat completion: an object with at least one choice.
    Choices,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    Passed(Cow<'static, str>),
    /// The status is none of those expected.
    WrongStatus(String),
    /// The status is as expected, something else is not.
    WrongContent(String),
}

impl Expectation {
    pub fn of_http(check: &HttpCheck) -> Expectation {
        let expect = &check.expect;
        let body = expect.body.as_ref().map(|body| match body {
            BodyMatch::Contains(part) => Body::Contains(part.clone()),
            BodyMatch::Regex(pattern) => Body::Matches(Regex::new(pattern).ok(), pattern.clone()),
            BodyMatch::Json(all) => {
                Body::Json(all.iter().map(|(path, is)| JsonExpectation::new(path, is)).collect())
            }
        });
        Expectation {
            statuses: expect.status.clone(),
            limited_is_well: false,
            headers: expect.headers.iter().map(|(name, is)| (name.clone(), Text::new(is))).collect(),
            body,
        }
    }

    pub fn of_chat(_: &ChatCheck) -> Expectation {
        let (statuses, headers) = (vec![200], Vec::new());
        Expectation { statuses, limited_is_well: true, headers, body: Some(Body::Choices) }
    }

    /// Judges the head of an answer. `None`: all is well so far, the body decides.
    pub fn head(&self, status: u16, headers: &HeaderMap) -> Option<Judgement> {
        if self.limited_is_well && status == TOO_MANY_REQUESTS {
            return Some(Judgement::Passed("rate limited".into()));
        }
        if !self.statuses.contains(&status) {
            let expected = list(&self.statuses);
            return Some(Judgement::WrongStatus(format!("status {status}, expected {expected}")));
        }
        let wrong = self.headers.iter().find_map(|(name, expected)| header(name, expected, headers).err());
        match (wrong, &self.body) {
            (Some(why), _) => Some(Judgement::WrongContent(why)),
            (None, Some(_)) => None,
            (None, None) => Some(Judgement::Passed(format!("status {status}").into())),
        }
    }

    /// Judges the whole body behind a head that was well.
    pub fn body(&self, status: u16, body: &[u8]) -> Judgement {
        let judged = match &self.body {
            None => Ok(()),
            Some(Body::Contains(part)) if contains(body, part.as_bytes()) => Ok(()),
            Some(Body::Contains(part)) => Err(format!("body does not contain {}", short(part))),
            Some(Body::Matches(Some(regex), _)) if regex.is_match(body) => Ok(()),
            Some(Body::Matches(_, pattern)) => Err(format!("body does not match {}", short(pattern))),
            Some(Body::Json(all)) => json::parse(body)
                .and_then(|value| all.iter().try_for_each(|expected| expected.holds_in(&value))),
            Some(Body::Choices) => json::parse(body).and_then(|value| json::has_choices(&value)),
        };
        match judged {
            Ok(()) => Judgement::Passed(format!("status {status}").into()),
            Err(why) => Judgement::WrongContent(why),
        }
    }

    pub fn needs_body(&self) -> bool {
        self.body.is_some()
    }
}

/// One of several values is enough.
fn header(name: &HeaderName, expected: &Text, headers: &HeaderMap) -> Result<(), String> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Err(format!("header {name} is missing")) };
    if expected.holds(first.as_bytes()) || values.any(|value| expected.holds(value.as_bytes())) {
        return Ok(());
    }
    if *name == SET_COOKIE {
        return Err(format!("no {name} header is as expected: {expected}"));
    }
    Err(format!(
        "header {name} is {}, expected {expected}",
        short(&String::from_utf8_lossy(first.as_bytes()))
    ))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// `200`, `200 or 204`, `200-299 or 404`.
fn list(statuses: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &status in statuses {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == status => *last = status,
            _ => ranges.push((status, status)),
        }
    }
    let text = |&(first, last): &(u16, u16)| match last - first {
        0 => first.to_string(),
        1 => format!("{first} or {last}"),
        _ => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests;
