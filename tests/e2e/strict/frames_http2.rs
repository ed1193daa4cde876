//! HTTP/2 frames and header blocks that break the protocol: they cost the connection, or no more than their stream.

use std::collections::BTreeSet;

use super::requests_http2::Out::{GoAway, Reset};
use super::requests_http2::{CODEC, block, judge_all, open_post, site};
use super::{PATIENCE, Table, same, shown_requests};
use crate::support::h2_raw::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, End, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY,
    HEADERS, Heard, Next, PADDED, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM,
    SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY, data, frame, frame_of_length, get, headers,
    indexed, literal_with_huffman, ping, request_fields, reset, resize, settings, window_update,
};
use crate::support::upstream::Upstream;

#[test]
fn frames_that_break_the_protocol_cost_the_connection() {
    let bare = open_post(&[]);
    let head = request_fields("GET", "/v1/x");
    let (half, other_half) = head.split_at(10);
    let begun = frame(HEADERS, END_STREAM, 1, half);
    let rest = frame(CONTINUATION, END_HEADERS, 1, other_half);
    let inside = |middle: &[u8]| [&begun, middle, &rest].concat();
    let on_post = |then: &[u8]| [&bare, then].concat();
    let depends = |on: u32| [&on.to_be_bytes()[..], &[15]].concat();
    let protocol = GoAway(PROTOCOL_ERROR);
    let size = GoAway(FRAME_SIZE_ERROR);
    let codec = GoAway(CODEC);
    let flow = GoAway(FLOW_CONTROL_ERROR);
    let cases = [
        ("DATA on stream 0", data(0, true, b"abc"), protocol),
        ("DATA on a stream that never was", data(1, true, b"abc"), protocol),
        ("DATA of 16,385 bytes", on_post(&frame_of_length(16_385, DATA, 0, 1, b"abc")), size),
        ("DATA with more padding than bytes", on_post(&frame(DATA, PADDED, 1, b"\x05abc")), protocol),
        ("DATA that is padded by nothing", on_post(&frame(DATA, PADDED, 1, b"")), codec),
        ("HEADERS on stream 0", headers(0, true, &head), protocol),
        ("HEADERS on an even stream", headers(2, true, &head), protocol),
        ("HEADERS of 16,385 bytes", frame_of_length(16_385, HEADERS, END_HEADERS, 1, b"abc"), size),
        (
            "HEADERS with more padding than bytes",
            frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09abc"),
            protocol,
        ),
        ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, &depends(1)), protocol),
        ("RST_STREAM on stream 0", reset(0, 0), protocol),
        ("RST_STREAM on a stream that never was", reset(1, 0), protocol),
        ("RST_STREAM of 3 bytes", on_post(&frame(RST_STREAM, 0, 1, b"abc")), codec),
        ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, b"abcde"), codec),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, b""), protocol),
        ("SETTINGS acknowledged with bytes", frame(SETTINGS, ACK, 0, b"\x00\x01\x00\x00\x00\x00"), codec),
        ("SETTINGS with a push of 2", settings(&[(2, 2)]), protocol),
        ("SETTINGS with a window of 2^31", settings(&[(4, 1 << 31)]), codec),
        ("SETTINGS with frames of 100 bytes", settings(&[(5, 100)]), protocol),
        ("SETTINGS with frames of 2^24 bytes", settings(&[(5, 1 << 24)]), protocol),
        (
            "PUSH_PROMISE by a client",
            on_post(&frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x82")),
            protocol,
        ),
        ("PING of 7 bytes", frame(PING, 0, 0, b"1234567"), codec),
        ("PING on a stream", frame(PING, 0, 1, b"12345678"), protocol),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), protocol),
        ("GOAWAY of 4 bytes", frame(GOAWAY, 0, 0, &[0; 4]), codec),
        ("WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), codec),
        ("WINDOW_UPDATE by nothing", window_update(0, 0), protocol),
        ("WINDOW_UPDATE of a stream by nothing", on_post(&window_update(1, 0)), codec),
        ("PRIORITY of 4 bytes", on_post(&frame(PRIORITY, 0, 1, &[0; 4])), codec),
        ("WINDOW_UPDATE on a stream that never was", window_update(1, 1), protocol),
        ("WINDOW_UPDATE above 2^31 - 1", window_update(0, 0x7fff_ffff), flow),
        ("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 1, &head), protocol),
        (
            "CONTINUATION behind the end of the block",
            [&headers(1, false, &head)[..], &rest].concat(),
            protocol,
        ),
        (
            "CONTINUATION on another stream",
            [&begun[..], &frame(CONTINUATION, END_HEADERS, 3, other_half)].concat(),
            protocol,
        ),
        (
            "CONTINUATION on stream 0",
            [&begun[..], &frame(CONTINUATION, END_HEADERS, 0, other_half)].concat(),
            protocol,
        ),
        ("HEADERS inside a header block", inside(&get(3, "/v1/x")), protocol),
        ("DATA inside a header block", inside(&data(1, false, b"abc")), protocol),
        ("PING inside a header block", inside(&ping(0)), protocol),
        ("SETTINGS inside a header block", inside(&settings(&[])), protocol),
        ("PRIORITY inside a header block", inside(&frame(PRIORITY, 0, 3, &depends(1))), protocol),
        ("RST_STREAM inside a header block", inside(&reset(1, 0)), protocol),
        ("WINDOW_UPDATE inside a header block", inside(&window_update(0, 1)), protocol),
        ("unknown frame inside a header block", inside(&frame(0x42, 0, 1, b"abc")), protocol),
        ("unknown frame of 16,385 bytes", frame_of_length(16_385, 0x42, 0, 0, b"abc"), size),
    ];
    judge_all("HTTP/2 frames", &cases);
}

#[test]
fn frames_that_break_a_stream_cost_no_more_than_it() {
    let bare = open_post(&[]);
    let on_post = |then: &[u8]| [&bare, then].concat();
    let depends = |on: u32| [&on.to_be_bytes()[..], &[15]].concat();
    let own = [&depends(1)[..], &request_fields("GET", "/v1/x")].concat();
    let cases = [
        ("WINDOW_UPDATE above 2^31 - 1", on_post(&window_update(1, 0x7fff_ffff)), Reset(FLOW_CONTROL_ERROR)),
        (
            "PRIORITY that depends on itself",
            on_post(&frame(PRIORITY, 0, 1, &depends(1))),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "HEADERS that depend on themselves",
            frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &own),
            Reset(PROTOCOL_ERROR),
        ),
    ];
    judge_all("HTTP/2 streams", &cases);
}

#[test]
fn header_compression_that_cannot_be_read_costs_the_connection() {
    let head = request_fields("GET", "/v1/x");
    let block = |then: &[u8]| headers(1, true, &[&head, then].concat());
    let cases = [
        ("index 0", block(&indexed(0))),
        ("index behind the static table", block(&indexed(62))),
        ("index of 2^40", block(&indexed(1 << 40))),
        ("index without an end", block(&[0xff; 20])),
        ("block that ends in an index", block(&[0xff])),
        ("name by an index that is not there", block(&[&[0x0f, 0x7f][..], b"\x01b"].concat())),
        ("string longer than its block", block(b"\x00\x03x-a\x7fabc")),
        ("name longer than its block", block(b"\x00\x7fabc")),
        ("literal without a value", block(b"\x00\x03x-a")),
        ("Huffman code with an end mark", block(&literal_with_huffman(b"x-a", &[0xff, 0xff, 0xff, 0xff]))),
        ("Huffman code padded with zeros", block(&literal_with_huffman(b"x-a", &[0b0001_1000]))),
        (
            "Huffman code padded by more than a byte",
            block(&literal_with_huffman(b"x-a", &[0b0001_1111, 0xff])),
        ),
        ("table above what was agreed", headers(1, true, &[&resize(4097)[..], &head].concat())),
        ("table of 2^32", headers(1, true, &[&resize(1 << 32)[..], &head].concat())),
        ("table resized behind a field", block(&resize(0))),
    ]
    .map(|(name, frames)| (name, frames, GoAway(CODEC)));
    judge_all("HPACK", &cases);
}

#[test]
fn streams_that_are_over_take_nothing_more() {
    let origin = Upstream::named("one");
    let site = site(&origin);
    let trailers = headers(1, true, &block(&[("x-a", "b")]));
    let cases = [
        ("DATA behind the end", [get(1, "/v1/x"), data(1, true, b"abc")].concat()),
        ("HEADERS behind the end", [get(1, "/v1/x"), trailers].concat()),
        ("HEADERS on a stream that was passed over", [get(5, "/v1/x"), get(3, "/v1/x")].concat()),
        ("request again on the same stream", [get(1, "/v1/x"), get(1, "/v1/x")].concat()),
    ];
    let mut table = Table::new("streams that are over");
    for (name, frames) in cases {
        table.case(name, &frames, || {
            let before = origin.count();
            let mut client = site.open_h2();
            client.send(&frames);
            let code = loop {
                match client.next(PATIENCE) {
                    Next::Frame(frame) if frame.kind == GOAWAY => break frame.code(),
                    Next::Frame(frame) if frame.kind == RST_STREAM => break frame.code(),
                    Next::Frame(_) => {}
                    Next::Closed => return Err("the end, without a GOAWAY".to_owned()),
                    Next::Nothing => return Err("neither a reset nor a GOAWAY".to_owned()),
                }
            };
            if ![STREAM_CLOSED, PROTOCOL_ERROR].contains(&code) {
                return Err(format!("error code {code}"));
            }
            match origin.requests().split_off(before) {
                seen if seen.len() <= 1 => Ok(()),
                seen => Err(format!("the server got {}", shown_requests(&seen))),
            }
        });
    }
    table.conclude();
}

#[test]
fn streams_above_the_limit_are_refused_and_the_others_go_on() {
    const OPEN: u32 = 150;
    let origin = Upstream::named("one");
    let site = site(&origin);
    let streams = || (0..OPEN).map(|number| 2 * number + 1);
    let opened: Vec<u8> =
        streams().flat_map(|stream| headers(stream, false, &request_fields("POST", "/v1/x"))).collect();
    let mut table = Table::new("stream count");
    table.case("150 requests at once", &opened, || {
        let mut client = site.open_h2();
        client.send(&[&opened[..], &ping(0)].concat());
        let mut refused = BTreeSet::new();
        loop {
            match client.next(PATIENCE) {
                Next::Frame(frame) if frame.kind == PING => break,
                Next::Frame(frame) if frame.kind == RST_STREAM => {
                    same("code", frame.code(), REFUSED_STREAM)?;
                    refused.insert(frame.stream);
                }
                Next::Frame(frame) if frame.kind == GOAWAY => return Err(format!("GOAWAY {}", frame.code())),
                Next::Frame(_) => {}
                Next::Closed | Next::Nothing => return Err("nothing more".to_owned()),
            }
        }
        same("refused", refused, streams().skip(100).collect())?;
        client.send(&data(1, true, b"abc"));
        match client.hear(1, PATIENCE) {
            Heard::Answer { status: 200, end: End::Whole, .. } => Ok(()),
            heard => Err(format!("{heard:?}")),
        }
    });
    table.conclude();
}
