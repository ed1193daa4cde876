//! Models as the clients of a plan see them, as rules and tables ask for them, and as they change.

mod plans;
mod reloaded;
mod rules;

use crate::support::http::Message;

/// The names in a list of models.
#[track_caller]
fn listed(answer: &Message) -> Vec<String> {
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    let json = answer.json();
    assert_eq!(json["object"], "list");
    let names = json["data"].as_array().unwrap().iter().map(|model| {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
        model["id"].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{model}"))
    });
    names.collect()
}
