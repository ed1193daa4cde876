//! The trailer section behind the last chunk: header lines, of which none may be one that had to stand in the head
//! (RFC 9110 6.5.1), since a reader that merges trailers into the head would believe it.

use super::super::bytes::is_token;
use super::ChunkFault;

/// Where in the trailer section the bytes have led.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    place: Place,
    /// The name of this line in lower case, as much of it as tells forbidden ones from others.
    name: [u8; NAME],
    name_length: usize,
    fields: usize,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    LineStart,
    Name,
    Value,
    /// Behind the CR of a field's line.
    LineEnd,
    /// Behind the CR of the empty line.
    End,
}

/// One more than the longest forbidden name has.
const NAME: usize = 24;
const FIELDS: usize = 32;
const BYTES: usize = 8 * 1024;

impl Trailers {
    /// Takes the next byte. `true`: it is the last one of the section.
    pub fn step(&mut self, byte: u8) -> Result<bool, ChunkFault> {
        self.bytes += 1;
        if self.bytes > BYTES {
            return Err(ChunkFault::TrailersTooLarge);
        }
        self.place = match (self.place, byte) {
            (Place::End, b'\n') => return Ok(true),
            (Place::LineEnd, b'\n') => Place::LineStart,
            (_, b'\n') => return Err(ChunkFault::BareLf),
            (Place::End | Place::LineEnd, _) => return Err(ChunkFault::BareCr),
            (Place::LineStart, b'\r') => Place::End,
            (Place::LineStart, _) if is_token(byte) => {
                self.fields += 1;
                if self.fields > FIELDS {
                    return Err(ChunkFault::TrailersTooLarge);
                }
                self.name_length = 0;
                self.keep(byte);
                Place::Name
            }
            (Place::Name, b':') => {
                let name = self.name.get(..self.name_length).unwrap_or_default();
                if is_forbidden(name) {
                    return Err(ChunkFault::ForbiddenTrailer);
                }
                Place::Value
            }
            (Place::Name, _) if is_token(byte) => {
                self.keep(byte);
                Place::Name
            }
            (Place::Value, b'\r') => Place::LineEnd,
            (Place::Value, b'\t' | b' '..=b'~' | 0x80..) => Place::Value,
            _ => return Err(ChunkFault::InvalidTrailer),
        };
        Ok(false)
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.name.get_mut(self.name_length) {
            *place = byte.to_ascii_lowercase();
            self.name_length += 1;
        }
    }
}

/// Whole families: who the client is and which way the message takes.
const FORBIDDEN_PREFIXES: [&[u8]; 2] = [b"x-forwarded-", b"proxy-"];

/// What frames, routes, controls, authenticates or describes the message.
const FORBIDDEN: [&[u8]; 40] = [
    b"age",
    b"api-key",
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-location",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"forwarded",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"location",
    b"max-forwards",
    b"pragma",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"vary",
    b"via",
    b"www-authenticate",
    b"x-api-key",
    b"x-goog-api-key",
    b"x-http-method-override",
    b"x-original-url",
    b"x-real-ip",
];

/// `name` in lower case.
fn is_forbidden(name: &[u8]) -> bool {
    FORBIDDEN.binary_search(&name).is_ok() || FORBIDDEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_names_are_sorted_and_fit() {
        assert!(FORBIDDEN.is_sorted());
        assert!(FORBIDDEN.iter().all(|name| name.len() < NAME && **name == name.to_ascii_lowercase()));
    }
}
