//! `/api/v1/openapi.json`: the routes as OpenAPI 3.1 describes them.

use serde_json::{Map, Value, json};

use super::routes::{Field, Kind, ROUTES, Route, Verb};

pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.verb.name().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tidegate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a tidegate process shows, and what an operator may change of it. Changes need an address \
                in admin.allow_changes_from, the token where admin.token is set, and `content-type: application/json` or an \
                `x-requested-with` header.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}, {"password": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "admin.token"},
                "password": {"type": "http", "scheme": "basic", "description": "any name, admin.token as the password"},
            },
            "schemas": {"Error": error()},
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "for programs; does not change"},
                "message": {"type": "string", "description": "for people"},
            },
        }},
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": responses(route),
    });
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if route.verb != Verb::Get {
        operation["requestBody"] = json!({
            "required": !route.body.is_empty() && route.verb == Verb::Patch,
            "content": {"application/json": {"schema": body(route.body)}},
        });
    }
    operation
}

/// `get_servers_backend_server`: of the verb and the path, so that each is there once.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1/").replace(['/', '.'], "_").replace(['{', '}'], "");
    format!("{}_{path}", route.verb.name().to_lowercase())
}

fn parameters(route: &Route) -> Vec<Value> {
    let path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = path.map(|name| {
        let kind = if name == "number" { "integer" } else { "string" };
        json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
    });
    let query = route.query.iter().map(|field| {
        json!({"name": field.name, "in": "query", "description": field.what, "schema": schema(field.kind)})
    });
    let condition = (route.verb != Verb::Get).then(|| {
        json!({
            "name": "If-Match",
            "in": "header",
            "description": "The ETag that was seen; 412 when it is another by now",
            "schema": {"type": "string"},
        })
    });
    path.chain(query).chain(condition).collect()
}

fn body(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let mut schema = schema(field.kind);
            schema["description"] = json!(field.what);
            (field.name.to_owned(), schema)
        })
        .collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn schema(kind: Kind) -> Value {
    let number = |kind: Value, least: u64, most: u64| {
        let mut schema = json!({"type": kind, "minimum": least});
        if most < u64::MAX {
            schema["maximum"] = json!(most);
        }
        schema
    };
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
        Kind::Number(least, most) => number(json!("integer"), least, most),
        Kind::NumberOrNull(least, most) => number(json!(["integer", "null"]), least, most),
    }
}

fn responses(route: &Route) -> Value {
    let mut done = json!({
        "description": "done",
        "content": {"application/json": {"schema": {"type": "object", "required": route.keys}}},
    });
    if route.tagged && matches!(route.verb, Verb::Get | Verb::Patch) {
        done["headers"] = json!({"ETag": {
            "description": "of what can be changed, not of the figures",
            "schema": {"type": "string"},
        }});
    }
    json!({
        "200": done,
        "default": {
            "description": "it was not done, and why",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        },
    })
}
