//! What a JSON body must have at a path, and what makes one a chat completion.

use regex::Regex;
use serde_json::{Number, Value};

use super::text::short;
use crate::config::checked::{JsonMatch, JsonPath, JsonStep};

#[derive(Debug)]
pub(super) struct JsonExpectation {
    path: JsonPath,
    is: Is,
}

#[derive(Debug)]
enum Is {
    Equal(Value),
    /// `None`: it does not compile, so nothing matches. The configuration lets no such pattern pass.
    Match(Option<Regex>, String),
    Present,
}

impl JsonExpectation {
    pub(super) fn new(path: &JsonPath, expected: &JsonMatch) -> JsonExpectation {
        let is = match expected {
            JsonMatch::Equals(value) => Is::Equal(value.clone()),
            JsonMatch::Regex(pattern) => Is::Match(Regex::new(pattern).ok(), pattern.clone()),
            JsonMatch::Present => Is::Present,
        };
        JsonExpectation { path: path.clone(), is }
    }

    /// # Errors
    /// What is there instead.
    pub(super) fn holds_in(&self, root: &Value) -> Result<(), String> {
        let path = &self.path.text;
        let Some(found) = self.find(root) else { return Err(format!("{path} is missing")) };
        match &self.is {
            Is::Present => Ok(()),
            Is::Equal(expected) if equal(found, expected) => Ok(()),
            Is::Equal(expected) => Err(format!("{path} is {}, expected {}", show(found), show(expected))),
            Is::Match(Some(regex), _) if found.as_str().is_some_and(|text| regex.is_match(text)) => Ok(()),
            Is::Match(_, pattern) => {
                Err(format!("{path} is {}, expected text that matches {}", show(found), short(pattern)))
            }
        }
    }

    fn find<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.path.steps.iter().try_fold(root, |at, step| match step {
            JsonStep::Key(key) => at.as_object()?.get(key),
            JsonStep::Index(index) => at.as_array()?.get(*index),
        })
    }
}

/// # Errors
/// It is not JSON.
pub(super) fn parse(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|e| match body.is_empty() {
        true => "the answer has no body, expected JSON".to_owned(),
        false => format!("body is not JSON (line {} column {})", e.line(), e.column()),
    })
}

/// # Errors
/// It is not an object with a list `choices` that has at least one.
pub(super) fn has_choices(answer: &Value) -> Result<(), String> {
    let Some(object) = answer.as_object() else {
        return Err(format!("body is {}, expected a chat completion", show(answer)));
    };
    match object.get("choices") {
        None if object.contains_key("error") => Err("the answer is an error, expected `choices`".to_owned()),
        None => Err("the answer has no `choices`".to_owned()),
        Some(Value::Array(choices)) if choices.is_empty() => {
            Err("`choices` of the answer is empty".to_owned())
        }
        Some(Value::Array(_)) => Ok(()),
        Some(other) => Err(format!("`choices` of the answer is {}, expected a list", show(other))),
    }
}

fn equal(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => same_number(found, expected),
        _ => found == expected,
    }
}

/// 3 is 3.0. Whole numbers are compared as such: a float has no room for all of them.
fn same_number(a: &Number, b: &Number) -> bool {
    let whole = |n: &Number| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
