//! Which paths are calls of an AI API. Such a call has no side effect but its cost, so it may be sent to another server
//! when one fails, whatever its method.

/// Paths whose calls only compute. What creates something (files, batches, fine-tuning jobs, ...) is not among them.
const CALLS: [&str; 10] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/moderations",
    "/v1/images",
    "/v1/audio",
    "/v1/rerank",
    "/v1/models",
];

/// Whether `path` is such a call, or below one.
pub fn is_call(path: &str) -> bool {
    CALLS
        .iter()
        .any(|call| path.strip_prefix(call).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// How the events of an answer are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's legacy completions.
    Completions,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    #[default]
    Other,
}

/// The dialect of an event stream from this path.
pub fn dialect(path: &str) -> Dialect {
    match path.strip_suffix('/').unwrap_or(path) {
        "/v1/chat/completions" => Dialect::Chat,
        "/v1/completions" => Dialect::Completions,
        "/v1/responses" => Dialect::Responses,
        "/v1/messages" => Dialect::Messages,
        _ => Dialect::Other,
    }
}

/// Whether the path lists the models that there are.
pub fn is_model_list(path: &str) -> bool {
    path.trim_end_matches('/') == "/v1/models"
}

/// Whether an event stream from this path ends with `data: [DONE]`.
pub fn ends_with_done(path: &str) -> bool {
    matches!(path, "/v1/chat/completions" | "/v1/completions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_told_by_the_whole_path() {
        assert_eq!(dialect("/v1/chat/completions"), Dialect::Chat);
        assert_eq!(dialect("/v1/completions/"), Dialect::Completions);
        assert_eq!(dialect("/v1/messages/count_tokens"), Dialect::Other);
        assert_eq!(dialect("/v1/messages"), Dialect::Messages);
        assert_eq!(dialect("/v1/responses"), Dialect::Responses);
    }

    #[test]
    fn only_what_computes_is_a_call() {
        assert!(
            is_call("/v1/chat/completions") && is_call("/v1/images/generations") && is_call("/v1/models/x")
        );
        assert!(!is_call("/v1/files") && !is_call("/v1/modelsx") && !is_call("/v1") && !is_call("/orders"));
    }
}
