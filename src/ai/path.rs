//! Which paths are calls of an AI API. Such a call has no side effect but its cost, so it may be sent to another server
//! when one fails, whatever its method.
//!
//! Servers decode escapes and merge slashes before they look at a path, so it is done here too: however a call is spelt, it
//! is read, limited and counted.

use std::borrow::Cow;

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
    let path = plain(path);
    CALLS
        .iter()
        .any(|call| path.strip_prefix(call).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The model whose description the path is, as in `/v1/models/gpt-4.1`; names may have slashes.
pub fn described_model(path: &str) -> Option<String> {
    let path = plain(path);
    let name = path.strip_prefix("/v1/models/")?.trim_end_matches('/');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether the path is that of OpenAI's Realtime API, which is spoken over a WebSocket.
pub fn is_realtime(path: &str) -> bool {
    plain(path).trim_end_matches('/') == "/v1/realtime"
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
    let path = &*plain(path);
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
    plain(path).trim_end_matches('/') == "/v1/models"
}

/// Whether an event stream from this path ends with `data: [DONE]`.
pub fn ends_with_done(path: &str) -> bool {
    matches!(&*plain(path), "/v1/chat/completions" | "/v1/completions")
}

/// The path as a server may read it: escapes decoded, without empty segments and those of dots.
fn plain(path: &str) -> Cow<'_, str> {
    if !(path.contains('%') || path.contains("//") || path.contains("/.")) {
        return Cow::Borrowed(path);
    }
    let decoded = decoded(path);
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if decoded.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    Cow::Owned(format!("/{}{end}", segments.join("/")))
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = match behind {
            [high, low, ..] if byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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
    fn a_call_is_a_call_however_its_path_is_spelt() {
        let spelt = [
            "/v1/chat/completion%73",
            "/v1/chat%2Fcompletions",
            "//v1//chat/completions",
            "/v1/./chat/../chat/completions",
            "/%76%31/chat/completions/",
            "/files/%2e%2E/v1/chat/completions",
        ];
        for path in spelt {
            assert!(is_call(path), "{path}");
            assert_eq!(dialect(path), Dialect::Chat, "{path}");
        }
        assert!(is_model_list("/v1/model%73/") && ends_with_done("/v1//completions"));
        // An escape that is none, and one that stands for an escape: nobody decodes twice.
        assert!(!is_call("/v1/chat/completion%7") && !is_call("/v1/chat/completion%2573"));
        assert!(!is_call("/v1/chat/%E4") && !is_call("/..") && !is_call("%"));
    }

    #[test]
    fn only_what_computes_is_a_call() {
        assert!(
            is_call("/v1/chat/completions") && is_call("/v1/images/generations") && is_call("/v1/models/x")
        );
        assert!(!is_call("/v1/files") && !is_call("/v1/modelsx") && !is_call("/v1") && !is_call("/orders"));
    }
}
