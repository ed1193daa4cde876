//! Watches the frames that we send to an HTTP/2 client for those by which the library refuses it (RST_STREAM, GOAWAY):
//! what is refused there never becomes a request, and would be counted nowhere.

use super::h2_frames::{Frames, Piece, frame};

/// What the library has refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Streams, for what their client did wrong.
    pub streams: u32,
    /// The connection.
    pub connection: bool,
    /// The connection, for being too much to bear (ENHANCE_YOUR_CALM).
    pub calmed: bool,
}

/// The watch over one connection.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    frames: Frames,
    /// The frame whose error code comes, and where it stands in the payload.
    awaited: Option<(u8, usize)>,
    code: [u8; 4],
    /// Bytes of the payload seen.
    seen: usize,
}

impl Sent {
    /// Looks at the bytes that follow those of earlier calls, in pieces of any size.
    pub fn feed(&mut self, bytes: &[u8]) -> Refused {
        let mut refused = Refused::default();
        let mut rest = bytes;
        while let Some(piece) = self.frames.next(&mut rest) {
            match piece {
                Piece::Header(header) => {
                    self.seen = 0;
                    self.awaited = match header.kind {
                        frame::RST_STREAM => Some((frame::RST_STREAM, 0)),
                        // Behind the last stream.
                        frame::GOAWAY => Some((frame::GOAWAY, 4)),
                        _ => None,
                    };
                }
                Piece::Payload(part) => self.payload(part, &mut refused),
            }
        }
        refused
    }

    fn payload(&mut self, part: &[u8], refused: &mut Refused) {
        let Some((kind, offset)) = self.awaited else { return };
        for byte in part {
            if let Some(place) = self.seen.checked_sub(offset).and_then(|place| self.code.get_mut(place)) {
                *place = *byte;
            }
            self.seen += 1;
            if self.seen == offset + self.code.len() {
                self.awaited = None;
                let code = u32::from_be_bytes(self.code);
                let fault = is_the_clients(code);
                refused.calmed |= kind == frame::GOAWAY && code == CALM;
                refused.streams += u32::from(fault && kind == frame::RST_STREAM);
                refused.connection |= fault && kind == frame::GOAWAY;
                return;
            }
        }
    }
}

const CALM: u32 = 11;

/// Error codes that blame the client (RFC 9113 7): PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR,
/// COMPRESSION_ERROR.
fn is_the_clients(code: u32) -> bool {
    matches!(code, 1 | 3 | 5 | 6 | 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn refusals_are_counted_whatever_the_pieces() {
        let sent = [
            frame(frame::DATA, b"hello"),
            frame(frame::RST_STREAM, &[0, 0, 0, 1]),
            frame(frame::RST_STREAM, &[0, 0, 0, 8]),
            frame(frame::PING, &[0; 8]),
            frame(frame::RST_STREAM, &[0, 0, 0, 6]),
            frame(frame::GOAWAY, &[0, 0, 0, 1, 0, 0, 0, 9, b'w', b'h', b'y']),
        ]
        .concat();
        for size in 1..=sent.len() {
            let mut watch = Sent::default();
            let told = sent.chunks(size).map(|piece| watch.feed(piece));
            let told = told.fold(Refused::default(), |all, one| Refused {
                streams: all.streams + one.streams,
                connection: all.connection | one.connection,
                calmed: all.calmed | one.calmed,
            });
            let expected = Refused { streams: 2, connection: true, calmed: false };
            assert_eq!(told, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn endings_are_told_from_faults() {
        let mut watch = Sent::default();
        let calm = frame(frame::GOAWAY, &[0, 0, 0, 0, 0, 0, 0, 11]);
        let politely = frame(frame::GOAWAY, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(watch.feed(&politely), Refused::default());
        assert_eq!(watch.feed(&calm), Refused { calmed: true, ..Refused::default() });
    }
}
