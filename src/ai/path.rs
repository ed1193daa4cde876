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

/// Whether an event stream from this path ends with `data: [DONE]`.
pub fn ends_with_done(path: &str) -> bool {
    matches!(path, "/v1/chat/completions" | "/v1/completions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_computes_is_a_call() {
        assert!(
            is_call("/v1/chat/completions") && is_call("/v1/images/generations") && is_call("/v1/models/x")
        );
        assert!(!is_call("/v1/files") && !is_call("/v1/modelsx") && !is_call("/v1") && !is_call("/orders"));
    }
}
