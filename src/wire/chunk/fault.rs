//! Why a chunked body is refused: a sentence for people and a label for metrics.

use thiserror::Error;

/// What is wrong with a chunked body.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum ChunkFault {
    #[error("a chunk size is not a plain hexadecimal number")]
    InvalidSize,
    #[error("a chunk size is over 2^63 - 1 or has more than 16 digits")]
    SizeTooLarge,
    #[error("a line of the chunked coding ends in LF without CR")]
    BareLf,
    #[error("a CR in the chunked coding is not the end of a line")]
    BareCr,
    #[error("the data of a chunk is longer than its size says")]
    MissingLineEnd,
    #[error("a chunk extension has a control character, an 8-bit character or an open quote")]
    InvalidExtension,
    #[error("chunk extensions are longer than 256 bytes on one line or 16 KB in one body")]
    ExtensionTooLong,
    #[error("a trailer line is not a name, a colon and a value without control characters")]
    InvalidTrailer,
    #[error("the trailers are more than 32 fields or 8 KB")]
    TrailersTooLarge,
    #[error("a trailer field frames, routes, authenticates or describes the message, which only a head may")]
    ForbiddenTrailer,
}

impl ChunkFault {
    /// A stable label for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            ChunkFault::InvalidSize => "invalid_chunk_size",
            ChunkFault::SizeTooLarge => "chunk_size_too_large",
            ChunkFault::BareLf => "chunk_bare_lf",
            ChunkFault::BareCr => "chunk_bare_cr",
            ChunkFault::MissingLineEnd => "chunk_missing_line_end",
            ChunkFault::InvalidExtension => "invalid_chunk_extension",
            ChunkFault::ExtensionTooLong => "chunk_extension_too_long",
            ChunkFault::InvalidTrailer => "invalid_trailer",
            ChunkFault::TrailersTooLarge => "trailers_too_large",
            ChunkFault::ForbiddenTrailer => "forbidden_trailer",
        }
    }
}
