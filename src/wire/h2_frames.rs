//! Takes a stream of HTTP/2 frames apart (RFC 9113 4.1): headers and payloads, in pieces of any size.

/// Bytes of a frame's header.
pub const HEADER: usize = 9;

/// Frame types and flags of RFC 9113 6.
pub mod frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;

    /// Of PING and SETTINGS.
    pub const ACK: u8 = 1;
    /// Of DATA and HEADERS.
    pub const END_STREAM: u8 = 1;
    /// Of HEADERS and CONTINUATION.
    pub const END_HEADERS: u8 = 4;
}

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
}

impl FrameHeader {
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What comes next in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Header(FrameHeader),
    /// Of the frame whose header came last.
    Payload(&'a [u8]),
}

/// Where in its frames a connection is.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    header: [u8; HEADER],
    /// Bytes of `header` that are there.
    header_length: usize,
    /// Bytes of the frame's payload still to come.
    payload: usize,
}

impl Frames {
    /// Takes the next piece off the front of `bytes`. `None`: read on.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if self.payload > 0 && !bytes.is_empty() {
            let (here, rest) = bytes.split_at(self.payload.min(bytes.len()));
            self.payload -= here.len();
            *bytes = rest;
            return Some(Piece::Payload(here));
        }
        let missing = self.header.get_mut(self.header_length..)?;
        let (here, rest) = bytes.split_at(missing.len().min(bytes.len()));
        missing.get_mut(..here.len())?.copy_from_slice(here);
        self.header_length += here.len();
        *bytes = rest;
        if self.header_length < HEADER {
            return None;
        }
        self.header_length = 0;
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        // The top bit is reserved.
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Some(Piece::Header(FrameHeader { length: self.payload, kind, flags, stream }))
    }
}
