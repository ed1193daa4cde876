//! Which paths are calls of an AI API. Such a call has no side effect but its cost, so it may be sent to another server
//! when one fails, whatever its method.
//!
//! Servers decode escapes and merge slashes before they look at a path, so it is done here too: however a call is spelt, it
//! is read, limited and counted. And providers put the same calls under paths of their own (`/openai/v1/...`, `/api/v3/...`,
//! no prefix at all), which a client can ask for here: what only ends like a call is read too where it names a model
//! ([`ends_as_call`]). What may be sent twice is for [`is_call`] alone to say.

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

/// Last segments of the paths whose calls name a model, in lower case. `chat/completions` ends in `completions`.
const ENDS: [&str; 12] = [
    "completions",
    "embeddings",
    "responses",
    "messages",
    "moderations",
    "rerank",
    "images/generations",
    "images/edits",
    "images/variations",
    "audio/transcriptions",
    "audio/translations",
    "audio/speech",
];

/// Whether the path ends as those of calls do, under whatever prefix and in whatever case. It may be anybody's path
/// nevertheless (`/api/messages` of a forum).
pub fn ends_as_call(path: &str) -> bool {
    let path = &*plain(path);
    ENDS.iter().any(|end| ends_with(path, end))
}

/// Whether these are the last segments of a path.
fn ends_with(path: &str, end: &str) -> bool {
    let path = path.trim_end_matches('/').as_bytes();
    let Some(at) = path.len().checked_sub(end.len()) else { return false };
    let (before, last) = path.split_at(at);
    before.last() == Some(&b'/') && last.eq_ignore_ascii_case(end.as_bytes())
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

/// The dialect of an event stream from this path, told by how it ends.
pub fn dialect(path: &str) -> Dialect {
    let path = &*plain(path);
    let ends = [
        ("chat/completions", Dialect::Chat),
        ("completions", Dialect::Completions),
        ("responses", Dialect::Responses),
        ("messages", Dialect::Messages),
    ];
    ends.iter().find(|(end, _)| ends_with(path, end)).map_or(Dialect::Other, |(_, dialect)| *dialect)
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
    fn a_dialect_is_told_by_the_end_of_the_path() {
        assert_eq!(dialect("/v1/chat/completions"), Dialect::Chat);
        assert_eq!(dialect("/v1/completions/"), Dialect::Completions);
        assert_eq!(dialect("/v1/messages/count_tokens"), Dialect::Other);
        assert_eq!(dialect("/v1/messages"), Dialect::Messages);
        assert_eq!(dialect("/v1/responses"), Dialect::Responses);
        assert_eq!(dialect("/openai/deployments/x/chat/completions"), Dialect::Chat);
        assert_eq!(dialect("/V1/Chat/Completions/"), Dialect::Chat);
        assert_eq!(dialect("/completions"), Dialect::Completions);
        assert_eq!(dialect("/v1/chat-completions"), Dialect::Other);
        assert_eq!(dialect("/embeddings"), Dialect::Other);
    }

    #[test]
    fn what_ends_as_a_call_is_told_under_any_prefix() {
        let ends = [
            "/chat/completions",
            "/openai/v1/chat/completions",
            "/V1/chat/COMPLETIONS",
            "//v1/chat/completions/",
            "/api//v3/chat%2fCompletion%73///",
            "/compatible-mode/v1/embeddings",
            "/anthropic/v1/messages",
            "/rerank",
            "/openai/images/edits",
            "/inference/v1/audio/Transcriptions",
        ];
        for path in ends {
            assert!(ends_as_call(path), "{path}");
        }
        let others = [
            "/",
            "",
            "completions",
            "/v1/files",
            "/v1/batches",
            "/v1/messages/count_tokens",
            "/mycompletions",
            "/v1/images",
            "/speech",
            "/v1/myaudio/speech",
            "/embeddings/x",
            "/embeddings/..",
        ];
        for path in others {
            assert!(!ends_as_call(path), "{path}");
        }
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
