//! What a provider says, and how long it is in tokens.

/// Words of the prompt that an answer repeats.
const REPEATED: usize = 12;

/// An answer in the pieces in which it is streamed; one piece is one token.
#[derive(Debug, PartialEq)]
pub struct Reply {
    pub pieces: Vec<String>,
    /// `stop`, or `length` where the client's limit ended it.
    pub finish: &'static str,
}

impl Reply {
    /// `pieces`: exactly so many. `limit`: the client's greatest number of tokens.
    pub fn compose(name: &str, prompt: &str, pieces: Option<usize>, limit: Option<u64>) -> Reply {
        let said = prompt.split_whitespace().take(REPEATED).collect::<Vec<_>>().join(" ");
        let text = format!("This is {name}. You said: {said}");
        let words = text.split_inclusive(' ').map(str::to_owned);
        let all: Vec<String> = match pieces {
            Some(count) => words.cycle().take(count).collect(),
            None => words.collect(),
        };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let finish = if all.len() > limit { "length" } else { "stop" };
        Reply { pieces: all.into_iter().take(limit).collect(), finish }
    }

    pub fn text(&self) -> String {
        self.pieces.concat()
    }

    pub fn tokens(&self) -> u64 {
        self.pieces.len() as u64
    }
}

/// Tokens of a text: about four characters each, as of English.
pub fn count_tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_its_provider_and_repeats_the_prompt() {
        let reply = Reply::compose("alpha", "hello there", None, None);
        assert_eq!((reply.text().as_str(), reply.finish), ("This is alpha. You said: hello there", "stop"));
        assert_eq!(reply.tokens(), 7);
    }

    #[test]
    fn the_clients_limit_ends_a_reply() {
        let reply = Reply::compose("alpha", "hello", None, Some(2));
        assert_eq!((reply.text().as_str(), reply.finish), ("This is ", "length"));
        assert_eq!(Reply::compose("alpha", "hello", Some(40), None).tokens(), 40);
    }

    #[test]
    fn four_characters_are_a_token() {
        assert_eq!((count_tokens(""), count_tokens("abcd"), count_tokens("abcde")), (0, 1, 2));
    }
}
