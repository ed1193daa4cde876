//! HTTP/2 requests in raw frames: malformed ones cost their stream, faults of the connection cost the connection, and
//! in neither case does the server see a request.

use super::{PATIENCE, Site, Table, Verdict, raw, same, shown_requests};
use crate::support::h2_raw::{
    self as h2, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Heard, PADDED,
    PRIORITY, PROTOCOL_ERROR, WITH_PRIORITY, data, frame, get, headers, indexed, literal_with_huffman,
    request_fields, resize, settings,
};
use crate::support::http::Message;
use crate::support::upstream::Upstream;

/// What must come of a case: an answer or a reset of stream 1 that harms no other stream, or the end of the connection.
#[derive(Clone, Copy, Debug)]
pub enum Out {
    Status(u16),
    Reset(u32),
    GoAway(u32),
}

use Out::{GoAway, Reset, Status};

/// What the codec below us says whatever it cannot read: it has one code for faults of size, flow and compression too,
/// and none that costs a stream alone. RFC 9113 5.4.2 lets a fault of a stream be one of its connection.
pub const CODEC: u32 = PROTOCOL_ERROR;

/// The stream of the request that must be served after a refused one.
const AFTER: u32 = 101;

pub fn site(origin: &Upstream) -> Site {
    Site::new("max_request_body: 100k", origin)
}

/// A header block with these fields as text; see [`raw`].
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<_> = fields.iter().map(|(name, value)| (raw(name), raw(value))).collect();
    let fields: Vec<_> = bytes.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    h2::block(&fields)
}

/// A block of a sound GET with these fields behind it.
fn get_with(fields: &[(&str, &str)]) -> Vec<u8> {
    [request_fields("GET", "/v1/x"), block(fields)].concat()
}

/// Stream 1 with a POST whose body is still to come.
pub fn open_post(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, false, &[request_fields("POST", "/v1/x"), block(fields)].concat())
}

fn judge(site: &Site, origin: &Upstream, frames: &[u8], out: Out) -> Verdict {
    let before = origin.count();
    let mut client = site.open_h2();
    client.send(frames);
    let came = match out {
        GoAway(code) => {
            client.end(PATIENCE).map_err(str::to_owned).and_then(|got| same("GOAWAY", got, Some(code)))
        }
        Status(_) | Reset(_) => {
            let heard = client.hear(1, PATIENCE);
            let fits = match (&heard, out) {
                (Heard::Answer { status, .. }, Status(expected)) => *status == expected,
                (Heard::Reset(code), Reset(expected)) => *code == expected,
                _ => false,
            };
            let fits = if fits { Ok(()) } else { Err(format!("{heard:?} instead of {out:?}")) };
            fits.and_then(|()| {
                client.send(&get(AFTER, "/v1/after"));
                match client.hear(AFTER, PATIENCE) {
                    Heard::Answer { status: 200, .. } => Ok(()),
                    heard => Err(format!("{out:?} as it must, but the next stream: {heard:?}")),
                }
            })
        }
    };
    let seen = origin.requests().split_off(before);
    let passed: Vec<Message> =
        seen.into_iter().filter(|request| request.whole && request.head.target() != "/v1/after").collect();
    match passed.is_empty() {
        true => came,
        false => Err(format!("{came:?}; the server got {}", shown_requests(&passed))),
    }
}

pub fn judge_all(name: &'static str, cases: &[(&str, Vec<u8>, Out)]) {
    let origin = Upstream::named("one");
    let site = site(&origin);
    let mut table = Table::new(name);
    for (name, frames, out) in cases {
        table.case(name, frames, || judge(&site, &origin, frames, *out));
    }
    let answered = cases.iter().filter(|(.., out)| matches!(out, Status(_))).count();
    table.case_if_all_is_well(
        "every refusal is counted by reason, and logged as PR-- if it was answered",
        || site.refusals_are_told(cases.len(), answered),
    );
    table.conclude();
}

#[test]
fn fields_that_no_request_has_cost_the_stream() {
    let malformed = Reset(PROTOCOL_ERROR);
    let codec = GoAway(CODEC);
    let cases = [
        ("upper-case name", ("X-A", "b"), codec),
        ("empty name", ("", "b"), codec),
        ("name with a space", ("x a", "b"), codec),
        ("name with a colon", ("x:a", "b"), codec),
        ("name with a CR", ("x\ra", "b"), codec),
        ("name with a LF", ("x\na", "b"), codec),
        ("name with a NUL", ("x\0a", "b"), codec),
        ("name with an eight-bit byte", ("x\u{e4}", "b"), codec),
        ("name with a parenthesis", ("x(a", "b"), codec),
        ("value with a CR", ("x-a", "b\rc"), codec),
        ("value with a LF", ("x-a", "b\nc"), codec),
        ("value with a whole header line", ("x-a", "b\r\nhost: b.test"), codec),
        ("value with a NUL", ("x-a", "b\0c"), codec),
        ("value with a control byte", ("x-a", "b\x01c"), codec),
        ("value with DEL", ("x-a", "b\x7fc"), codec),
        ("value with a space before", ("x-a", " b"), Status(400)),
        ("value with a space behind", ("x-a", "b "), Status(400)),
        ("value with a tab before", ("x-a", "\tb"), Status(400)),
        ("value with a tab behind", ("x-a", "b\t"), Status(400)),
        ("value of a space", ("x-a", " "), Status(400)),
        ("connection", ("connection", "close"), malformed),
        ("keep-alive", ("keep-alive", "timeout=5"), malformed),
        ("proxy-connection", ("proxy-connection", "close"), malformed),
        ("transfer-encoding", ("transfer-encoding", "chunked"), malformed),
        ("upgrade", ("upgrade", "websocket"), malformed),
        ("te of a coding", ("te", "gzip"), malformed),
        ("te of trailers and a coding", ("te", "trailers, gzip"), malformed),
        ("length that is signed", ("content-length", "+0"), malformed),
        ("length of letters", ("content-length", "abc"), malformed),
        ("length that is empty", ("content-length", ""), malformed),
        ("list of lengths", ("content-length", "0, 0"), malformed),
        ("length of 2^64", ("content-length", "18446744073709551616"), malformed),
        ("length without a body", ("content-length", "5"), malformed),
        ("name with a quote", ("x\"a", "b"), Status(400)),
        ("host that differs", ("host", "b.test"), Status(400)),
        ("host that is empty", ("host", ""), Status(400)),
        ("host that is none", ("host", "one.test/x"), Status(400)),
        ("host in capitals", ("host", "ONE.test"), Status(400)),
        ("host with the usual port", ("host", "one.test:443"), Status(400)),
        ("host with another port", ("host", "one.test:80"), Status(400)),
        ("unknown pseudo field", (":x", "b"), codec),
        ("pseudo field of answers", (":status", "200"), malformed),
        ("pseudo field without a name", (":", "b"), codec),
        ("protocol for a GET", (":protocol", "websocket"), malformed),
    ]
    .map(|(name, field, out)| (name, headers(1, true, &get_with(&[field])), out));
    let twice = [
        ("two hosts", [("host", "one.test"), ("host", "one.test")]),
        ("two lengths that agree", [("content-length", "0"), ("content-length", "0")]),
        ("te twice", [("te", "trailers"), ("te", "trailers")]),
    ]
    .map(|(name, fields)| (name, headers(1, true, &get_with(&fields)), Status(400)));
    judge_all("HTTP/2 fields", &cases.into_iter().chain(twice).collect::<Vec<_>>());
}

#[test]
fn pseudo_fields_that_name_no_resource_cost_the_stream() {
    type Fields = Vec<(&'static str, &'static str)>;
    const METHOD: (&str, &str) = (":method", "GET");
    const SCHEME: (&str, &str) = (":scheme", "https");
    const AUTHORITY: (&str, &str) = (":authority", "one.test");
    const PATH: (&str, &str) = (":path", "/v1/x");
    let (malformed, codec) = (Reset(PROTOCOL_ERROR), GoAway(CODEC));
    let cases: Vec<(&str, Fields, Out)> = vec![
        ("no fields", vec![], malformed),
        ("no method", vec![SCHEME, AUTHORITY, PATH], malformed),
        ("no scheme", vec![METHOD, AUTHORITY, PATH], malformed),
        ("no path", vec![METHOD, SCHEME, AUTHORITY], malformed),
        ("no authority and no host", vec![METHOD, SCHEME, PATH], Status(400)),
        ("two methods", vec![METHOD, METHOD, SCHEME, AUTHORITY, PATH], malformed),
        ("two schemes", vec![METHOD, SCHEME, SCHEME, AUTHORITY, PATH], malformed),
        ("two authorities", vec![METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH], malformed),
        ("two paths", vec![METHOD, SCHEME, AUTHORITY, PATH, PATH], malformed),
        ("path behind a field", vec![METHOD, SCHEME, AUTHORITY, ("x-a", "b"), PATH], malformed),
        (
            "second path behind a field",
            vec![METHOD, SCHEME, AUTHORITY, PATH, ("x-a", "b"), (":path", "/v1/y")],
            malformed,
        ),
        ("empty path", vec![METHOD, SCHEME, AUTHORITY, (":path", "")], malformed),
        ("path without a slash", vec![METHOD, SCHEME, AUTHORITY, (":path", "v1/x")], malformed),
        ("path that is a URL", vec![METHOD, SCHEME, AUTHORITY, (":path", "http://b.test/v1/x")], malformed),
        ("asterisk for GET", vec![METHOD, SCHEME, AUTHORITY, (":path", "*")], Status(400)),
        ("path with a space", vec![METHOD, SCHEME, AUTHORITY, (":path", "/v1/x HTTP/1.1")], malformed),
        (
            "path with a request",
            vec![METHOD, SCHEME, AUTHORITY, (":path", "/ HTTP/1.1\r\nHost: b\r\n\r\n")],
            malformed,
        ),
        ("path with a NUL", vec![METHOD, SCHEME, AUTHORITY, (":path", "/v1/\0")], malformed),
        ("path with an eight-bit byte", vec![METHOD, SCHEME, AUTHORITY, (":path", "/v1/\u{ff}")], codec),
        ("path with a backslash", vec![METHOD, SCHEME, AUTHORITY, (":path", "/v1\\x")], Status(400)),
        ("empty method", vec![(":method", ""), SCHEME, AUTHORITY, PATH], codec),
        ("method with a space", vec![(":method", "GET /v1/y"), SCHEME, AUTHORITY, PATH], codec),
        ("method with a line end", vec![(":method", "GET\r\n"), SCHEME, AUTHORITY, PATH], codec),
        ("method with an eight-bit byte", vec![(":method", "G\u{cb}T"), SCHEME, AUTHORITY, PATH], codec),
        ("empty scheme", vec![METHOD, (":scheme", ""), AUTHORITY, PATH], Status(400)),
        ("scheme of another protocol", vec![METHOD, (":scheme", "ftp"), AUTHORITY, PATH], Status(400)),
        ("scheme with a space", vec![METHOD, (":scheme", "ht tp"), AUTHORITY, PATH], malformed),
        ("scheme with a URL", vec![METHOD, (":scheme", "http://b.test/?x="), AUTHORITY, PATH], malformed),
        ("authority with a space", vec![METHOD, SCHEME, (":authority", "a b"), PATH], malformed),
        ("authority with a path", vec![METHOD, SCHEME, (":authority", "one.test/x"), PATH], malformed),
        ("authority with a user", vec![METHOD, SCHEME, (":authority", "user@one.test"), PATH], Status(400)),
        (
            "authority with a port of letters",
            vec![METHOD, SCHEME, (":authority", "one.test:http"), PATH],
            Status(400),
        ),
        (
            "authority with an empty port",
            vec![METHOD, SCHEME, (":authority", "one.test:"), PATH],
            Status(400),
        ),
        (
            "authority with a port above 65535",
            vec![METHOD, SCHEME, (":authority", "one.test:65536"), PATH],
            Status(400),
        ),
        ("authority with a line end", vec![METHOD, SCHEME, (":authority", "a\r\nx: y"), PATH], malformed),
        ("empty authority", vec![METHOD, SCHEME, (":authority", ""), PATH], malformed),
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "one.test:443")], Status(400)),
        ("CONNECT with a path", vec![(":method", "CONNECT"), SCHEME, AUTHORITY, PATH], malformed),
        ("TRACE", vec![(":method", "TRACE"), SCHEME, AUTHORITY, PATH], Status(405)),
    ];
    let cases: Vec<_> =
        cases.into_iter().map(|(name, fields, out)| (name, headers(1, true, &block(&fields)), out)).collect();
    judge_all("pseudo fields", &cases);
}

#[test]
fn bodies_that_differ_from_their_length_never_reach_the_server_whole() {
    let malformed = Reset(PROTOCOL_ERROR);
    let five = open_post(&[("content-length", "5")]);
    let bare = open_post(&[]);
    let trailers = |fields: &[(&str, &str)], end| headers(1, end, &block(fields));
    let pieces = |parts: &[&[u8]]| parts.concat();
    let cases = [
        ("less than the length", pieces(&[&five, &data(1, true, b"abc")]), malformed),
        ("nothing at all", pieces(&[&five, &data(1, true, b"")]), malformed),
        ("more than the length", pieces(&[&five, &data(1, true, b"abcdefgh")]), malformed),
        (
            "more in the second frame",
            pieces(&[&five, &data(1, false, b"abcde"), &data(1, true, b"f")]),
            malformed,
        ),
        (
            "less, ended by trailers",
            pieces(&[&five, &data(1, false, b"abc"), &trailers(&[("x-a", "b")], true)]),
            malformed,
        ),
        (
            "something where nothing was said",
            pieces(&[&open_post(&[("content-length", "0")]), &data(1, true, b"a")]),
            malformed,
        ),
        ("length above the limit", open_post(&[("content-length", "100001")]), Status(413)),
        (
            "trailers with an upper-case name",
            pieces(&[&bare, &data(1, false, b"abc"), &trailers(&[("X-A", "b")], true)]),
            GoAway(CODEC),
        ),
        (
            "trailers with a NUL",
            pieces(&[&bare, &data(1, false, b"abc"), &trailers(&[("x-a", "\0")], true)]),
            GoAway(CODEC),
        ),
        (
            "trailers that do not end the stream",
            pieces(&[&bare, &data(1, false, b"abc"), &trailers(&[("x-a", "b")], false)]),
            malformed,
        ),
    ];
    judge_all("HTTP/2 bodies", &cases);
}

#[test]
fn heads_that_are_too_large_are_refused_by_name() {
    let long = "x".repeat(16 * 1024 + 1);
    let names: Vec<String> = (0..98).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
    // In frames of the usual size, as many as it takes.
    let split = |block: &[u8]| {
        let mut parts = block.chunks(16 * 1024).peekable();
        let mut out = Vec::new();
        let mut kind = HEADERS;
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
            out.extend(frame(kind, last | if kind == HEADERS { END_STREAM } else { 0 }, 1, part));
            kind = CONTINUATION;
        }
        out
    };
    let with_path = |path: String| {
        block(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "one.test"),
            (":path", path.as_str()),
        ])
    };
    // 1 KB that is put into the table once and then named a thousand times.
    let bomb = {
        let mut block = request_fields("GET", "/v1/x");
        let field = h2::field(b"x-a", "y".repeat(1000).as_bytes());
        block.push(0x40);
        block.extend(&field[1..]);
        block.extend(indexed(62).repeat(1000));
        headers(1, true, &block)
    };
    let cases = [
        ("path above 16 KB", split(&with_path(format!("/{long}"))), Status(414)),
        ("value above 16 KB", split(&get_with(&[("x-a", &long)])), Status(431)),
        ("name above 16 KB", split(&get_with(&[(&long, "b")])), Status(431)),
        ("102 fields", headers(1, true, &get_with(&[&many[..], &[("a", "b"); 4][..]].concat())), Status(431)),
        (
            "fields of 20 KB together",
            split(&get_with(&[("x-a", "y".repeat(1000).as_str()); 20])),
            Status(431),
        ),
        (
            "fields of 200 KB together",
            split(&get_with(&[("x-a", "y".repeat(10_000).as_str()); 20])),
            GoAway(ENHANCE_YOUR_CALM),
        ),
        ("table entry of 1 KB named a thousand times", bomb, GoAway(ENHANCE_YOUR_CALM)),
    ];
    judge_all("HTTP/2 limits", &cases);
}

#[test]
fn unusual_but_sound_streams_are_served() {
    type Look = fn(&Message) -> Verdict;
    let bare = open_post(&[]);
    let head = request_fields("GET", "/v1/x");
    let pseudo = |authority: &str, more: &[(&str, &str)]| {
        let fields = [(":method", "GET"), (":scheme", "https"), (":path", "/v1/x")];
        let authority = (!authority.is_empty()).then_some((":authority", authority));
        let all: Vec<_> = fields.into_iter().chain(authority).chain(more.iter().copied()).collect();
        headers(1, true, &block(&all))
    };
    let pieces = {
        let mut parts = head.chunks(20).peekable();
        let mut out = frame(HEADERS, END_STREAM, 1, parts.next().unwrap());
        while let Some(part) = parts.next() {
            out.extend(frame(CONTINUATION, if parts.peek().is_none() { END_HEADERS } else { 0 }, 1, part));
        }
        out
    };
    // `x-a: b` is put into the table by the first field and named by the second.
    let table = [&head[..], b"\x40\x03x-a\x01b", &indexed(62)].concat();
    let padded = [&[3][..], &head, &[0; 3]].concat();
    let priority = [&0_u32.to_be_bytes()[..], &[15]].concat();
    let cases: [(&str, Vec<u8>, Look); 23] = [
        ("cookies in pieces", headers(1, true, &get_with(&[("cookie", "a=1"), ("cookie", "b=2")])), |r| {
            same("cookie", r.header("cookie"), Some("a=1; b=2"))
        }),
        ("te of trailers", headers(1, true, &get_with(&[("te", "trailers")])), |_| Ok(())),
        ("host instead of an authority", pseudo("", &[("host", "one.test")]), |_| Ok(())),
        ("host that agrees", pseudo("one.test", &[("host", "one.test")]), |_| Ok(())),
        // They are dropped below us, with the trailers.
        (
            "pseudo fields as trailers",
            [
                &bare[..],
                &data(1, false, b"abc"),
                &headers(1, true, &block(&[(":path", "/v1/y"), (":authority", "b")])),
            ]
            .concat(),
            |r| same("request line", r.head.first_line.as_str(), "POST /v1/x HTTP/1.1"),
        ),
        // A fragment is dropped below us.
        (
            "path with a fragment",
            headers(
                1,
                true,
                &block(&[
                    (":method", "GET"),
                    (":scheme", "https"),
                    (":authority", "one.test"),
                    (":path", "/v1/x#y"),
                ]),
            ),
            |r| same("request line", r.head.first_line.as_str(), "GET /v1/x HTTP/1.1"),
        ),
        ("authority in capitals", pseudo("ONE.TEST", &[]), |_| Ok(())),
        ("empty value", headers(1, true, &get_with(&[("x-a", "")])), |r| {
            same("x-a", r.header("x-a"), Some(""))
        }),
        ("eight-bit value", headers(1, true, &get_with(&[("x-a", "\u{e4}")])), |r| {
            same("fields", r.head.all("x-a").len(), 1)
        }),
        (
            "Huffman code",
            headers(1, true, &[&head[..], &literal_with_huffman(b"x-a", &[0x1f])].concat()),
            |r| same("x-a", r.header("x-a"), Some("a")),
        ),
        ("field named by the table", headers(1, true, &table), |r| {
            same("x-a", r.head.all("x-a"), vec!["b", "b"])
        }),
        (
            "table resized before the fields",
            headers(1, true, &[&resize(0)[..], &resize(4096), &head].concat()),
            |_| Ok(()),
        ),
        ("header block in pieces", pieces, |r| same("method", r.head.method(), "GET")),
        ("padded HEADERS", frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &padded), |_| Ok(())),
        (
            "HEADERS with a priority",
            frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &[&priority[..], &head].concat()),
            |_| Ok(()),
        ),
        ("HEADERS with unknown flags", frame(HEADERS, END_HEADERS | END_STREAM | 0xc2, 1, &head), |_| Ok(())),
        (
            "PRIORITY of a stream that never was",
            [&frame(PRIORITY, 0, 9, &priority)[..], &headers(1, true, &head)].concat(),
            |_| Ok(()),
        ),
        ("unknown frame", [&frame(0x42, 0xff, 7, b"abc")[..], &headers(1, true, &head)].concat(), |_| Ok(())),
        ("unknown setting", [&settings(&[(0x4242, 1)])[..], &headers(1, true, &head)].concat(), |_| Ok(())),
        ("padded DATA", [&bare[..], &frame(DATA, PADDED | END_STREAM, 1, b"\x02abc\0\0")].concat(), |r| {
            same("body", r.text().as_str(), "abc")
        }),
        (
            "length that three frames keep",
            [
                &open_post(&[("content-length", "3")])[..],
                &data(1, false, b"a"),
                &data(1, false, b"b"),
                &data(1, true, b"c"),
            ]
            .concat(),
            |r| {
                same("body", r.text().as_str(), "abc").and(same(
                    "length",
                    r.header("content-length"),
                    Some("3"),
                ))
            },
        ),
        (
            "trailers",
            [
                &bare[..],
                &data(1, false, b"abc"),
                &headers(1, true, &block(&[("x-a", "b"), ("authorization", "Bearer k")])),
            ]
            .concat(),
            |r| {
                same("body", r.text().as_str(), "abc")?;
                same("trailers as fields", (r.header("x-a"), r.header("authorization")), (None, None))
            },
        ),
        (
            "empty DATA before the body",
            [&bare[..], &data(1, false, b""), &data(1, true, b"abc")].concat(),
            |r| same("body", r.text().as_str(), "abc"),
        ),
    ];
    let origin = Upstream::named("one");
    let site = site(&origin);
    let mut table = Table::new("sound streams");
    for (name, frames, look) in cases {
        table.case(name, &frames, || {
            let before = origin.count();
            let mut client = site.open_h2();
            client.send(&frames);
            match client.hear(1, PATIENCE) {
                Heard::Answer { status: 200, end: h2::End::Whole, .. } => {}
                heard => return Err(format!("{heard:?}")),
            }
            match &origin.requests()[before..] {
                [request] if request.whole => look(request),
                others => Err(format!("the server got {}", shown_requests(others))),
            }
        });
    }
    table.conclude();
}
