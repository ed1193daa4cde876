//! HTTP/2 in exact frames: a client that says what no library would say, and tells what came back. Of an answer it
//! understands the status, the bytes of the body and how the stream ended.

mod hpack;
mod serving;

use std::net::SocketAddr;
use std::time::Duration;

use super::certificates::Authority;
use super::http::Connection;
use super::tls::{Offer, connect};
use super::wait::now;

use hpack::NO_TABLE;
pub use hpack::{field, indexed, literal_with_huffman, resize};
pub use serving::{goaway, head, next_request, start_server};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 0x20;

/// Error codes of RFC 9113 7.
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// What an HTTP/2 connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Any frame, sensible or not; its length is that of the payload.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame_of_length(payload.len(), kind, flags, stream, payload)
}

/// A frame that announces another length than it has.
pub fn frame_of_length(length: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole header block in one HEADERS frame.
pub fn headers(stream: u32, end_stream: bool, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | u8::from(end_stream), stream, block)
}

pub fn data(stream: u32, end_stream: bool, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, u8::from(end_stream), stream, bytes)
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub fn ping(flags: u8) -> Vec<u8> {
    frame(PING, flags, 0, b"12345678")
}

pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// Fields in order, pseudo-header fields among them, as literals.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// The four pseudo-header fields of a request to `one.test`.
pub fn request_fields(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (b":method", method.as_bytes()),
        (b":scheme", b"https"),
        (b":authority", b"one.test"),
        (b":path", path.as_bytes()),
    ])
}

/// A whole GET.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, true, &request_fields("GET", path))
}

/// What came back, reduced to what decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The stream was answered; the body, and whether it ended as an answer should.
    Answer {
        status: u16,
        body: String,
        end: End,
    },
    /// The stream was reset before an answer began.
    Reset(u32),
    /// The connection was given up.
    GoAway(u32),
    /// The connection ended without a GOAWAY.
    Closed,
    Nothing,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    Reset(u32),
    /// With the connection.
    Lost,
    /// It did not, as long as anybody waited.
    Open,
}

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or a GOAWAY.
    pub fn code(&self) -> u32 {
        let from = if self.kind == GOAWAY { 4 } else { 0 };
        let bytes = self.payload.get(from..from + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_else(|| panic!("no error code in {self:?}")))
    }
}

/// What came next.
pub enum Next {
    Frame(Frame),
    Closed,
    Nothing,
}

/// The next frame of either end, if it begins within `patience`. SETTINGS are acknowledged; `stingy`: no WINDOW_UPDATE is
/// sent for what is read.
pub fn next(connection: &mut Connection, patience: Duration, stingy: bool) -> Next {
    let mut head = [0; 9];
    for place in &mut head {
        if connection.silent_for(patience) {
            return Next::Nothing;
        }
        match connection.exactly(1) {
            Ok(byte) => *place = byte[0],
            Err(_) => return Next::Closed,
        }
    }
    let [a, b, c, kind, flags, stream @ ..] = head;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let Ok(payload) = connection.exactly(length) else { return Next::Closed };
    let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
    // Who sends need not mind whether the other end still reads.
    if kind == SETTINGS && flags & ACK == 0 {
        let _ = connection.try_send(frame(SETTINGS, ACK, 0, b""));
    }
    if kind == DATA && length > 0 && !stingy {
        let by = u32::try_from(length).unwrap();
        let _ = connection.try_send([window_update(0, by), window_update(stream, by)].concat());
    }
    Next::Frame(Frame { kind, flags, stream, payload })
}

/// One connection that has agreed on `h2`.
pub struct Client {
    connection: Connection,
    /// No WINDOW_UPDATE is sent for what is read.
    pub stingy: bool,
}

impl Client {
    /// Connects; nothing of HTTP/2 is sent yet.
    pub fn connect(address: SocketAddr, authority: &Authority) -> Client {
        let offer = Offer { alpn: &["h2"], ..Offer::http1("one.test") };
        let agreed = connect(address, authority, &offer).unwrap();
        assert_eq!(agreed.alpn.as_deref(), Some("h2"));
        Client { connection: agreed.connection, stingy: false }
    }

    /// Connects, and sends preface and SETTINGS: without a dynamic table the answers can be read one by one.
    pub fn open(address: SocketAddr, authority: &Authority) -> Client {
        let mut client = Client::connect(address, authority);
        client.send(&[PREFACE, &settings(&[NO_TABLE])].concat());
        client
    }

    /// Sends, and does not mind when nobody reads any more; false then.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.connection.try_send(bytes).is_ok()
    }

    /// The next frame, if it begins within `patience`. SETTINGS are acknowledged.
    pub fn next(&mut self, patience: Duration) -> Next {
        next(&mut self.connection, patience, self.stingy)
    }

    /// What becomes of a stream, if it is heard of within `patience`. Interim answers are skipped.
    pub fn hear(&mut self, stream: u32, patience: Duration) -> Heard {
        self.hear_and(stream, patience, || {})
    }

    /// The same; `begun` is called when the answer has begun.
    pub fn hear_and(&mut self, stream: u32, patience: Duration, begun: impl Fn()) -> Heard {
        let until = now() + patience;
        let mut answer: Option<(u16, Vec<u8>)> = None;
        let ended = |answer: Option<(u16, Vec<u8>)>, end: End, otherwise: Heard| match answer {
            Some((status, body)) => {
                let body = String::from_utf8_lossy(&body).into_owned();
                Heard::Answer { status, body, end }
            }
            None => otherwise,
        };
        loop {
            let frame = match self.next(until.saturating_duration_since(now())) {
                Next::Frame(frame) => frame,
                Next::Closed => return ended(answer, End::Lost, Heard::Closed),
                Next::Nothing => return ended(answer, End::Open, Heard::Nothing),
            };
            match frame.kind {
                GOAWAY if frame.code() != 0 => {
                    return ended(answer, End::Lost, Heard::GoAway(frame.code()));
                }
                RST_STREAM if frame.stream == stream => {
                    return ended(answer, End::Reset(frame.code()), Heard::Reset(frame.code()));
                }
                HEADERS => {
                    assert!(
                        frame.flags & END_HEADERS != 0,
                        "an answer with CONTINUATION is not understood here"
                    );
                    let status = hpack::status(&frame.payload);
                    let ours = frame.stream == stream;
                    if let Some(status) = status.filter(|status| ours && *status >= 200) {
                        answer = Some((status, Vec::new()));
                        begun();
                    }
                    if ours && frame.flags & END_STREAM != 0 {
                        return ended(answer, End::Whole, Heard::Nothing);
                    }
                }
                DATA if frame.stream == stream => {
                    if let Some((_, body)) = &mut answer {
                        body.extend_from_slice(&frame.payload);
                    }
                    if frame.flags & END_STREAM != 0 {
                        return ended(answer, End::Whole, Heard::Nothing);
                    }
                }
                _ => {}
            }
        }
    }

    /// The error code of the GOAWAY that ends this connection, `None` if it ends without one; or what became of it
    /// instead. Whatever else comes is passed over.
    pub fn end(&mut self, patience: Duration) -> Result<Option<u32>, &'static str> {
        let until = now() + patience;
        let mut said = None;
        loop {
            match self.next(until.saturating_duration_since(now())) {
                Next::Frame(frame) if frame.kind == GOAWAY => said = Some(frame.code()),
                Next::Frame(_) => {}
                Next::Closed => return Ok(said),
                Next::Nothing if said.is_some() => return Err("a GOAWAY, but the connection stays open"),
                Next::Nothing => return Err("the connection stays open, without a GOAWAY"),
            }
        }
    }
}
