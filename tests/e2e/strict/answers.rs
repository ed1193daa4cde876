//! Answers of a rude server in raw bytes, asked for by HTTP/1 and by HTTP/2: 502 while nothing was said yet, a transfer
//! that visibly breaks afterwards, and never a byte of one answer in another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{PATIENCE, Site, Table, Verdict, raw, same};
use crate::support::h2_raw::{self as h2, End, Heard, headers, request_fields};
use crate::support::http::{Ask, Message, ok};
use crate::support::upstream::{Peer, Upstream};
use crate::support::wait::until;

/// What a server says to one request, and what the client must get.
struct Case {
    name: String,
    method: &'static str,
    says: Vec<u8>,
    /// Said once the client has the head.
    then: Vec<u8>,
    ends: Ends,
    gets: Gets,
}

/// What the server does with the connection afterwards.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Closes,
    Resets,
    GoesOn,
}

#[derive(Clone, Copy, Debug)]
enum Gets {
    /// A 502 of our own.
    BadGateway,
    /// The head and perhaps some of the body, but no end.
    Cut,
    /// One of these: whether the end comes with the head is not for us to say.
    BadGatewayOrCut,
    /// Exactly this status and body.
    Whole(u16, &'static str),
}

use Gets::{BadGateway, BadGatewayOrCut, Cut, Whole};

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

impl Case {
    fn new(name: &str, says: &str, gets: Gets) -> Case {
        Case {
            name: name.to_owned(),
            method: "GET",
            says: raw(says),
            then: Vec::new(),
            ends: Ends::Closes,
            gets,
        }
    }

    fn then(self, then: &str) -> Case {
        Case { then: raw(then), ..self }
    }

    fn to(self, method: &'static str) -> Case {
        Case { method, ..self }
    }

    fn ends(self, ends: Ends) -> Case {
        Case { ends, ..self }
    }
}

/// The server of a table: `/v1/case/N` is answered as case N says, anything else properly.
struct Rude {
    cases: Vec<Case>,
    /// The client has the head of the answer that is being given.
    begun: AtomicBool,
    /// The server has said all of it.
    said: AtomicBool,
}

impl Rude {
    fn answer(&self, request: &Message, peer: &mut Peer) -> Ends {
        let number = request.head.target().strip_prefix("/v1/case/").and_then(|number| number.parse().ok());
        let Some(case) = number.and_then(|number: usize| self.cases.get(number)) else {
            peer.send(ok("sound"));
            return Ends::GoesOn;
        };
        peer.send(&case.says);
        if !case.then.is_empty() {
            until("the answer has begun", || self.begun.load(Ordering::SeqCst) || !peer.going_on());
            peer.send(&case.then);
        }
        self.said.store(true, Ordering::SeqCst);
        if case.ends == Ends::Resets {
            peer.connection.reset_when_dropped();
        }
        case.ends
    }

    fn next(&self) {
        self.begun.store(false, Ordering::SeqCst);
        self.said.store(false, Ordering::SeqCst);
    }

    fn begins(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// What is said too late for one request must not come in the middle of the next.
    fn is_over(&self) {
        self.begins();
        until("the server has said it", || self.said.load(Ordering::SeqCst));
    }
}

/// Every case by both protocols, each followed by sound requests that must get sound answers.
fn judge_all(name: &'static str, cases: Vec<Case>) {
    let rude = Arc::new(Rude { cases, begun: AtomicBool::new(false), said: AtomicBool::new(false) });
    let script = Arc::clone(&rude);
    let server = Upstream::start(move |peer| {
        while let Some(request) = peer.request() {
            if script.answer(&request, peer) != Ends::GoesOn {
                return;
            }
        }
    });
    let site = Site::new("timeouts: {first_byte: 3s, server: 3s}", &server);
    let mut table = Table::new(name);
    for (number, case) in rude.cases.iter().enumerate() {
        let said = [&case.says[..], &case.then].concat();
        let path = format!("/v1/case/{number}");
        table.case(&format!("{}, by HTTP/1", case.name), &said, || {
            rude.next();
            let came = by_http1(&site, case, &path, &rude);
            rude.is_over();
            came.and(sound_afterwards(&site))
        });
        table.case(&format!("{}, by HTTP/2", case.name), &said, || {
            rude.next();
            let came = by_http2(&site, case, &path, &rude);
            rude.is_over();
            came.and(sound_afterwards(&site))
        });
    }
    table.conclude();
}

fn by_http1(site: &Site, case: &Case, path: &str, rude: &Rude) -> Verdict {
    let mut client = site.open();
    client.send(Ask::new(case.method, path).bytes());
    if client.silent_for(PATIENCE) {
        return Err("no answer, and no end".to_owned());
    }
    rude.begins();
    let Some(answer) = client.answer_to(case.method) else {
        return Err("the end, without an answer".to_owned());
    };
    let got = (answer.status(), answer.text(), answer.whole);
    match case.gets {
        BadGateway => same("status and wholeness", (got.0, got.2), (502, true)),
        Cut => same("status and wholeness", (got.0, got.2), (200, false)),
        BadGatewayOrCut if got.2 => same("status", got.0, 502),
        BadGatewayOrCut => same("status", got.0, 200),
        Whole(status, body) => same("answer", got, (status, body.to_owned(), true)),
    }
}

fn by_http2(site: &Site, case: &Case, path: &str, rude: &Rude) -> Verdict {
    let mut client = site.open_h2();
    client.send(&headers(1, true, &request_fields(case.method, path)));
    let heard = client.hear_and(1, PATIENCE, || rude.begins());
    let fits = match (&heard, case.gets) {
        (Heard::Answer { status: 502, end: End::Whole, .. }, BadGateway | BadGatewayOrCut) => true,
        (Heard::Answer { status: 200, end: End::Reset(code), .. }, Cut | BadGatewayOrCut) => *code != 0,
        (Heard::Answer { status, body, end: End::Whole }, Whole(expected, text)) => {
            *status == expected && body.as_str() == text
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{heard:?} instead of {:?}", case.gets)) }
}

/// Whatever connections to the server are kept, none of them has anything left on it.
fn sound_afterwards(site: &Site) -> Verdict {
    let mut client = site.open();
    for _ in 0..2 {
        client.send(Ask::get("/v1/sound").bytes());
        if client.silent_for(PATIENCE) {
            return Err("and then no answer to a sound request".to_owned());
        }
        let next = client.answer().map(|answer| (answer.status(), answer.text()));
        same("the next answer", next, Some((200, "sound".to_owned())))?;
    }
    Ok(())
}

#[test]
fn heads_that_are_none_are_502() {
    let lines = [
        ("nothing", ""),
        ("an empty line", "\r\n"),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("a page without a head (HTTP/0.9)", "<html>hello</html>"),
        ("TLS", "\x15\x03\x01\x00\x02\x02\x28"),
        ("no status", "HTTP/1.1\r\n\r\n"),
        ("empty status", "HTTP/1.1 \r\n\r\n"),
        ("status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n"),
        ("status of four digits", "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n"),
        ("status of letters", "HTTP/1.1 OK fine\r\ncontent-length: 0\r\n\r\n"),
        ("status with a sign", "HTTP/1.1 +20 OK\r\ncontent-length: 0\r\n\r\n"),
        ("status below 100", "HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n"),
        ("status of 600", "HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n"),
        ("status of 999", "HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n"),
        ("lower-case version", "http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("version 1.2", "HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("version 2.0", "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("version 0.9", "HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("two spaces before the status", "HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("tab before the status", "HTTP/1.1\t200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("space before the version", " HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("NUL in the reason", "HTTP/1.1 200 O\0K\r\ncontent-length: 0\r\n\r\n"),
        ("bare CR in the reason", "HTTP/1.1 200 O\rK\r\ncontent-length: 0\r\n\r\n"),
        ("bare LF everywhere", "HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
        ("bare LF behind the status line", "HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n"),
        ("bare LF behind a field", "HTTP/1.1 200 OK\r\nx-a: b\ncontent-length: 0\r\n\r\n"),
        ("bare LF as the empty line", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\n"),
        ("head that is cut", "HTTP/1.1 200 OK\r\ncontent-le"),
        ("head cut before its empty line", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"),
        (
            "protocol switched unasked",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        ),
        ("interim answer and no other", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    ]
    .map(|(name, says)| Case::new(name, says, BadGateway));
    let fields = [
        ("no colon", "nonsense"),
        ("empty name", ": b"),
        ("space in a name", "x a: b"),
        ("space before the colon", "x-a : b"),
        ("tab before the colon", "x-a\t: b"),
        ("NUL in a name", "x\0a: b"),
        ("eight-bit byte in a name", "x\u{e4}: b"),
        ("NUL in a value", "x-a: b\0c"),
        ("bare CR in a value", "x-a: b\rc"),
        ("control byte in a value", "x-a: b\x01c"),
        ("DEL in a value", "x-a: b\x7fc"),
        ("folded value", "x-a: b\r\n c"),
        ("length behind a fold", "x-a: b\r\n content-length: 5"),
        ("line of a space", " "),
    ]
    .map(|(name, line)| Case::new(name, &format!("{HEAD}{line}\r\ncontent-length: 0\r\n\r\n"), BadGateway));
    let large = [
        ("value of 70 KB", format!("{HEAD}x-a: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(70_000))),
        (
            "fields of 70 KB together",
            format!("{HEAD}{}content-length: 0\r\n\r\n", "x-a: yyyyyyyyyyyyyyy\r\n".repeat(3200)),
        ),
        ("value without an end", format!("{HEAD}x-a: {}", "y".repeat(2_000_000))),
        ("thousand fields", format!("{HEAD}{}content-length: 0\r\n\r\n", "x: y\r\n".repeat(1000))),
        (
            "thousand interim answers",
            format!(
                "{}{}",
                "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000),
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            ),
        ),
        (
            "thousand times to go on",
            format!(
                "{}{}",
                "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            ),
        ),
    ]
    .map(|(name, says)| Case::new(name, &says, BadGateway));
    judge_all("heads of answers", lines.into_iter().chain(fields).chain(large).collect());
}

#[test]
fn framing_of_answers_that_could_be_read_two_ways_is_502() {
    let fields = [
        ("two lengths that differ", "content-length: 1\r\ncontent-length: 2"),
        ("two lengths that agree", "content-length: 3\r\ncontent-length: 3"),
        ("list of lengths", "content-length: 3, 3"),
        ("length with a plus", "content-length: +3"),
        ("length with a minus", "content-length: -1"),
        ("hexadecimal length", "content-length: 0x3"),
        ("length of letters", "content-length: abc"),
        ("empty length", "content-length:"),
        ("length of 2^64", "content-length: 18446744073709551616"),
        ("length and chunks", "content-length: 3\r\ntransfer-encoding: chunked"),
        ("chunks and length", "transfer-encoding: chunked\r\ncontent-length: 3"),
        ("unknown coding", "transfer-encoding: gzip"),
        ("identity", "transfer-encoding: identity"),
        ("empty coding", "transfer-encoding:"),
        ("chunked is not the last coding", "transfer-encoding: chunked, gzip"),
        ("gzip before chunked", "transfer-encoding: gzip, chunked"),
        ("chunked twice in lines", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        ("chunked twice in a list", "transfer-encoding: chunked, chunked"),
        ("coding with a parameter", "transfer-encoding: chunked;q=1"),
        ("coding behind a vertical tab", "transfer-encoding: \x0bchunked"),
        ("space before the colon of the coding", "transfer-encoding : chunked"),
        ("space before the colon of the length", "content-length : 3"),
    ];
    let cases =
        fields.map(|(name, fields)| Case::new(name, &format!("{HEAD}{fields}\r\n\r\n0\r\n\r\n"), BadGateway));
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let old = Case::new("coding on HTTP/1.0", old, BadGateway);
    judge_all("framing of answers", cases.into_iter().chain([old]).collect());
}

/// What is no chunk, wherever it stands.
const NO_CHUNKS: [(&str, &str); 12] = [
    ("size of letters", "zz\r\nabc\r\n0\r\n\r\n"),
    ("size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("size with a minus", "-1\r\na\r\n0\r\n\r\n"),
    ("size with a plus", "+1\r\na\r\n0\r\n\r\n"),
    ("size with a space before", " 3\r\nabc\r\n0\r\n\r\n"),
    ("empty size", "\r\nabc\r\n0\r\n\r\n"),
    ("size of 2^64", "10000000000000000\r\nabc\r\n0\r\n\r\n"),
    ("size line ends in a bare LF", "3\nabc\r\n0\r\n\r\n"),
    ("size line ends in a bare CR", "3\rabc\r\n0\r\n\r\n"),
    ("extension with a bare LF", "3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("another answer instead of a chunk", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("events without chunks", "data: {}\n\ndata: [DONE]\n\n"),
];

#[test]
fn chunks_that_are_none_are_502_at_the_start_and_break_the_answer_later() {
    let first = NO_CHUNKS.map(|(name, body)| Case::new(name, &format!("{CHUNKED}{body}"), BadGateway));
    let later = NO_CHUNKS.map(|(name, body)| {
        let name = format!("{name}, in the second chunk");
        Case::new(&name, &format!("{CHUNKED}4\r\nsome\r\n"), Cut).then(body)
    });
    let ends = [
        ("data ends in a bare LF", "3\r\nabc\n0\r\n\r\n"),
        ("data longer than its size", "3\r\nabcdef\r\n0\r\n\r\n"),
        ("data without an end", "3\r\nabc0\r\n\r\n"),
        ("last chunk ends in a bare LF", "0\n\r\n"),
        ("trailer without a colon", "0\r\nnonsense\r\n\r\n"),
        ("trailer with a NUL", "0\r\nx-a: \0\r\n\r\n"),
        ("trailer that would be a length", "0\r\ncontent-length: 9\r\n\r\n"),
        ("trailer that would be a cookie", "0\r\nset-cookie: a=b\r\n\r\n"),
        ("trailer with a bare LF", "0\r\nx-a: b\nx-b: c\r\n\r\n"),
        ("another answer instead of trailers", "0\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ]
    .map(|(name, body)| Case::new(name, &format!("{CHUNKED}4\r\nsome\r\n"), Cut).then(body));
    judge_all("chunks of answers", first.into_iter().chain(later).chain(ends).collect());
}

#[test]
fn answers_cut_short_never_end_as_if_whole() {
    let sized = format!("{HEAD}content-length: 10\r\n\r\n");
    let some = format!("{CHUNKED}4\r\nsome\r\n");
    let open = format!("{HEAD}content-type: text/plain\r\n\r\nsome");
    let cases = vec![
        Case::new("length, closed in the middle", &format!("{sized}so"), Cut).then("me"),
        Case::new("length, reset in the middle", &format!("{sized}so"), Cut).then("me").ends(Ends::Resets),
        Case::new("chunks, closed between two", &some, Cut).then("4\r\nmore\r\n"),
        Case::new("chunks, reset between two", &some, Cut).then("4\r\nmore\r\n").ends(Ends::Resets),
        Case::new("chunks, closed inside one", &some, Cut).then("4\r\nmo"),
        Case::new("chunks, closed behind the data of one", &some, Cut).then("4\r\nmore"),
        Case::new("chunks, closed inside a size", &some, Cut).then("4"),
        Case::new("chunks, closed behind a size", &some, Cut).then("4\r\n"),
        Case::new("chunks, closed inside the last", &some, Cut).then("0"),
        Case::new("chunks, closed behind the last", &some, Cut).then("0\r\n"),
        Case::new("chunks, closed inside the trailers", &some, Cut).then("0\r\nx-a: b\r\n"),
        Case::new("body until the end, reset", &open, Cut).then("more").ends(Ends::Resets),
        Case::new("length, closed before the body", &sized, BadGatewayOrCut),
        Case::new("chunks, closed before the first", CHUNKED, BadGatewayOrCut),
    ];
    judge_all("answers cut short", cases);
}

#[test]
fn bytes_of_one_answer_never_get_into_another() {
    const EXTRA: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nleaked";
    let more =
        |name: &str, says: &str, gets| Case::new(name, &format!("{says}{EXTRA}"), gets).ends(Ends::GoesOn);
    let later = |name: &str, says: &str, gets| Case::new(name, says, gets).then(EXTRA).ends(Ends::GoesOn);
    let four = format!("{HEAD}content-length: 4\r\n\r\nmine");
    let chunks = format!("{CHUNKED}4\r\nmine\r\n0\r\n\r\n");
    let empty = format!("{HEAD}content-length: 0\r\n\r\n");
    let head = format!("{HEAD}content-length: 4\r\n\r\n");
    let none = "HTTP/1.1 204 No Content\r\n\r\n";
    let unchanged = "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n";
    let cases = vec![
        more("answer behind a sized one", &four, Whole(200, "mine")),
        more("answer behind a chunked one", &chunks, Whole(200, "mine")),
        more("answer behind an empty one", &empty, Whole(200, "")),
        more("answer behind a 204", none, Whole(204, "")),
        more("answer behind a 304", unchanged, Whole(304, "")),
        more("answer behind the one to a HEAD", &head, Whole(200, "")).to("HEAD"),
        later("late answer behind a sized one", &four, Whole(200, "mine")),
        later("late answer behind a chunked one", &chunks, Whole(200, "mine")),
        later("late answer behind a 204", none, Whole(204, "")),
        later("late answer behind the one to a HEAD", &head, Whole(200, "")).to("HEAD"),
        Case::new("body of a 204", &format!("{none}stray"), Whole(204, "")).ends(Ends::GoesOn),
        Case::new("sized body of a 204", "HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\nstray", BadGateway)
            .ends(Ends::GoesOn),
        Case::new("body of a 304", &format!("{unchanged}stray"), Whole(304, "")).ends(Ends::GoesOn),
        Case::new("length of a 304", "HTTP/1.1 304 Same\r\ncontent-length: 5\r\n\r\n", Whole(304, ""))
            .ends(Ends::GoesOn),
        Case::new("body to a HEAD", &four, Whole(200, "")).to("HEAD").ends(Ends::GoesOn),
        Case::new("chunks to a HEAD", &chunks, Whole(200, "")).to("HEAD").ends(Ends::GoesOn),
        Case::new("one byte too many", &format!("{four}x"), Whole(200, "mine")).ends(Ends::GoesOn),
        Case::new("empty line too many", &format!("{four}\r\n"), Whole(200, "mine")).ends(Ends::GoesOn),
    ];
    judge_all("bytes behind answers", cases);
}

#[test]
fn unusual_but_sound_answers_pass() {
    let sized = |fields: &str| format!("{HEAD}{fields}content-length: 4\r\n\r\nmine");
    let cases = [
        ("no reason", "HTTP/1.1 200 \r\ncontent-length: 4\r\n\r\nmine".to_owned()),
        ("long reason", "HTTP/1.1 200 All is well, \u{fc}ber\r\ncontent-length: 4\r\n\r\nmine".to_owned()),
        ("empty value", sized("x-a:\r\n")),
        ("eight-bit value", sized("x-a: \u{e4}\r\n")),
        ("tab in a value", sized("x-a: b\tc\r\n")),
        ("length with a zero before", format!("{HEAD}content-length: 04\r\n\r\nmine")),
        ("coding in mixed case", format!("{HEAD}Transfer-Encoding: Chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n")),
        ("chunk extensions", format!("{CHUNKED}4;a=b\r\nmine\r\n0;c\r\n\r\n")),
        ("size with zeros before", format!("{CHUNKED}0004\r\nmine\r\n000\r\n\r\n")),
        ("trailers", format!("{CHUNKED}4\r\nmine\r\n0\r\nx-a: b\r\n\r\n")),
        (
            "interim answers before it",
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n{}", sized("")),
        ),
        ("HTTP/1.0 with a length", sized("").replace("HTTP/1.1", "HTTP/1.0")),
        ("HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nmine".to_owned()),
        ("body until the end", format!("{HEAD}\r\nmine")),
    ]
    .map(|(name, says)| Case::new(name, &says, Whole(200, "mine")));
    let statuses =
        [("status of 599", 599), ("status of 299", 299), ("status of 418", 418)].map(|(name, status)| {
            Case::new(name, &sized("").replace("200", &status.to_string()), Whole(status, "mine"))
        });
    judge_all("sound answers", cases.into_iter().chain(statuses).collect());
}

#[test]
fn fields_of_the_connection_to_the_server_never_reach_the_client() {
    let cases = [
        ("named by Connection", "connection: x-a\r\nx-a: b"),
        ("named in a list", "connection: keep-alive, X-A\r\nx-a: b"),
        ("keep-alive", "keep-alive: timeout=5"),
        ("proxy-connection", "proxy-connection: close"),
        ("upgrade", "connection: upgrade\r\nupgrade: h2c"),
        ("trailer", "trailer: x-b"),
        ("te", "te: trailers"),
        ("proxy-authenticate", "proxy-authenticate: Basic realm=a"),
    ];
    let server = Upstream::replying(move |request| {
        let number = request.head.target().strip_prefix("/v1/case/").and_then(|number| number.parse().ok());
        let fields = number.and_then(|number: usize| cases.get(number)).map_or("x-b: c", |case| case.1);
        format!("{HEAD}{fields}\r\ncontent-length: 4\r\n\r\nmine").into_bytes()
    });
    let site = Site::new("max_request_body: 1m", &server);
    let mut table = Table::new("fields of the connection to the server");
    for (number, (name, fields)) in cases.iter().enumerate() {
        table.case(name, fields.as_bytes(), || {
            let answer = site.open().ask(&Ask::get(&format!("/v1/case/{number}")));
            same("answer", (answer.status(), answer.text().as_str()), (200, "mine"))?;
            let names = ["x-a", "proxy-connection", "upgrade", "trailer", "te", "proxy-authenticate"];
            let stray = answer.head.headers.iter().find(|(name, _)| names.contains(&name.as_str()));
            let keep = answer.head.all("keep-alive");
            same("a field of the other connection", (stray, keep.contains(&"timeout=5")), (None, false))
        });
        table.case(&format!("{name}, by HTTP/2"), fields.as_bytes(), || {
            let mut client = site.open_h2();
            client.send(&h2::get(1, &format!("/v1/case/{number}")));
            // A client of HTTP/2 must take an answer with such a field for malformed: its codec is asked elsewhere.
            match client.hear(1, PATIENCE) {
                Heard::Answer { status: 200, body, end: End::Whole } => same("body", body.as_str(), "mine"),
                heard => Err(format!("{heard:?}")),
            }
        });
    }
    table.conclude();
}
