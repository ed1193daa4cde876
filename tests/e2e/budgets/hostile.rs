//! Clients that lie about what they want, servers that lie about what it took, and whoever leaves at the worst moment.

use super::is_used_up;
use crate::ai_usage::call;
use crate::support::http::{Ask, answer};
use crate::support::rude::stalls_after;
use crate::support::sse::{ROLE, begun, content};
use crate::support::till::{Take, Terms, Till, chat};
use crate::support::upstream::Upstream;
use crate::support::usage_db::UsageDb;
use crate::support::wait::until;

const EACH: Terms = Terms { app: "", plan: ", budget: {usd: 0.001}", ai: "" };

#[test]
fn absurd_wishes_use_nothing_up() {
    let till = Till::new(&Terms { plan: ", budget: {usd: 0.001}, total_budget: {usd: 0.003}", ..EACH });
    assert_eq!(till.spends("sk-app", 500).status(), 200);
    till.comes_to("client", "app", 500);
    let mut bodies = Vec::new();
    for most in ["100000000", "18446744073709551615", "18446744073709551616", "1e300", "9223372036854775807"]
    {
        bodies.push(format!(r#"{{"model":"dear","max_tokens":{most},"messages":[]}}"#));
    }
    for wish in ["\"max_tokens\":10,\"n\":1000000", "\"max_tokens\":10,\"n\":18446744073709551615"] {
        bodies.push(format!(r#"{{"model":"exact",{wish},"messages":[]}}"#));
    }
    // They get what they take, here nothing, and whatever they wanted, nobody hears that something is used up.
    for body in &bodies {
        let answer = till.ask(&call("/v1/chat/completions", body).bearer("sk-app"));
        assert_eq!(answer.status(), 200, "{body}: {}", answer.text());
        until("it is given back", || till.held("client", "app") == 0);
    }
    assert_eq!((till.spent("client", "app"), till.marks()), (500, vec![]));
    // So the true word is heard when it is time.
    assert_eq!(till.spends("sk-app", 500).status(), 200);
    till.comes_to("client", "app", 1000);
    let mark = |to: &str| ("client app".to_owned(), to.to_owned());
    assert_eq!(till.awaits_marks(2), [mark("nearly_used_up"), mark("used_up")]);
    is_used_up(&till.ask(&call("/v1/chat/completions", &bodies[0]).bearer("sk-app")));
}

/// A wish that is none is as if there was none: what is usual is held.
#[test]
fn wishes_that_are_no_number_get_round_nothing() {
    let till = Till::new(&EACH);
    assert_eq!(till.spends("sk-app", 1000).status(), 200);
    till.comes_to("client", "app", 1000);
    for most in ["-1", "null", "\"5\"", "[]", "0.5e0", "false"] {
        let body = format!(
            r#"{{"model":"exact","max_tokens":{most},"messages":[],"metadata":{{"completion":100}}}}"#
        );
        let answer = till.ask(&call("/v1/chat/completions", &body).bearer("sk-app"));
        assert!(matches!(answer.status(), 400 | 429), "{most}: {} {}", answer.status(), answer.text());
    }
    assert_eq!(till.spent("client", "app"), 1000);
}

#[test]
fn usage_that_cannot_be_is_survived() {
    for usage in [
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615,"total_tokens":1}"#,
        r#"{"prompt_tokens":-5,"completion_tokens":-7,"total_tokens":-12}"#,
        r#"{"prompt_tokens":"many","completion_tokens":null}"#,
        r#"{"prompt_tokens":1e400,"completion_tokens":0.5}"#,
        r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":99999999}}"#,
        r"[]",
    ] {
        let body = format!(r#"{{"choices":[{{"message":{{"content":"hi"}}}}],"usage":{usage}}}"#);
        let one = Upstream::replying(move |_| answer(200, &[("content-type", "application/json")], &body));
        let till = Till::with(
            &Terms { ai: "\n  cost_header: true\n  budget: {usd: 1000}", ..Terms::default() },
            one,
        );
        for _ in 0..2 {
            let answer = till.ask(&chat("sk-app", "gpt-4.1", false, 10, Take::default()));
            assert!(matches!(answer.status(), 200 | 429), "{usage}: {}", answer.text());
        }
        let book = UsageDb::of(&till.edge);
        until("it is kept", || book.calls() >= 1);
        book.is_sound();
        assert!(book.number("SELECT coalesce(sum(cost), 0) FROM calls") >= 0);
        assert_eq!(till.edge.admin_get("/metrics").status(), 200);
        assert_eq!(till.edge.admin_get("/stats").status(), 200);
    }
}

/// Whatever moment they choose, nothing stays held.
#[test]
fn who_leaves_leaves_no_reservation_behind() {
    let one = Upstream::start(|peer| {
        while let Some(request) = peer.request() {
            if request.header("x-stall").is_none() {
                peer.send(crate::support::till::reply(&request));
            } else if request.header("x-stall") == Some("middle") {
                peer.send(begun(&[ROLE, &content("some words")].concat()));
                return peer.wait_until_left();
            } else {
                return peer.wait_until_left();
            }
        }
    });
    let till = Till::with(&Terms { ai: "\n  budget: {usd: 0.1}", ..Terms::default() }, one);
    let ask = |stream: bool, stall: &str| {
        chat("sk-app", "exact", stream, 500, Take::default()).header("x-stall", stall)
    };
    for round in 0..5 {
        let (before, mut clients) = (till.one.count(), Vec::new());
        for (stream, stall) in [(true, "middle"), (true, "start"), (false, "start")] {
            let mut client = till.edge.open();
            client.send(ask(stream, stall).bytes());
            clients.push(client);
        }
        // One that is still sending.
        let bytes = ask(true, "start").bytes();
        let mut sending = till.edge.open();
        sending.send(&bytes[..bytes.len() - 3]);
        if round % 2 == 0 {
            until("they are with the server", || till.one.count() >= before + 3);
        } else {
            clients.iter().for_each(crate::support::http::Connection::reset_when_dropped);
        }
    }
    until("nobody is left", || till.edge.metrics().sum("tidegate_streams", &[]) == 0.0);
    until("nothing is held", || till.held("all", "") == 0);
    // So all that is left can be had, to the micro-dollar.
    let left = 100_000 - till.spent("all", "");
    assert_eq!(till.spends("sk-free", left).status(), 200);
    till.comes_to("all", "", 100_000);
    is_used_up(&till.spends("sk-free", 1));
}

#[test]
fn a_client_cannot_write_what_it_cost() {
    let one = Upstream::replying(|_| {
        let body = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#;
        answer(200, &[("content-type", "application/json"), ("x-tidegate-cost", "0.000001")], body)
    });
    let till = Till::with(&Terms { ai: "\n  cost_header: true", ..Terms::default() }, one);
    let ask = chat("sk-app", "gpt-4.1", false, 10, Take::default()).header("x-tidegate-cost", "0");
    assert_eq!(till.ask(&ask).header("x-tidegate-cost"), Some("0.000060"), "ours, and once");
}

/// One call after another on a connection that stays: each is asked for its money.
#[test]
fn a_kept_connection_has_no_credit() {
    let till = Till::new(&EACH);
    let mut client = till.edge.open();
    let mut passed = 0;
    for _ in 0..30 {
        let answer = client.ask(&crate::support::till::exact("sk-app", 90));
        match answer.status() {
            200 => passed += 1,
            _ => assert_eq!(answer.status(), 429),
        }
    }
    // The last one with the 10 that 11 leave.
    assert_eq!(passed, 12);
    till.comes_to("client", "app", 12 * 90);
    assert_eq!(
        client.ask(&Ask::get("/v1/models").bearer("sk-app")).status(),
        200,
        "the connection is as good as ever"
    );
}

/// A stream that stalls holds its money no longer than it lives.
#[test]
fn what_a_dead_stream_held_comes_back() {
    let till = Till::with(&EACH, stalls_after(begun(&[ROLE, &content("abcd")].concat())));
    let mut client = till.edge.open();
    client.send(chat("sk-app", "exact", true, 1000, Take::default()).header("x-request-id", "dead").bytes());
    client.head().unwrap();
    super::is_held(&till.spends("sk-app", 1));
    till.edge.command("kill stream dead");
    till.comes_to("client", "app", 1);
    let mut again = till.edge.open();
    again.send(chat("sk-app", "exact", true, 999, Take::default()).bytes());
    assert_eq!(again.head().unwrap().status(), 200);
}
