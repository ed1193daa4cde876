//! What may be read.

use super::{ask, change, is_wrong, json, node, text};
use crate::support::http::Ask;
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::usage_db::UsageDb;

#[test]
fn the_configuration_and_its_history_are_shown_without_secrets() {
    let edge = node();
    let config = edge.admin_get("/api/v1/config");
    let document = config.json();
    let sha256 = document["sha256"].as_str().unwrap();
    assert_eq!(config.header("etag"), Some(&*format!("\"{sha256}\"")));
    assert_eq!((sha256.len(), &document["by"]), (64, &"start".into()));
    let shown = document["text"].as_str().unwrap();
    assert!(shown.contains("weight: 50") && shown.contains("api_key: ***"), "{shown}");

    let next = text(&edge.directory, "").replace("weight: 50", "weight: 60").replace("sk-of-one", "sk-other");
    edge.directory.write("tidegate.yaml", &next);
    assert_eq!(ask(&edge, &change("POST", "/api/v1/reload", "")).status(), 200);
    let history = json(&edge, "/api/v1/history");
    let numbers: Vec<u64> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["number"].as_u64().unwrap())
        .collect();
    assert_eq!((numbers, &history["broken"]), (vec![2, 1], &serde_json::json!([])));
    assert_eq!(json(&edge, "/api/v1/history/1")["sha256"], document["sha256"]);
    for path in ["/api/v1/history/1/diff", "/api/v1/history/1/diff?to=2"] {
        let diff = json(&edge, path);
        let changes = diff["changes"].to_string();
        assert!(changes.contains("backends.ai.servers.one.weight: 50 -> 60"), "{diff}");
        assert!(changes.contains("backends.ai.servers.one.api_key"), "{diff}");
        assert_eq!((&diff["from"], &diff["to"], &diff["same"]), (&1.into(), &2.into(), &false.into()));
    }
    assert_eq!(json(&edge, "/api/v1/history/2/diff?to=2")["same"], true);
    for path in ["config", "history", "history/1", "history/2", "history/1/diff", "status", "servers"] {
        let body = edge.admin_get(&format!("/api/v1/{path}")).text();
        assert!(!body.contains("sk-of-one") && !body.contains("sk-other"), "{path}: {body}");
    }
    for path in ["history/9", "history/0", "history/x", "history/-1", "history/1/diff?to=9"] {
        is_wrong(&edge.admin_get(&format!("/api/v1/{path}")), 404, "not_found", "");
    }
    let wrong = edge.admin_get("/api/v1/history/1/diff?to=x");
    is_wrong(&wrong, 400, "bad_request", "`to` must be a whole number from 1 on");
}

#[test]
fn tables_are_shown_by_key_and_as_many_as_are_wanted() {
    let edge = node();
    edge.ask(&Ask::get("/v1/models"));
    let table = json(&edge, "/api/v1/tables/by_ip");
    assert_eq!((&table["name"], &table["more"]), (&"by_ip".into(), &false.into()));
    assert_eq!(table["list"][0]["key"], "127.0.0.1");
    assert_eq!(table["list"][0]["counters"]["http_req_cnt"], 1, "{table}");
    assert_eq!(json(&edge, "/api/v1/tables/by_ip?key=127.0.0.1")["list"].as_array().unwrap().len(), 1);
    assert_eq!(json(&edge, "/api/v1/tables/by_ip?key=127.0.0.2&limit=5")["list"], serde_json::json!([]));
    assert_eq!(json(&edge, "/api/v1/tables")["tables"][0]["entries"], 1);
    for (path, status, says) in [
        ("by_ip?key=nonsense", 400, "not a table key"),
        ("by_ip?limit=0", 400, "`limit` must be a whole number from 1 to 10000"),
        ("by_ip?kye=127.0.0.1", 400, "did you mean `key`?"),
        ("nope", 404, "no such table"),
    ] {
        let code = if status == 400 { "bad_request" } else { "not_found" };
        is_wrong(&edge.admin_get(&format!("/api/v1/tables/{path}")), status, code, says);
    }
}

#[test]
fn parts_of_the_report_are_those_of_the_whole() {
    let edge = node();
    let status = json(&edge, "/api/v1/status");
    assert_eq!(json(&edge, "/api/v1/frontends")["frontends"][0]["name"], status["frontends"][0]["name"]);
    let backend = json(&edge, "/api/v1/backends/ai");
    assert_eq!(backend["balance"], status["backends"][0]["balance"]);
    assert_eq!(json(&edge, "/api/v1/backends")["backends"][0]["servers"][1]["name"], "two");
    let servers = json(&edge, "/api/v1/servers");
    assert_eq!(
        (&servers["servers"][0]["backend"], &servers["servers"][0]["name"]),
        (&"ai".into(), &"one".into())
    );
    assert!(json(&edge, "/api/v1/events?backend=ai")["events"].is_array());
    is_wrong(&edge.admin_get("/api/v1/events?backend=nope"), 400, "bad_request", "`backend`");
    is_wrong(&edge.admin_get("/api/v1/status?x"), 400, "bad_request", "unknown parameter `x`");
    is_wrong(&edge.admin_get("/api/v1/backends/nope"), 404, "not_found", "no such backend");
    is_wrong(&edge.admin_get("/api/v1/nothing"), 404, "not_found", "openapi.json");
    is_wrong(&edge.admin_get("/api/v2"), 404, "not_found", "openapi.json");
}

#[test]
fn usage_is_that_of_the_ledger_and_says_when_it_is_cut() {
    let till = Till::new(&Terms::default());
    let take = Take { prompt: 1000, completion: 100, cached: 0 };
    for (key, model) in [("sk-app", "gpt-4.1"), ("sk-other", "gpt-4.1"), ("sk-other", "gratis")] {
        assert_eq!(till.ask(&chat(key, model, false, 100, take)).status(), 200);
    }
    UsageDb::of(&till.edge).comes_to(3);
    let report = json(&till.edge, "/api/v1/usage");
    assert_eq!(report["by"], serde_json::json!(["client", "model"]));
    assert_eq!((&report["rows_in_all"], &report["cut"]), (&3.into(), &false.into()), "{report}");
    assert_eq!(report["total"]["prompt_tokens"], 3000);
    assert_eq!(report["total"]["cost_micro_usd"], 2 * (2000 + 800));
    let cut = json(&till.edge, "/api/v1/usage?by=client%2Cmodel&since=1d&limit=2");
    assert_eq!((cut["rows"].as_array().unwrap().len(), &cut["cut"]), (2, &true.into()), "{cut}");
    assert_eq!(cut["total"], report["total"]);
    let by = json(&till.edge, "/api/v1/usage?by=client&since=2020-01&until=2099-01");
    assert_eq!(by["rows"].as_array().unwrap().len(), 2, "{by}");
    for (query, says) in [
        ("by=colour", "`colour` is none of client, plan"),
        ("since=yesterday", "`yesterday` is no time"),
        ("since=2026-11-05&until=2026-11-05", "the range is empty"),
        ("sinse=1d", "did you mean `since`?"),
    ] {
        is_wrong(&till.edge.admin_get(&format!("/api/v1/usage?{query}")), 400, "bad_request", says);
    }
}
