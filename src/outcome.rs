//! How a request ended. One value per request: its status, the error a client reads, the termination state in the
//! log and the side that is to blame all follow from it, by exhaustive matches, so that they cannot disagree.

/// What a server did to an attempt before its answer was committed to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or nothing of the request was sent.
    Connect,
    /// No connection within `timeouts.connect`.
    ConnectTimeout,
    /// The server said that it has not begun with it (HTTP/2: REFUSED_STREAM, GOAWAY).
    Refused,
    /// Closed or reset before the first byte of an answer.
    Empty,
    /// No response head within `timeouts.first_byte`, or the server stopped taking the request.
    FirstByte,
    /// The answer is not HTTP, or ended inside its head.
    Broken,
    /// An event stream ended or was cut before its first content.
    CutEarly,
    /// An event stream had no content within `timeouts.first_content`.
    FirstContent,
    /// An answer with this status.
    Status(u16),
    /// An event stream that begins with an error, which this status tells of.
    ErrorEvent(u16),
    /// The server does not take the key that the configuration gives it (401).
    KeyRefused,
}

/// Which limit of a plan was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Requests,
    Concurrent,
    Tokens,
    /// Money: what was spent leaves no room.
    Budget,
    /// Money: only what calls in flight may still cost leaves no room.
    BudgetInFlight,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A server's answer was delivered whole.
    Completed,
    /// A stream was ended in good order where this limit of its client ended.
    Exhausted(Limit),
    /// A protocol upgrade was carried to its end.
    Tunnelled,
    /// Nobody said anything in it for `timeouts.tunnel`, which is nobody's fault.
    TunnelSilent,
    /// `return` or `monitor`, with this status.
    Returned(u16),
    Redirected(u16),
    /// A `deny` rule, with this status.
    Denied(u16),
    /// A `tarpit` rule, with this status.
    Tarpitted(u16),
    /// A `silent_drop` rule.
    SilentlyDropped,
    /// Malformed or ambiguous; the reason is a label of `tidegate_denied_total`.
    BadRequest {
        status: u16,
        reason: &'static str,
    },
    /// Missing or unknown client key.
    Unauthorized,
    Limited(Limit),
    /// No such model, or no server has it.
    UnknownModel,
    /// The client's plan does not have the model.
    ModelForbidden,
    BodyTooLarge,
    /// The request body grew too large when the answer had begun.
    BodyTooLargeInAnswer,
    /// The client was silent in the middle of its request.
    RequestTimeout,
    /// The client left in the middle of the head of its request.
    RequestCut,
    /// The client left, or broke its request, before it was answered.
    ClientLeft,
    /// The client left while it was being answered.
    ClientLeftInAnswer,
    /// The client took nothing more of the answer, or sent nothing more of its request, for too long.
    ClientSilentInAnswer,
    /// The client broke its request body when the answer had begun; the reason is a label of `tidegate_denied_total`.
    BadBodyInAnswer {
        reason: &'static str,
    },
    /// Nothing routes this request, or no server of the backend is usable.
    NoServer,
    /// The queue is full, or the wait in it was too long.
    Overloaded,
    /// There is no memory left for request bodies.
    OutOfMemory,
    /// Every attempt failed; this is how the last one did.
    Failed(Failure),
    /// The server cut its answer short.
    AnswerCut,
    /// The server broke the protocol inside its answer.
    AnswerBroken,
    /// The server fell silent inside its answer.
    AnswerSilent,
    /// `timeouts.total` ran out before the answer began.
    TotalTimeout,
    /// `timeouts.total` ran out inside the answer.
    TotalTimeoutInAnswer,
    /// Stopped by us with the request unfinished.
    Stopped,
    /// Ended by an operator.
    Killed,
    /// A fault of tidegate's own.
    Internal,
}

/// What a client reads in `{"error": {...}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientError {
    pub status: u16,
    pub code: &'static str,
    pub kind: &'static str,
    pub message: &'static str,
}

impl ClientError {
    /// To ask again would come to the same.
    pub fn is_final(&self) -> bool {
        matches!(self.code, "insufficient_quota" | "stream_killed")
    }
}

impl Outcome {
    /// The answer that we make ourselves; `None` where a server's own answer, or none at all, is what the client has.
    pub fn error(self) -> Option<ClientError> {
        let error = |status, code, kind, message| Some(ClientError { status, code, kind, message });
        match self {
            Outcome::Completed
            | Outcome::Exhausted(_)
            | Outcome::Tunnelled
            | Outcome::Returned(_)
            | Outcome::Redirected(_) => None,
            Outcome::RequestCut
            | Outcome::ClientLeft
            | Outcome::ClientLeftInAnswer
            | Outcome::ClientSilentInAnswer
            | Outcome::TunnelSilent => None,
            Outcome::BadBodyInAnswer { .. } => {
                error(400, "bad_request", INVALID, "The request is malformed or ambiguous.")
            }
            Outcome::Stopped => error(503, "overloaded", SERVER, "The load balancer is stopping. Try again."),
            Outcome::Killed => error(503, "stream_killed", SERVER, "An operator has ended this request."),
            Outcome::SilentlyDropped => None,
            Outcome::Denied(status) | Outcome::Tarpitted(status) => Some(denied(status)),
            Outcome::BadRequest { status, reason } => match status {
                405 => error(405, "method_not_allowed", INVALID, "This method is not allowed here."),
                411 => error(411, "length_required", INVALID, "The request needs a Content-Length."),
                413 => error(413, "request_too_large", INVALID, "This request must not have a body."),
                414 => error(414, "uri_too_long", INVALID, "The request target is too long."),
                417 => error(417, "expectation_failed", INVALID, "The expectation cannot be met."),
                431 => error(431, "header_fields_too_large", INVALID, "The request head is too large."),
                _ => error(400, "bad_request", INVALID, malformed(reason)),
            },
            Outcome::Unauthorized => error(
                401,
                "invalid_api_key",
                "invalid_request_error",
                "The API key is missing or not known. Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
            ),
            Outcome::Limited(Limit::Requests) => error(
                429,
                "rate_limit_exceeded",
                "requests",
                "Too many requests in the last minute. Wait as long as `retry-after` says.",
            ),
            Outcome::Limited(Limit::Concurrent) => error(
                429,
                "rate_limit_exceeded",
                "requests",
                "Too many requests at the same time. Wait for one of them to end.",
            ),
            Outcome::Limited(Limit::Tokens) => error(
                429,
                "rate_limit_exceeded",
                "tokens",
                "Too many tokens in the last minute. Wait as long as `retry-after` says, or ask for fewer.",
            ),
            Outcome::Limited(Limit::Budget) => {
                error(429, "insufficient_quota", "insufficient_quota", "The budget is used up.")
            }
            Outcome::Limited(Limit::BudgetInFlight) => error(
                429,
                "rate_limit_exceeded",
                "requests",
                "What is left of the budget may be needed by requests in flight. Wait for one of them to end.",
            ),
            Outcome::UnknownModel => error(
                404,
                "model_not_found",
                INVALID,
                "There is no such model here. `GET /v1/models` lists those that there are.",
            ),
            Outcome::ModelForbidden => {
                error(403, "forbidden", INVALID, "This model is not part of the client's plan.")
            }
            Outcome::BodyTooLarge | Outcome::BodyTooLargeInAnswer => {
                error(413, "request_too_large", INVALID, "The request body is larger than is allowed here.")
            }
            Outcome::RequestTimeout => {
                error(408, "request_timeout", INVALID, "The request did not arrive in time.")
            }
            Outcome::NoServer => {
                error(503, "no_server_available", SERVER, "No server can take this request now.")
            }
            Outcome::Overloaded => {
                error(503, "overloaded", SERVER, "All servers are busy. Try again in a moment.")
            }
            Outcome::OutOfMemory => error(
                503,
                "overloaded",
                SERVER,
                "Too many large requests are in progress. Try again in a moment.",
            ),
            Outcome::Failed(failure) => match failure {
                Failure::Connect | Failure::Refused => {
                    error(503, "no_server_available", SERVER, "No server could be reached.")
                }
                // What the server says of its key is not for the client, and its own key is good.
                Failure::KeyRefused => {
                    error(503, "no_server_available", SERVER, "No server can take this request now.")
                }
                Failure::ConnectTimeout | Failure::FirstByte | Failure::FirstContent => {
                    error(504, "upstream_timeout", SERVER, "The server did not answer in time.")
                }
                Failure::Empty | Failure::CutEarly | Failure::Broken => {
                    error(502, "upstream_error", SERVER, "The server did not give a valid answer.")
                }
                // What a server says is passed on as it is when no attempt is left.
                Failure::Status(_) | Failure::ErrorEvent(_) => None,
            },
            Outcome::AnswerCut | Outcome::AnswerBroken => {
                error(502, "upstream_error", SERVER, "The server broke off in the middle of its answer.")
            }
            Outcome::AnswerSilent => {
                error(504, "upstream_timeout", SERVER, "The server fell silent in the middle of its answer.")
            }
            Outcome::TotalTimeout | Outcome::TotalTimeoutInAnswer => {
                error(504, "upstream_timeout", SERVER, "The request took longer than is allowed here.")
            }
            Outcome::Internal => error(500, "internal_error", SERVER, "An error inside the load balancer."),
        }
    }

    /// The four letters of HAProxy's `%tsc` (configuration manual 8.5; no cookies here, so the last two are `--`).
    pub fn termination(self) -> &'static str {
        match self {
            Outcome::Completed | Outcome::Tunnelled => "----",
            Outcome::Returned(_) | Outcome::Redirected(_) => "LR--",
            Outcome::Denied(_) | Outcome::BadRequest { .. } | Outcome::Unauthorized => "PR--",
            Outcome::Tarpitted(_) => "PT--",
            Outcome::SilentlyDropped => "PR--",
            Outcome::Limited(_) | Outcome::UnknownModel | Outcome::ModelForbidden | Outcome::BodyTooLarge => {
                "PR--"
            }
            Outcome::BodyTooLargeInAnswer | Outcome::Exhausted(_) => "PD--",
            Outcome::RequestTimeout => "cR--",
            Outcome::RequestCut => "CR--",
            Outcome::ClientLeft => "CH--",
            Outcome::ClientLeftInAnswer => "CD--",
            Outcome::ClientSilentInAnswer => "cD--",
            Outcome::BadBodyInAnswer { .. } => "PD--",
            Outcome::NoServer => "SC--",
            Outcome::Overloaded => "sQ--",
            Outcome::Failed(failure) => match failure {
                Failure::Connect | Failure::Refused => "SC--",
                Failure::ConnectTimeout => "sC--",
                Failure::Empty | Failure::CutEarly | Failure::KeyRefused => "SH--",
                Failure::FirstByte | Failure::FirstContent => "sH--",
                Failure::Broken => "PH--",
                Failure::Status(_) | Failure::ErrorEvent(_) => "----",
            },
            Outcome::OutOfMemory => "RR--",
            Outcome::AnswerCut => "SD--",
            Outcome::AnswerBroken => "PD--",
            Outcome::AnswerSilent | Outcome::TunnelSilent => "sD--",
            Outcome::TotalTimeout => "sH--",
            Outcome::TotalTimeoutInAnswer => "sD--",
            Outcome::Stopped | Outcome::Killed => "KD--",
            Outcome::Internal => "IH--",
        }
    }

    /// The label of `tidegate_denied_total{reason}`, for what was refused before it reached a server.
    pub fn denied_reason(self) -> Option<&'static str> {
        match self {
            Outcome::Denied(_) => Some("deny_rule"),
            Outcome::Tarpitted(_) => Some("tarpit_rule"),
            Outcome::SilentlyDropped => Some("silent_drop_rule"),
            Outcome::OutOfMemory => Some("body_memory"),
            Outcome::BadRequest { reason, .. } | Outcome::BadBodyInAnswer { reason } => Some(reason),
            Outcome::Unauthorized => Some("unauthorized"),
            Outcome::Limited(Limit::Requests) => Some("plan_requests"),
            Outcome::Limited(Limit::Concurrent) => Some("plan_concurrent"),
            Outcome::Limited(Limit::Tokens) => Some("plan_tokens"),
            Outcome::Limited(Limit::Budget | Limit::BudgetInFlight) => Some("budget"),
            Outcome::Exhausted(Limit::Budget) => Some("budget_in_stream"),
            Outcome::Exhausted(_) => Some("plan_tokens_in_stream"),
            Outcome::Killed => Some("killed"),
            Outcome::UnknownModel => Some("unknown_model"),
            Outcome::ModelForbidden => Some("model_forbidden"),
            Outcome::BodyTooLarge | Outcome::BodyTooLargeInAnswer => Some("body_too_large"),
            Outcome::RequestTimeout => Some("request_timeout"),
            Outcome::Overloaded => Some("overloaded"),
            _ => None,
        }
    }

    /// Whether HAProxy would raise `http_err` for it whatever the status: bad or cut requests, denies, failed auth.
    pub fn client_fault(self) -> bool {
        match self {
            Outcome::Denied(_)
            | Outcome::Tarpitted(_)
            | Outcome::SilentlyDropped
            | Outcome::BadRequest { .. }
            | Outcome::Unauthorized
            | Outcome::Limited(_)
            | Outcome::UnknownModel
            | Outcome::ModelForbidden
            | Outcome::BodyTooLarge
            | Outcome::BodyTooLargeInAnswer
            | Outcome::BadBodyInAnswer { .. }
            | Outcome::RequestTimeout
            | Outcome::RequestCut
            | Outcome::ClientLeft => true,
            Outcome::Completed
            | Outcome::Exhausted(_)
            | Outcome::Tunnelled
            | Outcome::TunnelSilent
            | Outcome::Returned(_)
            | Outcome::Redirected(_)
            | Outcome::ClientLeftInAnswer
            | Outcome::ClientSilentInAnswer
            | Outcome::NoServer
            | Outcome::Overloaded
            | Outcome::OutOfMemory
            | Outcome::Failed(_)
            | Outcome::AnswerCut
            | Outcome::AnswerBroken
            | Outcome::AnswerSilent
            | Outcome::TotalTimeout
            | Outcome::TotalTimeoutInAnswer
            | Outcome::Stopped
            | Outcome::Killed
            | Outcome::Internal => false,
        }
    }

    /// Whether the status that the client has, if any, is a server's, however the answer ended.
    pub fn answer_is_the_servers(self) -> bool {
        matches!(
            self,
            Outcome::Completed
                | Outcome::Exhausted(_)
                | Outcome::ClientLeftInAnswer
                | Outcome::ClientSilentInAnswer
                | Outcome::BadBodyInAnswer { .. }
                | Outcome::BodyTooLargeInAnswer
                | Outcome::AnswerCut
                | Outcome::AnswerBroken
                | Outcome::AnswerSilent
                | Outcome::TotalTimeoutInAnswer
        )
    }

    /// Whether HAProxy would raise `http_fail` for it: what the server did wrong, whatever the status.
    pub fn server_fault(self) -> bool {
        matches!(
            self,
            Outcome::Failed(_)
                | Outcome::AnswerCut
                | Outcome::AnswerBroken
                | Outcome::AnswerSilent
                | Outcome::TotalTimeout
                | Outcome::TotalTimeoutInAnswer
        )
    }
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

/// What is wrong with a request, where whoever wrote it can tell what to change.
fn malformed(reason: &str) -> &'static str {
    match reason {
        "not_json" => "The body is not a JSON object.",
        "not_multipart" => "The body is not the form that its content type says.",
        "two_models" => "The body has `model` more than once.",
        "model_not_text" => "`model` is not a text.",
        "no_model" => "The body has no `model`.",
        "encoded_call" => "The body has a content encoding. Send it without.",
        "content_type" => "The request has no clear content type.",
        "two_keys" => "The request has more than one API key.",
        _ => "The request is malformed or ambiguous.",
    }
}

fn denied(status: u16) -> ClientError {
    let (code, kind, message) = match status {
        401 => ("invalid_api_key", INVALID, "The API key is missing or not known."),
        403 => ("forbidden", INVALID, "This request is not allowed here."),
        404 => ("not_found", INVALID, "There is nothing here."),
        429 => (
            "rate_limit_exceeded",
            "requests",
            "Too many requests. Wait as long as `retry-after` says, or send fewer.",
        ),
        400..=499 => ("bad_request", INVALID, "This request is refused here."),
        503 => ("overloaded", SERVER, "The service refuses this request for now."),
        _ => ("server_error", SERVER, "The service refuses this request."),
    };
    ClientError { status, code, kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_codes_are_those_of_the_contract() {
        let of = |o: Outcome| o.error().map(|e| (e.status, e.code));
        assert_eq!(of(Outcome::Unauthorized), Some((401, "invalid_api_key")));
        assert_eq!(of(Outcome::Denied(403)), Some((403, "forbidden")));
        assert_eq!(of(Outcome::Denied(429)), Some((429, "rate_limit_exceeded")));
        assert_eq!(of(Outcome::Failed(Failure::Broken)), Some((502, "upstream_error")));
        assert_eq!(of(Outcome::Limited(Limit::Tokens)), Some((429, "rate_limit_exceeded")));
        assert_eq!(of(Outcome::NoServer), Some((503, "no_server_available")));
        assert_eq!(of(Outcome::Overloaded), Some((503, "overloaded")));
        assert_eq!(of(Outcome::Failed(Failure::FirstByte)), Some((504, "upstream_timeout")));
        assert_eq!(of(Outcome::Completed), None);
    }

    #[test]
    fn termination_follows_haproxy() {
        assert_eq!(Outcome::Failed(Failure::Connect).termination(), "SC--");
        assert_eq!(Outcome::Failed(Failure::FirstByte).termination(), "sH--");
        assert_eq!(Outcome::BadRequest { status: 400, reason: "bare_lf" }.termination(), "PR--");
        assert_eq!(Outcome::Redirected(301).termination(), "LR--");
    }
}
