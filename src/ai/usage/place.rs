//! Where in an answer something stands, and what it is there: the shapes of all providers in one table, since what one
//! of them writes in a place means nothing else with another.

use super::counts::Count;

/// What an object or an array is; its children are told by it and by their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The answer, or one event of a stream.
    Top,
    Choices,
    Choice,
    /// `response` of Responses; `x_groq`.
    Inner,
    /// `message` of Anthropic's `message_start`: its output is counted later.
    Opening,
    Usage,
    OpeningUsage,
    PromptDetails,
    CompletionDetails,
    /// What the model writes.
    Content,
    /// Content in a form whose length says nothing about tokens, or that is there twice.
    Uncounted,
    #[default]
    Nothing,
}

/// What a text or a number is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meaning {
    Kind,
    Identity(Identity),
    Created,
    /// Of a choice or of a block.
    Index,
    Sequence,
    Finish,
    Count(Count),
    Content(Text),
    #[default]
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Id,
    Model,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    Said,
    /// `reasoning` and `reasoning_content`: some servers write both with the same text.
    Reasoning,
    ReasoningContent,
    /// Content, but its bytes are not counted.
    Uncounted,
}

/// What the value of `key` is (the key of an element is empty): if it is a text or a number, and if it has children.
pub fn child(parent: Place, key: &[u8]) -> (Meaning, Place) {
    match parent {
        Place::Top => top(key),
        Place::Choices => (Meaning::Nothing, Place::Choice),
        Place::Choice => choice(key),
        Place::Inner | Place::Opening => inner(parent, key),
        Place::Usage => usage(key),
        Place::OpeningUsage if key == b"output_tokens" => (Meaning::Nothing, Place::Nothing),
        Place::OpeningUsage => usage(key),
        Place::PromptDetails if key == b"cached_tokens" => (Meaning::Count(Count::Cached), Place::Nothing),
        Place::CompletionDetails if key == b"reasoning_tokens" => {
            (Meaning::Count(Count::Reasoning), Place::Nothing)
        }
        Place::Content => content(key),
        Place::Uncounted => (Meaning::Content(Text::Uncounted), Place::Uncounted),
        Place::PromptDetails | Place::CompletionDetails | Place::Nothing => {
            (Meaning::Nothing, Place::Nothing)
        }
    }
}

fn top(key: &[u8]) -> (Meaning, Place) {
    match key {
        b"choices" => (Meaning::Nothing, Place::Choices),
        b"usage" => (Meaning::Nothing, Place::Usage),
        b"response" | b"x_groq" => (Meaning::Nothing, Place::Inner),
        b"message" => (Meaning::Nothing, Place::Opening),
        b"delta" | b"content_block" | b"content" | b"output" => {
            (Meaning::Content(Text::Said), Place::Content)
        }
        b"type" => (Meaning::Kind, Place::Nothing),
        b"index" => (Meaning::Index, Place::Nothing),
        b"sequence_number" => (Meaning::Sequence, Place::Nothing),
        _ => identity(key),
    }
}

fn inner(parent: Place, key: &[u8]) -> (Meaning, Place) {
    match key {
        b"usage" if parent == Place::Opening => (Meaning::Nothing, Place::OpeningUsage),
        b"usage" => (Meaning::Nothing, Place::Usage),
        _ => identity(key),
    }
}

fn identity(key: &[u8]) -> (Meaning, Place) {
    let meaning = match key {
        b"id" => Meaning::Identity(Identity::Id),
        b"model" => Meaning::Identity(Identity::Model),
        b"created" | b"created_at" => Meaning::Created,
        _ => Meaning::Nothing,
    };
    (meaning, Place::Nothing)
}

fn choice(key: &[u8]) -> (Meaning, Place) {
    match key {
        b"delta" | b"message" => (Meaning::Nothing, Place::Content),
        b"text" => (Meaning::Content(Text::Said), Place::Nothing),
        b"index" => (Meaning::Index, Place::Nothing),
        b"finish_reason" => (Meaning::Finish, Place::Nothing),
        // Moonshot.
        b"usage" => (Meaning::Nothing, Place::Usage),
        _ => (Meaning::Nothing, Place::Nothing),
    }
}

fn content(key: &[u8]) -> (Meaning, Place) {
    match key {
        b"content" | b"text" | b"refusal" | b"thinking" | b"partial_json" | b"arguments" | b"name"
        | b"transcript" => (Meaning::Content(Text::Said), Place::Content),
        b"reasoning" => (Meaning::Content(Text::Reasoning), Place::Content),
        b"reasoning_content" => (Meaning::Content(Text::ReasoningContent), Place::Content),
        b"stop_reason" => (Meaning::Finish, Place::Nothing),
        // What every delta, item or block has, with content or without; as in `preamble`.
        b"type"
        | b"role"
        | b"id"
        | b"status"
        | b"phase"
        | b"format"
        | b"provider_specific_fields"
        | b"stop_sequence"
        | b"call_id"
        | b"signature" => (Meaning::Nothing, Place::Nothing),
        // Elements of lists among others.
        b"" | b"tool_calls" | b"function" | b"function_call" | b"summary" | b"input" => {
            (Meaning::Content(Text::Uncounted), Place::Content)
        }
        _ => (Meaning::Content(Text::Uncounted), Place::Uncounted),
    }
}

fn usage(key: &[u8]) -> (Meaning, Place) {
    let count = match key {
        b"prompt_tokens" => Count::Prompt,
        b"completion_tokens" => Count::Completion,
        b"total_tokens" => Count::Total,
        b"input_tokens" => Count::Input,
        b"output_tokens" => Count::Output,
        b"cached_tokens" => Count::Cached,
        b"prompt_cache_hit_tokens" => Count::CacheHit,
        b"cache_read_input_tokens" => Count::CacheRead,
        b"cache_creation_input_tokens" => Count::CacheCreation,
        b"reasoning_tokens" => Count::Reasoning,
        b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
            return (Meaning::Nothing, Place::PromptDetails);
        }
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            return (Meaning::Nothing, Place::CompletionDetails);
        }
        _ => return (Meaning::Nothing, Place::Nothing),
    };
    (Meaning::Count(count), Place::Nothing)
}
