//! Why a head is refused: status, a label for metrics and a sentence for people, all of one value. Most faults are those of
//! a request and of an answer alike.

use thiserror::Error;

/// What is wrong with the head of a request or an answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum HeadFault {
    #[error("the bytes on this connection are not HTTP (TLS on a plain port?)")]
    NotHttp,
    #[error("the connection begins with a PROXY header, and its sender is not in `accept_proxy`")]
    UnexpectedProxyHeader,
    #[error("too many empty lines before the request line")]
    EmptyLines,
    #[error("the head is incomplete or followed by other bytes")]
    Incomplete,
    #[error("a line of the head ends in LF without CR")]
    BareLf,
    #[error("a CR in the head is not the end of a line")]
    BareCr,
    #[error("the head has a NUL byte")]
    Nul,
    #[error("the head has a control character")]
    ControlByte,
    #[error("the method is not a token")]
    InvalidMethod,
    #[error("the method CONNECT is not served here")]
    Connect,
    #[error("the request line has no HTTP version (HTTP/0.9)")]
    NoVersion,
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    InvalidVersion,
    #[error(
        "the status is not three digits from 100 to 599, or is not followed by a space or the end of the line"
    )]
    InvalidStatus,
    #[error("the request target is malformed")]
    InvalidTarget,
    #[error("the scheme is neither http nor https")]
    InvalidScheme,
    #[error("the request target is too long")]
    TargetTooLong,
    #[error("the head is too large")]
    HeadTooLarge,
    #[error("the head has too many header fields")]
    TooManyFields,
    #[error("a header line continues on the next one (obsolete line folding)")]
    FoldedLine,
    #[error("a header line has no colon")]
    NoColon,
    #[error("a header field has no name")]
    EmptyFieldName,
    #[error("a header name has a space before its colon")]
    SpaceBeforeColon,
    #[error("a header name has a character that no name has")]
    InvalidFieldName,
    #[error("a header value begins or ends with a space")]
    SpaceAroundValue,
    #[error("the request names no host")]
    MissingHost,
    #[error("the request has more than one Host field")]
    RepeatedHost,
    #[error("the host is not a name or address with an optional port")]
    InvalidHost,
    #[error("the host in the request target differs from the Host field")]
    HostMismatch,
    #[error("Content-Length is not a number of bytes")]
    InvalidContentLength,
    #[error("the head has more than one Content-Length")]
    RepeatedContentLength,
    #[error("the head has both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    #[error("Transfer-Encoding is something other than chunked")]
    InvalidTransferEncoding,
    #[error("the head has more than one Transfer-Encoding field")]
    RepeatedTransferEncoding,
    #[error("HTTP/1.0 has no Transfer-Encoding")]
    EncodingOnOldVersion,
    #[error("an HTTP/1.0 request of this method has no body")]
    BodyOnOldVersion,
    #[error("an answer of this status has no body, but its head announces one")]
    ForbiddenBody,
    #[error("HTTP/2 has no header fields about the connection")]
    ConnectionField,
    #[error("TE says something other than trailers, or says it twice")]
    InvalidTe,
}

impl HeadFault {
    /// The status that answers a faulty request before the connection is closed (HTTP/1) or on the stream (HTTP/2). A
    /// wrong version is 400 as in HAProxy. CONNECT too: 405 would have to say what is allowed instead. A faulty answer
    /// is 502, whatever its fault.
    pub fn status(self) -> u16 {
        match self {
            HeadFault::BodyOnOldVersion => 413,
            HeadFault::TargetTooLong => 414,
            HeadFault::HeadTooLarge | HeadFault::TooManyFields => 431,
            _ => 400,
        }
    }

    /// A stable label for metrics and logs.
    pub fn reason(self) -> &'static str {
        match self {
            HeadFault::NotHttp => "not_http",
            HeadFault::UnexpectedProxyHeader => "unexpected_proxy_header",
            HeadFault::EmptyLines => "empty_lines",
            HeadFault::Incomplete => "incomplete",
            HeadFault::BareLf => "bare_lf",
            HeadFault::BareCr => "bare_cr",
            HeadFault::Nul => "nul",
            HeadFault::ControlByte => "control_byte",
            HeadFault::InvalidMethod => "invalid_method",
            HeadFault::Connect => "connect",
            HeadFault::NoVersion => "no_version",
            HeadFault::InvalidVersion => "invalid_version",
            HeadFault::InvalidStatus => "invalid_status",
            HeadFault::InvalidTarget => "invalid_target",
            HeadFault::InvalidScheme => "invalid_scheme",
            HeadFault::TargetTooLong => "target_too_long",
            HeadFault::HeadTooLarge => "head_too_large",
            HeadFault::TooManyFields => "too_many_fields",
            HeadFault::FoldedLine => "folded_line",
            HeadFault::NoColon => "no_colon",
            HeadFault::EmptyFieldName => "empty_field_name",
            HeadFault::SpaceBeforeColon => "space_before_colon",
            HeadFault::InvalidFieldName => "invalid_field_name",
            HeadFault::SpaceAroundValue => "space_around_value",
            HeadFault::MissingHost => "missing_host",
            HeadFault::RepeatedHost => "repeated_host",
            HeadFault::InvalidHost => "invalid_host",
            HeadFault::HostMismatch => "host_mismatch",
            HeadFault::InvalidContentLength => "invalid_content_length",
            HeadFault::RepeatedContentLength => "repeated_content_length",
            HeadFault::LengthAndEncoding => "length_and_encoding",
            HeadFault::InvalidTransferEncoding => "invalid_transfer_encoding",
            HeadFault::RepeatedTransferEncoding => "repeated_transfer_encoding",
            HeadFault::EncodingOnOldVersion => "encoding_on_old_version",
            HeadFault::BodyOnOldVersion => "body_on_old_version",
            HeadFault::ForbiddenBody => "forbidden_body",
            HeadFault::ConnectionField => "connection_field",
            HeadFault::InvalidTe => "invalid_te",
        }
    }
}
