//! The models of a provider.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::deliver::Answer;
use super::{CREATED, Call, Problem};

const USUAL: [&str; 7] = [
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o-mini",
    "claude-sonnet-4.5",
    "gemini-2.5-flash",
    "deepseek-v3.2",
    "text-embedding-3-small",
];

/// Which models there are, and whether others are refused.
#[derive(Debug)]
pub struct Catalog {
    models: Vec<String>,
    exact: bool,
}

impl Catalog {
    /// Without models the usual ones are listed and nothing is refused.
    pub fn new(models: Vec<String>) -> Catalog {
        let exact = !models.is_empty();
        let models = if exact { models } else { USUAL.map(str::to_owned).to_vec() };
        Catalog { models, exact }
    }

    pub fn serves(&self, model: &str) -> bool {
        !self.exact || self.models.iter().any(|known| known == model)
    }
}

pub fn list_models(call: &Call<'_>) -> Answer {
    let data: Vec<Value> = call.catalog.models.iter().map(|model| describe(model, call.name)).collect();
    Answer::Whole(StatusCode::OK, json!({"object": "list", "data": data}))
}

pub fn one_model(call: &Call<'_>, model: &str) -> Result<Answer, Problem> {
    if !call.catalog.models.iter().any(|known| known == model) {
        return Err(Problem::unknown_model(model));
    }
    Ok(Answer::Whole(StatusCode::OK, describe(model, call.name)))
}

fn describe(model: &str, owner: &str) -> Value {
    json!({"id": model, "object": "model", "created": CREATED, "owned_by": owner})
}
