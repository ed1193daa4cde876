//! The events that end a stream by our hand, so that a client reads an answer that was cut for its length.

use super::Usage;
use super::found::CHOICES;
use super::stream::StreamMeter;
use crate::ai::path::Dialect;

impl StreamMeter {
    /// What ends the stream after what has passed ([`StreamMeter::is_between_events`]); what is held is not wanted any
    /// more. `asked`: the client wants the chunk that tells usage; it gets one if both sides of `usage` are known. Empty
    /// for a stream that has ended, and in a dialect that nobody knows.
    pub fn cut(&self, usage: Usage, asked: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if self.watch.done {
            return out;
        }
        match self.dialect {
            Dialect::Chat | Dialect::Completions => {
                self.chunks(&mut out, if asked && !self.watch.told_usage { usage } else { Usage::default() });
            }
            Dialect::Responses => self.response(&mut out, usage),
            Dialect::Messages => self.message(&mut out, usage),
            Dialect::Other => {}
        }
        out
    }

    fn chunks(&self, out: &mut Vec<u8>, usage: Usage) {
        let found = &self.watch.found;
        let (object, empty) = match self.dialect {
            Dialect::Chat => ("chat.completion.chunk", r#""delta":{}"#),
            _ => ("text_completion", r#""text":"""#),
        };
        let mut head = b"data: {\"id\":\"".to_vec();
        head.extend_from_slice(&found.id);
        head.extend_from_slice(format!("\",\"object\":\"{object}\",\"created\":").as_bytes());
        head.extend_from_slice(number(found.created).as_bytes());
        head.extend_from_slice(b",\"model\":\"");
        head.extend_from_slice(&found.model);
        head.extend_from_slice(b"\",\"choices\":[");
        // A stream that was cut before its first choice has one nevertheless.
        let open = found.choices.max(1) & !found.finished;
        if open != 0 {
            let choice = |index: u64| {
                format!(r#"{{"index":{index},{empty},"logprobs":null,"finish_reason":"length"}}"#)
            };
            let choices: Vec<String> =
                (0..CHOICES).filter(|index| open >> index & 1 == 1).map(choice).collect();
            out.extend_from_slice(&head);
            out.extend_from_slice(choices.join(",").as_bytes());
            out.extend_from_slice(b"]}\n\n");
        }
        if let (Some(prompt), Some(completion), Some(total)) = (usage.prompt, usage.completion, usage.total())
        {
            let counts = format!(
                r#""prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}{}{}"#,
                detail("prompt_tokens_details", "cached_tokens", usage.cached),
                detail("completion_tokens_details", "reasoning_tokens", usage.reasoning),
            );
            out.extend_from_slice(&head);
            out.extend_from_slice(format!("],\"usage\":{{{counts}}}}}\n\n").as_bytes());
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn response(&self, out: &mut Vec<u8>, usage: Usage) {
        let found = &self.watch.found;
        let sequence = found.sequence.map_or(0, |last| last.saturating_add(1));
        let counts = match (usage.prompt, usage.completion, usage.total()) {
            (Some(prompt), Some(completion), Some(total)) => format!(
                r#"{{"input_tokens":{prompt},"output_tokens":{completion},"total_tokens":{total}{}{}}}"#,
                detail("input_tokens_details", "cached_tokens", usage.cached),
                detail("output_tokens_details", "reasoning_tokens", usage.reasoning),
            ),
            _ => "null".to_owned(),
        };
        let event =
            "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"sequence_number\":";
        out.extend_from_slice(format!("{event}{sequence},\"response\":{{\"id\":\"").as_bytes());
        out.extend_from_slice(&found.id);
        out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        out.extend_from_slice(number(found.created).as_bytes());
        let state = concat!(
            r#","status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"},"#,
            r#""instructions":null,"metadata":{},"output":[],"parallel_tool_calls":true,"tool_choice":"auto","#,
            r#""tools":[],"temperature":null,"top_p":null,"model":""#,
        );
        out.extend_from_slice(state.as_bytes());
        out.extend_from_slice(&found.model);
        out.extend_from_slice(format!("\",\"usage\":{counts}}}}}\n\n").as_bytes());
    }

    fn message(&self, out: &mut Vec<u8>, usage: Usage) {
        let mut event = |name: &str, fields: &str| {
            let event = format!("event: {name}\ndata: {{\"type\":\"{name}\"{fields}}}\n\n");
            out.extend_from_slice(event.as_bytes());
        };
        if let Some(index) = self.watch.block {
            event("content_block_stop", &format!(r#","index":{index}"#));
        }
        if !self.watch.found.finish {
            let delta = r#","delta":{"stop_reason":"max_tokens","stop_sequence":null}"#;
            let output = number(usage.completion);
            event("message_delta", &format!(r#"{delta},"usage":{{"output_tokens":{output}}}"#));
        }
        event("message_stop", "");
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

fn detail(name: &str, field: &str, count: Option<u64>) -> String {
    count.map_or_else(String::new, |count| format!(r#","{name}":{{"{field}":{count}}}"#))
}
