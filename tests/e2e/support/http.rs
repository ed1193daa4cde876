//! HTTP/1 in exact bytes, for both ends: a connection that reads heads, bodies and chunks with a deadline and says how
//! they ended. It forgives nothing on its own account: a test sees what was sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::wait::{DEADLINE, now};

/// A byte stream over a socket, encrypted or not.
pub trait Wire: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A request to be written out.
#[derive(Clone)]
pub struct Ask {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    chunked: bool,
}

impl Ask {
    pub fn new(method: &str, target: &str) -> Ask {
        let (method, target) = (method.to_owned(), target.to_owned());
        Ask { method, target, headers: Vec::new(), body: None, chunked: false }
    }

    pub fn get(target: &str) -> Ask {
        Ask::new("GET", target)
    }

    /// A POST with a Content-Length.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Ask {
        Ask { body: Some(body.into()), ..Ask::new("POST", target) }
    }

    /// A chat completion, streamed or not.
    pub fn chat(stream: bool) -> Ask {
        let body = format!(
            r#"{{"model":"gpt-4.1","stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#
        );
        Ask::post("/v1/chat/completions", body).header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, key: &str) -> Ask {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Sends the body in chunks of uneven size instead of a Content-Length.
    pub fn chunked(mut self) -> Ask {
        self.chunked = true;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            out.extend_from_slice(b"Host: tidegate.test\r\n");
        }
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        match &self.body {
            Some(body) if self.chunked => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for (index, part) in body.chunks(7919).enumerate() {
                    // Two chunks of one part every now and then, so that chunk and read borders differ.
                    let cut = if index % 3 == 0 { part.len() / 2 } else { 0 };
                    for piece in [&part[..cut], &part[cut..]].into_iter().filter(|piece| !piece.is_empty()) {
                        out.extend_from_slice(&chunk(piece));
                    }
                }
                out.extend_from_slice(b"0\r\n\r\n");
            }
            Some(body) => {
                out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                out.extend_from_slice(body);
            }
            None => out.extend_from_slice(b"\r\n"),
        }
        out
    }
}

/// One chunk of a chunked body.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// A 200 with a Content-Length.
pub fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer(200, &[("content-type", "application/json")], body)
}

/// An answer with a Content-Length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

/// The first line and the fields of a request or an answer, names in lower case.
#[derive(Clone, Debug)]
pub struct Head {
    pub first_line: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a field that must not be there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there {} times: {self:?}", all.len());
        all.first().copied()
    }

    /// The values of all fields of that name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn status(&self) -> u16 {
        let status = self.first_line.split(' ').nth(1).and_then(|word| word.parse().ok());
        status.unwrap_or_else(|| panic!("no status line: {:?}", self.first_line))
    }

    pub fn method(&self) -> &str {
        self.first_line.split(' ').next().unwrap()
    }

    /// The target of a request, as it was written.
    pub fn target(&self) -> &str {
        self.first_line.split(' ').nth(1).unwrap()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").map(|value| value.parse().unwrap())
    }
}

/// A request or an answer with its body.
#[derive(Clone, Debug)]
pub struct Message {
    pub head: Head,
    pub body: Vec<u8>,
    /// The body ended as its framing promised: length reached, final chunk seen, or the close that delimits it.
    pub whole: bool,
}

impl Message {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// Asserts the status, and the error body of the contract with that code.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str) {
        assert_eq!(self.status(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{error}");
        for key in ["message", "type", "param"] {
            assert!(error.get(key).is_some(), "no {key} in {error}");
        }
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        assert!(self.header("x-request-id").is_some(), "an error without its request id");
    }
}

/// One end of a connection. Every read panics after [`DEADLINE`]; a close or reset is an answer, not a panic.
pub struct Connection {
    stream: Box<dyn Wire>,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        stream.set_nodelay(true).unwrap();
        Connection::over(stream)
    }

    pub fn over(stream: impl Wire + 'static) -> Connection {
        stream.socket().set_write_timeout(Some(DEADLINE)).unwrap();
        Connection { stream: Box::new(stream), buffer: Vec::new() }
    }

    pub fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends a request and reads the whole answer.
    #[track_caller]
    pub fn ask(&mut self, ask: &Ask) -> Message {
        // A server may answer and close before it has read all of a body: the answer is what counts.
        let sent = self.try_send(ask.bytes());
        self.answer_to(&ask.method)
            .unwrap_or_else(|| panic!("no answer to {} {} ({sent:?})", ask.method, ask.target))
    }

    /// The next answer, or `None` if the connection ended first.
    pub fn answer(&mut self) -> Option<Message> {
        self.answer_to("GET")
    }

    /// The next answer to a request of that method; interim answers (1xx) are skipped.
    pub fn answer_to(&mut self, method: &str) -> Option<Message> {
        let mut head = self.head()?;
        while (100..200).contains(&head.status()) && head.status() != 101 {
            head = self.head()?;
        }
        let empty = method == "HEAD" || matches!(head.status(), 101 | 204 | 304);
        let (body, whole) = if empty { (Vec::new(), true) } else { self.body(&head, true) };
        Some(Message { head, body, whole })
    }

    /// The next request with its body, or `None` if the connection ended first.
    pub fn request(&mut self) -> Option<Message> {
        let head = self.head()?;
        if head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.try_send("HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        let (body, whole) = self.body(&head, false);
        Some(Message { head, body, whole })
    }

    /// The next head, or `None` if the connection ended before its first byte. Panics if it ended inside.
    pub fn head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if !self.fill() {
                assert!(
                    self.buffer.is_empty(),
                    "ended inside a head: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                );
                return None;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no colon in {line:?}"));
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Some(Head { first_line, headers })
    }

    /// The rest of a chunked body's next chunk, `Ok(None)` for the final chunk, `Err` if the connection ended first.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, Cut> {
        let line = self.line()?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
            .unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(None);
        }
        let data = self.exactly(size + 2)?;
        assert!(data.ends_with(b"\r\n"), "a chunk without its end");
        Ok(Some(data[..size].to_vec()))
    }

    /// All bytes until the other side closes or resets.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// True if the other side ended the connection within `time`, whatever it wrote before.
    pub fn ended_within(&mut self, time: Duration) -> bool {
        let end = now() + time;
        loop {
            match self.fill_until(end) {
                Fill::Data => {}
                Fill::Ended => return true,
                Fill::Late => return false,
            }
        }
    }

    /// True if nothing came and nothing ended for `time`.
    pub fn silent_for(&mut self, time: Duration) -> bool {
        self.buffer.is_empty() && matches!(self.fill_until(now() + time), Fill::Late)
    }

    /// Tells the other side that no more will be sent; answers can still be read.
    pub fn finish_sending(&self) {
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// From now on dropping this connection resets it instead of closing it.
    pub fn reset_when_dropped(&self) {
        let _ = socket2::SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }

    /// Reads `size` bytes.
    pub fn exactly(&mut self, size: usize) -> Result<Vec<u8>, Cut> {
        while self.buffer.len() < size {
            if !self.fill() {
                return Err(Cut);
            }
        }
        Ok(self.buffer.drain(..size).collect())
    }

    fn line(&mut self) -> Result<String, Cut> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if !self.fill() {
                return Err(Cut);
            }
        }
    }

    fn body(&mut self, head: &Head, close_delimits: bool) -> (Vec<u8>, bool) {
        if head.is_chunked() {
            let mut body = Vec::new();
            loop {
                match self.chunk() {
                    Ok(Some(data)) => body.extend_from_slice(&data),
                    Ok(None) => return (body, true),
                    Err(Cut) => return (body, false),
                }
            }
        }
        match head.length() {
            Some(length) => {
                while self.buffer.len() < length && self.fill() {}
                let have = length.min(self.buffer.len());
                (self.buffer.drain(..have).collect(), have == length)
            }
            None if close_delimits => (self.rest(), true),
            None => (Vec::new(), true),
        }
    }

    /// Reads more; false when the other side has ended.
    fn fill(&mut self) -> bool {
        match self.fill_until(now() + DEADLINE) {
            Fill::Data => true,
            Fill::Ended => false,
            Fill::Late => {
                panic!("nothing for {DEADLINE:?}; so far: {:?}", String::from_utf8_lossy(&self.buffer))
            }
        }
    }

    fn fill_until(&mut self, end: Instant) -> Fill {
        let mut space = [0; 16 * 1024];
        loop {
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return Fill::Late;
            }
            let _ = self.socket().set_read_timeout(Some(left));
            match self.stream.read(&mut space) {
                Ok(0) => return Fill::Ended,
                Ok(count) => {
                    self.buffer.extend_from_slice(&space[..count]);
                    return Fill::Data;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Fill::Ended,
                },
            }
        }
    }
}

/// The connection ended inside a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut;

enum Fill {
    Data,
    Ended,
    Late,
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
