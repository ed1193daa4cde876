//! The counts of a provider as it names them, and what they mean.

use super::Usage;

/// What a usage object said; of a stream, the last that each field said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    fields: [Option<u64>; 10],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// `prompt_tokens`.
    Prompt,
    /// `completion_tokens`.
    Completion,
    /// `total_tokens`.
    Total,
    /// `input_tokens`.
    Input,
    /// `output_tokens`.
    Output,
    /// `cached_tokens` in the details, or (Moonshot) beside the counts.
    Cached,
    /// `prompt_cache_hit_tokens` (DeepSeek).
    CacheHit,
    /// `cache_read_input_tokens` (Anthropic).
    CacheRead,
    /// `cache_creation_input_tokens` (Anthropic).
    CacheCreation,
    /// `reasoning_tokens`.
    Reasoning,
}

impl Counts {
    pub fn set(&mut self, count: Count, value: u64) {
        if let Some(field) = self.fields.get_mut(count as usize) {
            *field = Some(value);
        }
    }

    fn get(&self, count: Count) -> Option<u64> {
        self.fields.get(count as usize).copied().flatten()
    }

    /// Anthropic counts what went through its cache beside `input_tokens`; everybody else within. Gemini and Grok count
    /// reasoning only in the total. Where there is a total alone (rerank, some embeddings), nothing was written.
    pub fn usage(&self) -> Usage {
        let (read, written) = (self.get(Count::CacheRead), self.get(Count::CacheCreation));
        let aside = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
        let input = self.get(Count::Input).map(|input| input.saturating_add(aside));
        let mut prompt = self.get(Count::Prompt).or(input);
        let mut completion = self.get(Count::Completion).or(self.get(Count::Output));
        if let Some(total) = self.get(Count::Total) {
            (prompt, completion) = match (prompt, completion) {
                (None, None) => (Some(total), Some(0)),
                (None, Some(completion)) => (total.checked_sub(completion), Some(completion)),
                (Some(prompt), completion) => (Some(prompt), total.checked_sub(prompt).max(completion)),
            };
        }
        let cached = self.get(Count::Cached).or(self.get(Count::CacheHit)).or(read);
        Usage { prompt, completion, cached, reasoning: self.get(Count::Reasoning) }
    }
}
