//! The counts of a provider as it names them, and what they mean.

use super::Usage;

/// No call takes more tokens than this; a count above is not believed, so it is unknown.
const MOST: u64 = 100_000_000;

/// Tokens that a total may have beyond what is told of prompt and completion. No provider lets a model think for more than
/// 128 Ki tokens; more completions of one prompt share what is twice that.
const MOST_UNTOLD: u64 = 262_144;

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

    fn said(&self, count: Count) -> Option<u64> {
        self.fields.get(count as usize).copied().flatten()
    }

    fn get(&self, count: Count) -> Option<u64> {
        self.said(count).filter(|value| *value <= MOST)
    }

    /// Anthropic counts what went through its cache beside `input_tokens`; everybody else within. Gemini and Grok count
    /// reasoning only in the total: what it has beyond the two sides is completion, if it can be (at most
    /// [`MOST_UNTOLD`]); else the total is not believed. Where there is a total alone (rerank, some embeddings), nothing
    /// was written. A part is at most its whole.
    pub fn usage(&self) -> Usage {
        let (read, written) = (self.get(Count::CacheRead), self.get(Count::CacheCreation));
        let aside = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
        let input = self.get(Count::Input).map(|input| input.saturating_add(aside));
        let mut prompt = self.get(Count::Prompt).or(input).filter(|prompt| *prompt <= MOST);
        let mut completion = self.get(Count::Completion).or(self.get(Count::Output));
        if let Some(total) = self.get(Count::Total) {
            (prompt, completion) = match (prompt, completion) {
                (None, None) if self.is_silent() => (Some(total), Some(0)),
                (None, None) => (None, None),
                (None, Some(completion)) => (total.checked_sub(completion), Some(completion)),
                (Some(prompt), told) => (Some(prompt), with_untold(told, total.checked_sub(prompt))),
            };
        }
        let cached = self.get(Count::Cached).or(self.get(Count::CacheHit)).or(read);
        let reasoning = self.get(Count::Reasoning);
        Usage { prompt, completion, cached: part(cached, prompt), reasoning: part(reasoning, completion) }
    }

    /// Whether nothing was said of either side, be it absurd.
    fn is_silent(&self) -> bool {
        use Count::{Completion, Input, Output, Prompt};
        [Prompt, Completion, Input, Output].iter().all(|count| self.said(*count).is_none())
    }
}

/// The completion that is told, or `rest`, what a total leaves for it, where that is more and can be.
fn with_untold(told: Option<u64>, rest: Option<u64>) -> Option<u64> {
    rest.filter(|rest| rest.saturating_sub(told.unwrap_or(0)) <= MOST_UNTOLD).max(told)
}

/// As much of `whole` as there is; all of it, as long as that is unknown.
fn part(part: Option<u64>, whole: Option<u64>) -> Option<u64> {
    part.map(|part| whole.map_or(part, |whole| part.min(whole)))
}
