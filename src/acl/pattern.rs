//! Lists of literal patterns: whole texts, prefixes, suffixes. Kept sorted and searched by halving, so that a thousand
//! patterns are ten comparisons and a test allocates nothing, with or without regard to case.

use std::iter;

/// Where in the subject a pattern has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Whole,
    Start,
    End,
}

/// A compiled list of literal patterns. Case is ASCII case.
#[derive(Clone, Debug)]
pub struct PatternList {
    /// Sorted. Lower case where case is ignored, back to front for [`Position::End`]. For prefixes and suffixes no
    /// pattern is the beginning of another: the shorter one says it all. So of all patterns only the greatest that is
    /// not above the subject can match it.
    patterns: Box<[Box<[u8]>]>,
    position: Position,
    ignore_case: bool,
}

impl PatternList {
    pub fn new<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
        position: Position,
        ignore_case: bool,
    ) -> PatternList {
        let mut sorted: Vec<Box<[u8]>> = patterns
            .into_iter()
            .map(|pattern| {
                let mut bytes = pattern.as_ref().as_bytes().to_vec();
                if ignore_case {
                    bytes.make_ascii_lowercase();
                }
                if position == Position::End {
                    bytes.reverse();
                }
                bytes.into_boxed_slice()
            })
            .collect();
        sorted.sort_unstable();
        sorted.dedup_by(|later, kept| match position {
            Position::Whole => later == kept,
            Position::Start | Position::End => later.starts_with(kept),
        });
        PatternList { patterns: sorted.into_boxed_slice(), position, ignore_case }
    }

    pub fn matches(&self, subject: &[u8]) -> bool {
        match (self.position, self.ignore_case) {
            (Position::Whole, false) => self.patterns.binary_search_by(|p| (**p).cmp(subject)).is_ok(),
            (Position::Start, false) => {
                let above = self.patterns.partition_point(|p| **p <= *subject);
                self.before(above).is_some_and(|p| subject.starts_with(p))
            }
            (Position::End, _) => self.search(subject.iter().rev().copied()),
            (_, true) => self.search(subject.iter().copied()),
        }
    }

    /// The same for a subject that only exists byte by byte, as a percent-decoded one.
    pub(super) fn matches_decoded(&self, subject: impl DoubleEndedIterator<Item = u8> + Clone) -> bool {
        match self.position {
            Position::End => self.search(subject.rev()),
            Position::Whole | Position::Start => self.search(subject),
        }
    }

    fn search(&self, subject: impl Iterator<Item = u8> + Clone) -> bool {
        let subject = subject.map(|b| if self.ignore_case { b.to_ascii_lowercase() } else { b });
        let above = self.patterns.partition_point(|p| p.iter().copied().cmp(subject.clone()).is_le());
        let Some(pattern) = self.before(above) else { return false };
        let mut rest = subject;
        let begins = iter::zip(pattern, iter::from_fn(|| rest.next())).filter(|(p, s)| *p == s).count();
        begins == pattern.len() && (self.position != Position::Whole || rest.next().is_none())
    }

    fn before(&self, index: usize) -> Option<&[u8]> {
        index.checked_sub(1).and_then(|i| self.patterns.get(i)).map(|p| &**p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(patterns: &[&str], position: Position, ignore_case: bool) -> PatternList {
        PatternList::new(patterns, position, ignore_case)
    }

    #[test]
    fn prefixes_cover_what_begins_with_them() {
        let beg = list(&["/v1/chat", "/v1/images", "/v1/chat/completions"], Position::Start, false);
        for yes in ["/v1/chat", "/v1/chat/completions", "/v1/chatter", "/v1/images/x"] {
            assert!(beg.matches(yes.as_bytes()), "{yes}");
        }
        for no in ["", "/v1/cha", "/v1/Chat", "/v1/d", "/v2/chat", "x/v1/chat"] {
            assert!(!beg.matches(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn suffixes_may_ignore_case() {
        let end = list(&[".JSON", ".json.gz"], Position::End, true);
        assert!(end.matches(b"/a.Json"));
        assert!(end.matches(b"/A.JSON.GZ"));
        assert!(!end.matches(b"/a.json.br"));
        assert!(!end.matches(b"json"));
    }

    #[test]
    fn an_empty_list_matches_nothing() {
        for position in [Position::Whole, Position::Start, Position::End] {
            assert!(!list(&[], position, true).matches(b""));
            assert!(!list(&[], position, false).matches(b"/"));
        }
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_asking_each_pattern(
            patterns in proptest::collection::vec("[abAB]{0,4}", 0..12),
            subject in "[abABc]{0,6}",
            ignore_case: bool,
        ) {
            let fold = |s: &str| if ignore_case { s.to_ascii_lowercase() } else { s.to_owned() };
            let subject_folded = fold(&subject);
            for position in [Position::Whole, Position::Start, Position::End] {
                let expected = patterns.iter().any(|p| match position {
                    Position::Whole => subject_folded == fold(p),
                    Position::Start => subject_folded.starts_with(&fold(p)),
                    Position::End => subject_folded.ends_with(&fold(p)),
                });
                let list = PatternList::new(&patterns, position, ignore_case);
                prop_assert_eq!(list.matches(subject.as_bytes()), expected);
                prop_assert_eq!(list.matches_decoded(subject.bytes()), expected);
            }
        }
    }
}
