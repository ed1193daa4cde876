use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::base::log_format;

fn record() -> Record<'static> {
    let ms = |ms| Some(Duration::from_millis(ms));
    Record {
        at: Duration::from_millis(1_795_271_604_123),
        request_id: Some("req-1"),
        client: Some(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 52_011))),
        src: None,
        reason: None,
        detail: None,
        frontend: "https",
        tls: Some("TLSv1.3"),
        backend: Some("ai"),
        server: Some("primary"),
        method: Some("POST"),
        target: Some(b"/v1/chat/completions"),
        protocol: Some("HTTP/1.1"),
        host: Some(b"api.example.com"),
        status: Some(200),
        bytes_in: 512,
        bytes_out: 2048,
        request_time: ms(0),
        queue_time: None,
        connect_time: ms(3),
        response_time: ms(40),
        first_byte_time: Some(Duration::from_micros(43_500)),
        first_content_time: ms(61),
        duration: Duration::from_millis(120),
        attempts: 2,
        hedged: true,
        termination: "----",
        client_name: Some("mobile-app"),
        plan: Some("premium"),
        error_code: None,
        stream: true,
        model: Some("gpt-4.1"),
        tokens: Tokens {
            prompt: Some(1200),
            completion: Some(0),
            cost: Some(12_000_305),
            ..Tokens::default()
        },
        in_flight: InFlight { process: 4, frontend: 3, backend: Some(2), server: Some(1), queue: Some(0) },
        ..Record::default()
    }
}

fn httplog(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    record.write_httplog(&mut out);
    String::from_utf8(out).unwrap()
}

fn json(record: &Record<'_>) -> Value {
    let mut out = Vec::new();
    record.write_json(&mut out);
    assert_eq!(out.pop(), Some(b'\n'));
    assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn httplog_is_haproxys() {
    assert_eq!(
        httplog(&record()),
        "192.0.2.7:52011 [21/Nov/2026:14:33:24.123] https~ ai/primary 0/0/3/40/120 200 2048 - - ---- 4/3/2/1/1 0/0 \
         \"POST /v1/chat/completions HTTP/1.1\"\n"
    );
}

/// The line that HAProxy 2.6 wrote for a request that found no server.
#[test]
fn stages_not_reached_are_minus_one() {
    let record = Record {
        at: Duration::from_millis(1_795_272_463_874),
        client: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 36_118))),
        frontend: "fe",
        backend: Some("be"),
        method: Some("GET"),
        target: Some(b"/a?x=\"1\""),
        protocol: Some("HTTP/1.1"),
        status: Some(503),
        bytes_out: 217,
        request_time: Some(Duration::ZERO),
        termination: "SC--",
        in_flight: InFlight { process: 2, frontend: 2, ..InFlight::default() },
        ..Record::default()
    };
    assert_eq!(
        httplog(&record),
        "127.0.0.1:36118 [21/Nov/2026:14:47:43.874] fe be/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 2/2/0/0/0 0/0 \
         \"GET /a?x=#221#22 HTTP/1.1\"\n"
    );
}

#[test]
fn a_request_that_could_not_be_read_is_badreq() {
    let record = Record { frontend: "http", termination: "CR--", ..Record::default() };
    assert_eq!(
        httplog(&record),
        "unix:1 [01/Jan/1970:00:00:00.000] http http/<NOSRV> -1/-1/-1/-1/0 -1 0 - - CR-- 0/0/0/0/0 0/0 \"<BADREQ>\"\n"
    );
}

#[test]
fn json_says_what_is_known() {
    let line = json(&record());
    for (key, expected) in [
        ("time", Value::from("2026-11-21T14:33:24.123Z")),
        ("client", "192.0.2.7:52011".into()),
        ("status", 200.into()),
        ("duration_ms", 120.0.into()),
        ("first_byte_ms", 43.5.into()),
        ("first_content_ms", 61.0.into()),
        ("retries", 1.into()),
        ("hedged", true.into()),
        ("stream", true.into()),
        ("plan", "premium".into()),
        ("server_in_flight", 1.into()),
        ("model", "gpt-4.1".into()),
        ("prompt_tokens", 1200.into()),
        ("completion_tokens", 0.into()),
        ("cost_usd", 12.000_305.into()),
        ("cached_tokens", Value::Null),
        ("tokens_estimated", Value::Null),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
}

#[test]
fn json_leaves_out_what_is_unknown() {
    let line = json(&Record { frontend: "http", termination: "CR--", ..Record::default() });
    for key in [
        "status",
        "server",
        "path",
        "queue_ms",
        "first_byte_ms",
        "first_content_ms",
        "tls",
        "client",
        "server_in_flight",
    ] {
        assert_eq!(line.get(key), None, "{key}");
    }
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
    assert_eq!(json(&Record { client: Some(v6), ..Record::default() })["client"], "[::1]:80");
}

#[test]
fn keys_in_the_query_are_masked() {
    for (target, shown) in [
        ("/v1?key=AIza123", "/v1?key=***"),
        ("/v1?a=1&API-Key=s=e=c&b=2", "/v1?a=1&API-Key=***&b=2"),
        ("/v1?access_token=x;b=2&token=", "/v1?access_token=***;b=2&token=***"),
        ("/v1?%6bey=hidden&monkey=see", "/v1?%6bey=***&monkey=see"),
        ("/v1/key=no?key", "/v1/key=no?key"),
        ("/?", "/?"),
    ] {
        let record = Record { target: Some(target.as_bytes()), ..record() };
        assert_eq!(json(&record)["path"], shown);
        assert!(httplog(&record).contains(&format!(" {shown} ")), "{}", httplog(&record));
    }
}

#[test]
fn hostile_bytes_cannot_forge_a_line() {
    let record = Record { target: Some(b"/\r\n\"#\\\x7f\xff\x00\xc3\xa9"), host: Some(b"\xff"), ..record() };
    assert_eq!(json(&record)["path"], "/\r\n\"#\\\u{7f}\u{fffd}\0é");
    assert_eq!(json(&record)["host"], "\u{fffd}");
    assert!(httplog(&record).ends_with("\"POST /#0D#0A#22#23\\#7F#FF#00#C3#A9 HTTP/1.1\"\n"));
}

proptest! {
    #[test]
    fn any_bytes_make_one_valid_line(target in prop::collection::vec(any::<u8>(), 0..60), name in any::<String>()) {
        let record = Record { target: Some(&target), client_name: Some(&name), host: Some(&target), ..record() };
        let line = json(&record);
        prop_assert_eq!(&line["client_name"], &Value::from(name.as_str()));
        prop_assert_eq!(&line["host"], &Value::from(String::from_utf8_lossy(&target)));
        let line = httplog(&record);
        prop_assert!(line.is_ascii() && line.matches('\n').count() == 1 && line.matches('"').count() == 2);
    }
}

/// `format` of a record, without its line feed.
fn custom(record: &Record<'_>, format: &str) -> String {
    let mut out = Vec::new();
    record.write(&Format::custom(&log_format::parse(format).unwrap(), "edge-1", 25_897), &mut out);
    assert_eq!(out.pop(), Some(b'\n'));
    String::from_utf8(out).unwrap()
}

/// The format that HAProxy gives for its own `option httplog` (configuration manual 8.2.3).
const HTTPLOG: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr \
                       %hs %{+Q}r";

#[test]
fn haproxys_own_format_writes_its_httplog() {
    let cut = Record { status: None, server: None, backend: None, target: None, ..record() };
    let nothing = Record { frontend: "web", termination: "PR--", ..Record::default() };
    for record in [record(), cut, nothing] {
        let local = Record { client: record.client.or(Some(([127, 0, 0, 1], 1).into())), ..record };
        assert_eq!(custom(&local, HTTPLOG) + "\n", httplog(&local));
    }
}

/// What HAProxy 2.6 wrote for the same: `GET /x?q=a"`, and a header `a"b]c\d`.
#[test]
fn flags_and_the_unknown_are_as_in_haproxy() {
    let none = Record { frontend: "web", termination: "PR--", ..Record::default() };
    let formats = [
        ("%ID %{+Q}ID %sslv %{+Q}sslv %CC %{+Q}CS", "- \"\" - \"\" - \"\""),
        ("%r|%HM|%HU|%HP|%HPO|%HQ|%HV", "<BADREQ>|<BADREQ>|<BADREQ>|<BADREQ>|<BADREQ>|<BADREQ>|<BADREQ>"),
        ("%TR/%Tw/%Tc/%Tr/%Td %ST %b/%s", "-1/-1/-1/-1/-1 -1 web/<NOSRV>"),
        ("%[model] %{+Q}[model] %[cost_usd] %[prompt_tokens] %[stream] %[header(x)]", "- \"\" - - false -"),
    ];
    for (format, line) in formats {
        assert_eq!(custom(&none, format), line);
    }
    let mut headers = HeaderMap::new();
    headers.append("x", "first".parse().unwrap());
    headers.append("x", "a\"b]c\\d".parse().unwrap());
    let all = Record {
        target: Some(b"/x?q=a\""),
        local: Some(([127, 0, 0, 1], 443).into()),
        tls_cipher: Some("TLS_AES_128_GCM_SHA256"),
        request_headers: Some(&headers),
        response_headers: Some(&headers),
        src: Some([10, 0, 0, 1].into()),
        ..record()
    };
    let formats = [
        ("%{+X}ci:%{+X}cp %{+X}pid %{+X}Ts", "C0000207:CB2B 6529 6B01ABB4"),
        ("%{+Q}ci %{+Q}ST %{+Q}b %pid %H", "\"192.0.2.7\" 200 \"ai\" 25897 edge-1"),
        (
            "%t|%tr|%T|%trg",
            "21/Nov/2026:14:33:24.123|21/Nov/2026:14:33:24.123|21/Nov/2026:14:33:24 +0000|21/Nov/2026:14:33:24 +0000",
        ),
        ("%Ts.%ms %[time]", "1795271604.123 2026-11-21T14:33:24.123Z"),
        ("%HM %HP %HQ %HU %HV", "POST /x ?q=a#22 /x?q=a#22 HTTP/1.1"),
        ("%fi:%fp %ft %f %sslv %sslc", "127.0.0.1:443 https~ https TLSv1.3 TLS_AES_128_GCM_SHA256"),
        (
            "%[header(x)] %{+E}[req.hdr(x)] %{+Q,+E}[res.hdr(x)]",
            "a#22b]c\\d a#22b\\]c\\\\d \"a#22b\\]c\\\\d\"",
        ),
        ("%ts %tsc %rc %Td %Ta %[src] %[client]", "-- ---- 1 77 120 10.0.0.1 192.0.2.7:52011"),
        ("%[model] %[prompt_tokens]+%[completion_tokens] $%[cost_usd]", "gpt-4.1 1200+0 $12.000305"),
        ("%[first_content_ms] %[first_byte_ms] %[duration_ms] %[queue_ms]", "61.000 43.500 120.000 -"),
        ("%[client_name]/%[plan] %[attempts] %[hedged] %[request_id]", "mobile-app/premium 2 true req-1"),
    ];
    for (format, line) in formats {
        assert_eq!(custom(&all, format), line);
    }
}

/// A format with everything that there is.
fn everything() -> String {
    let (variables, fetches) = log_format::names();
    let variables = variables.map(|name| format!("%{name} %{{+Q,+E,+X}}{name} "));
    let fetches = fetches.map(|name| format!("%[{name}] %{{+Q}}[{name}] "));
    variables.chain(fetches).collect::<String>() + "%[header(x)] %[response_header(x)]"
}

#[test]
fn a_line_needs_no_room_but_its_own() {
    let format = Format::custom(&log_format::parse(&everything()).unwrap(), "edge-1", 1);
    let mut out = Vec::new();
    record().write(&format, &mut out);
    let (length, capacity, place) = (out.len(), out.capacity(), out.as_ptr());
    out.clear();
    record().write(&format, &mut out);
    assert_eq!((out.len(), out.capacity(), out.as_ptr()), (length, capacity, place));
}

#[test]
fn a_format_has_what_json_has() {
    let (_, fetches) = log_format::names();
    let fetches: Vec<&str> = fetches.collect();
    let mut full = record();
    (full.detail, full.reason, full.error_code) = (Some("d"), Some("r"), Some("e"));
    (full.src, full.queue_time) = (Some([10, 0, 0, 1].into()), Some(Duration::ZERO));
    full.tokens = Tokens { cached: Some(1), reasoning: Some(1), estimated: true, ..full.tokens };
    for (key, value) in json(&full).as_object().unwrap() {
        assert!(fetches.contains(&key.as_str()), "{key}");
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let written = custom(&full, &format!("%[{key}]"));
        let same = written == plain || written.parse::<f64>().ok() == value.as_f64() && value.is_number();
        assert!(same, "{key}: {written} and {plain}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_no_format_writes_a_control_byte(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        text in ".{0,20}",
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
            headers.insert("x", value);
        }
        let hostile = Record {
            target: Some(&bytes),
            host: Some(&bytes),
            method: Some(&text),
            model: Some(&text),
            request_id: Some(&text),
            detail: Some(&text),
            client_name: Some(&text),
            client_dn: Some(&text),
            request_headers: Some(&headers),
            response_headers: Some(&headers),
            ..record()
        };
        let line = custom(&hostile, &everything());
        prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        prop_assert_eq!(line.matches('"').count() % 2, 0);
    }
}
