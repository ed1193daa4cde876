//! The OpenAPI document: what it describes is there, and answers as it says.

use serde_json::Value;

use super::{ask, change, json, node};
use crate::support::http::Ask;

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

#[test]
fn everything_described_answers_with_the_keys_that_are_promised() {
    let edge = node();
    edge.ask(&Ask::get("/v1/models"));
    let document = json(&edge, "/api/v1/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() >= 22, "{}", operations.len());
    for (method, path, operation) in operations.iter().filter(|(_, path, _)| path != "/api/v1/usage") {
        let target = path
            .replace("{backend}", "ai")
            .replace("{server}", "one")
            .replace("{number}", "1")
            .replace("{table}", "by_ip");
        let body = if method == "PATCH" { "{\"weight\":50}" } else { "" };
        let answer = match method.as_str() {
            "GET" => edge.admin_get(&target),
            _ => ask(&edge, &change(method, &target, body)),
        };
        // There is no stream to end, and nothing to go back to.
        let expected = match path.as_str() {
            "/api/v1/streams/{id}" => 404,
            "/api/v1/rollback" => 409,
            _ => 200,
        };
        assert_eq!(answer.status(), expected, "{method} {path}: {}", answer.text());
        let schema = &operation["responses"]["200"];
        let promised = &schema["content"]["application/json"]["schema"]["required"];
        for key in promised.as_array().unwrap().iter().filter(|_| expected == 200) {
            let found = answer.json().get(key.as_str().unwrap()).is_some();
            assert!(found, "{method} {path}: no {key} in {}", answer.text());
        }
        assert_eq!(answer.header("etag").is_some(), schema.get("headers").is_some(), "{method} {path}");
    }
}

#[test]
fn the_document_is_whole() {
    let edge = node();
    let document = json(&edge, "/api/v1/openapi.json");
    let mut ids = Vec::new();
    for (method, path, operation) in operations(&document) {
        ids.push(operation["operationId"].as_str().unwrap().to_owned());
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let named: Vec<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let in_path: Vec<&str> = parameters
            .iter()
            .filter(|of| of["in"] == "path")
            .map(|of| of["name"].as_str().unwrap())
            .collect();
        assert_eq!(in_path, named, "{method} {path}");
        assert_eq!(operation.get("requestBody").is_some(), method != "GET", "{method} {path}");
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an operationId is there twice");
    // What refers to a part of it finds it.
    let reference = "#/components/schemas/Error";
    assert!(document.to_string().contains(reference));
    assert!(document.pointer(&reference[1..]).is_some());
}
