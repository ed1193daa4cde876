//! What was not whole is counted by what was seen of it: by the provider's own count, else by bytes.

use super::{Counted, chat, counted, counted_since, counts, is_whole, site, usage};
use crate::support::http::{Ask, chunk};
use crate::support::rude::{says, stalls_after};
use crate::support::site::Site;
use crate::support::sse::{ROLE, begun, completion, content, streams};
use crate::support::upstream::Upstream;
use crate::support::wait::until;

/// 400 bytes: a hundred tokens of a model that nobody knows.
fn text() -> String {
    "abcdefgh".repeat(50)
}

/// The tokens of a prompt that came in a body like that.
fn prompt(ask: &Ask) -> u64 {
    (ask.body.as_ref().unwrap().len() as u64).div_ceil(4)
}

#[test]
fn a_stream_without_usage_is_counted_by_what_was_seen() {
    let site = site(streams(&completion(&text())));
    is_whole(&site.ask(&chat(false)), &completion(&text()));
    counts(&site.edge, prompt(&chat(false)) + 100);
}

#[test]
fn a_stream_that_is_cut_is_counted_by_what_was_seen() {
    for asks in [true, false] {
        for ask in [|site: &Site, ask: &Ask| site.ask(ask), |site: &Site, ask: &Ask| site.open_tls().ask(ask)]
        {
            let site = site(says(begun(&[ROLE, &content(&text())].concat())));
            let answer = ask(&site, &chat(asks));
            assert_eq!(answer.status(), 200);
            assert!(answer.text().ends_with("\n\n") && answer.text().contains("upstream_error"));
            counts(&site.edge, prompt(&chat(asks)) + 100);
        }
    }
}

#[test]
fn a_cut_stream_that_told_its_usage_on_every_chunk_is_counted_by_that() {
    let event = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}],\"usage\":{}}}\n\n",
        text(),
        usage(8, 33)
    );
    let site = site(says(begun(&event)));
    assert_eq!(site.ask(&chat(false)).status(), 200);
    counts(&site.edge, 41);
}

/// It says at the start that one token was written.
#[test]
fn a_cut_stream_of_messages_is_counted_by_more_than_its_start() {
    let events = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"usage\":{{\"input_tokens\":10,\"output_tokens\":1}}}}}}\n\n\
         event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
         event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{}\"}}}}\n\n",
        text()
    );
    let ask = super::call(
        "/v1/messages",
        r#"{"model":"claude-sonnet-4.5","max_tokens":500,"stream":true,"messages":[]}"#,
    );
    let site = site(says(begun(&events)));
    let answer = site.ask(&ask);
    assert_eq!(answer.status(), 200);
    let end = "\n\nevent: error\ndata: {\"error\":{";
    assert!(answer.text().contains(end), "what its SDK goes by: {}", answer.text());
    assert_eq!(counted_since(&site.edge, Counted::default()), Counted { tokens: 110, cost: 30 + 1500 });
}

#[test]
fn a_client_that_leaves_in_the_middle_is_counted_by_what_was_seen() {
    let site = site(stalls_after(begun(&[ROLE, &content(&text())].concat())));
    let ask = chat(false);
    let mut plain = site.open();
    plain.send(ask.bytes());
    assert_eq!(plain.head().unwrap().status(), 200);
    plain.chunk().unwrap();
    drop(plain);
    counts(&site.edge, prompt(&ask) + 100);
}

#[test]
fn a_client_that_leaves_http2_in_the_middle_is_counted_by_what_was_seen() {
    let site = site(stalls_after(begun(&[ROLE, &content(&text())].concat())));
    let ask = chat(false);
    let mut second = site.http2();
    let stream = second.start(&ask);
    until("the server has sent", || site.one.count() == 1);
    // The reset must not overtake the answer of the server.
    std::thread::sleep(std::time::Duration::from_millis(100));
    stream.reset();
    counts(&site.edge, prompt(&ask) + 100);
}

#[test]
fn a_client_that_leaves_before_an_answer_pays_for_its_prompt_alone() {
    let site = site(stalls_after(Vec::new()));
    for leave in [false, true] {
        let mut client = site.open();
        client.send(chat(leave).bytes());
        until("the request is there", || site.one.count() == 1 + usize::from(leave));
        drop(client);
        until("the server is left", || site.one.departures() == 1 + usize::from(leave));
    }
    counts(&site.edge, prompt(&chat(false)) + prompt(&chat(true)));
}

#[test]
fn a_plain_answer_that_is_cut_is_counted_by_what_was_seen() {
    let body = format!(r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"#, text());
    let bytes = [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        chunk(body.as_bytes()).as_slice(),
    ]
    .concat();
    let site = site(says(bytes));
    let ask = Ask::chat(false);
    let answer = site.ask(&ask);
    assert!(answer.status() == 200 && !answer.whole);
    counts(&site.edge, prompt(&ask) + 100);
}

#[test]
fn what_was_reckoned_teaches_nothing() {
    let site = site(Upstream::replying(|_| crate::support::sse::whole(&completion(&"ab".repeat(200)))));
    let ask = chat(true);
    for times in 1..=3 {
        site.ask(&ask);
        until("it is counted", || counted(&site.edge).tokens == times * (prompt(&ask) + 100));
    }
}

#[test]
fn an_error_event_alone_counts_nothing() {
    let event = "data: {\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\",\"code\":null,\"param\":null}}\n\n";
    let site = site(streams(event));
    for answer in site.everywhere(&chat(false)) {
        is_whole(&answer, event);
    }
    assert_eq!(counted(&site.edge), Counted::default());
}
