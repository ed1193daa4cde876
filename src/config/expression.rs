//! The conditions of rules: names of ACLs, `not`, `and`, `or`, parentheses. `not` binds tightest, then `and`, then
//! `or`, so `a or b and not c` is `a or (b and (not c))`.

/// A condition over ACLs, as deep as the operator wrote it. Names are already indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Index in [`crate::config::checked::Checked::acls`].
    Acl(usize),
    Not(Box<Expression>),
    /// At least two, all must hold; decided from left to right.
    And(Vec<Expression>),
    /// At least two, one must hold; decided from left to right.
    Or(Vec<Expression>),
}

impl Expression {
    /// Calls `seen` with every ACL in it.
    pub fn visit(&self, seen: &mut dyn FnMut(usize)) {
        match self {
            Expression::Acl(index) => seen(*index),
            Expression::Not(inner) => inner.visit(seen),
            Expression::And(parts) | Expression::Or(parts) => parts.iter().for_each(|p| p.visit(seen)),
        }
    }
}

/// What is wrong in a condition, and where: bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub start: usize,
    pub length: usize,
    pub what: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    UnknownAcl(String),
    /// A message and a hint.
    Syntax(String, &'static str),
}

/// Reads a condition; `find` gives the index of an ACL. All unknown names are reported, and the first error of syntax.
pub(super) fn parse(text: &str, find: &dyn Fn(&str) -> Option<usize>) -> Result<Expression, Vec<Mistake>> {
    let mut parser =
        Parser { tokens: tokens(text), next: 0, end: text.len(), depth: 0, unknown: Vec::new(), find };
    let parsed = parser.alternatives().and_then(|e| parser.finish(e));
    match parsed {
        Ok(expression) if parser.unknown.is_empty() => Ok(expression),
        Ok(_) => Err(parser.unknown),
        Err(mistake) => {
            parser.unknown.push(mistake);
            Err(parser.unknown)
        }
    }
}

/// The words of a condition that may be names of ACLs, with the byte where each begins.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let name = |t: &Token<'_>| !matches!(t.text, "(" | ")" | "and" | "or" | "not");
    tokens(text).into_iter().filter(name).map(|t| (t.start, t.text))
}

struct Token<'a> {
    text: &'a str,
    start: usize,
}

/// Words and parentheses; everything else that is not a space belongs to a word.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut word: Option<usize> = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let apart = c.is_whitespace() || matches!(c, '(' | ')');
        if apart && let Some(start) = word.take() {
            tokens.push(Token { text: text.get(start..i).unwrap_or_default(), start });
        }
        if matches!(c, '(' | ')') {
            tokens.push(Token { text: text.get(i..=i).unwrap_or_default(), start: i });
        } else if !apart && word.is_none() {
            word = Some(i);
        }
    }
    tokens
}

/// Deeper conditions are refused: nobody can read them, and the evaluator goes down by recursion.
const DEEPEST: usize = 32;

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    end: usize,
    depth: usize,
    unknown: Vec<Mistake>,
    find: &'a dyn Fn(&str) -> Option<usize>,
}

impl<'a> Parser<'a> {
    fn alternatives(&mut self) -> Result<Expression, Mistake> {
        let mut parts = vec![self.conjunction()?];
        while self.accept("or") {
            parts.push(self.conjunction()?);
        }
        Ok(joined(parts, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, Mistake> {
        let mut parts = vec![self.operand()?];
        while self.accept("and") {
            parts.push(self.operand()?);
        }
        Ok(joined(parts, Expression::And))
    }

    fn operand(&mut self) -> Result<Expression, Mistake> {
        let Some((text, start)) = self.tokens.get(self.next).map(|t| (t.text, t.start)) else {
            let what = Wrong::Syntax("the condition ends where an ACL is expected".to_owned(), GRAMMAR);
            return Err(Mistake { start: self.end, length: 0, what });
        };
        self.next += 1;
        if matches!(text, "not" | "(") {
            self.depth += 1;
            if self.depth > DEEPEST {
                let what =
                    Wrong::Syntax(format!("more than {DEEPEST} levels deep"), "split it into several rules");
                return Err(Mistake { start, length: text.len(), what });
            }
        }
        let expression = match text {
            "not" => Expression::Not(Box::new(self.operand()?)),
            "(" => {
                let inner = self.alternatives()?;
                if !self.accept(")") {
                    let what = Wrong::Syntax("this `(` is never closed".to_owned(), "add the `)`");
                    return Err(Mistake { start, length: 1, what });
                }
                inner
            }
            "and" | "or" | ")" => {
                let what = Wrong::Syntax(format!("`{text}` where an ACL is expected"), GRAMMAR);
                return Err(Mistake { start, length: text.len(), what });
            }
            name => return self.acl(name, start),
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn acl(&mut self, name: &str, start: usize) -> Result<Expression, Mistake> {
        if let Some(index) = (self.find)(name) {
            return Ok(Expression::Acl(index));
        }
        let length = name.len();
        if name.contains(['!', '&', '|']) {
            let message = format!("`{name}` has no meaning in a condition");
            return Err(Mistake { start, length, what: Wrong::Syntax(message, "write `not`, `and`, `or`") });
        }
        self.unknown.push(Mistake { start, length, what: Wrong::UnknownAcl(name.to_owned()) });
        Ok(Expression::Acl(0))
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|t| t.text == word);
        self.next += usize::from(found);
        found
    }

    fn finish(&self, expression: Expression) -> Result<Expression, Mistake> {
        let Some(rest) = self.tokens.get(self.next) else { return Ok(expression) };
        let message = format!("`{}` where `and`, `or` or the end is expected", rest.text);
        Err(Mistake { start: rest.start, length: rest.text.len(), what: Wrong::Syntax(message, GRAMMAR) })
    }
}

const GRAMMAR: &str = "like `a and not (b or c)`: names of ACLs, `not`, `and`, `or`, parentheses";

/// One part stands for itself.
fn joined(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::Expression::{Acl, And, Not, Or};
    use super::*;

    fn find(name: &str) -> Option<usize> {
        ["a", "b", "c"].iter().position(|n| *n == name)
    }

    fn not(e: Expression) -> Expression {
        Not(Box::new(e))
    }

    #[test]
    fn not_binds_before_and_before_or() {
        assert_eq!(parse("a", &find), Ok(Acl(0)));
        assert_eq!(parse("a and not b", &find), Ok(And(vec![Acl(0), not(Acl(1))])));
        assert_eq!(parse("a or b and c", &find), Ok(Or(vec![Acl(0), And(vec![Acl(1), Acl(2)])])));
        assert_eq!(parse("(a or b)and c", &find), Ok(And(vec![Or(vec![Acl(0), Acl(1)]), Acl(2)])));
        assert_eq!(parse("not not a", &find), Ok(not(not(Acl(0)))));
        assert_eq!(parse("not (a or b)", &find), Ok(not(Or(vec![Acl(0), Acl(1)]))));
    }

    #[test]
    fn mistakes_know_their_place() {
        for (text, start, length) in [
            ("", 0, 0),
            ("a and", 5, 0),
            ("a b", 2, 1),
            ("and a", 0, 3),
            ("(a or b", 0, 1),
            ("a)", 1, 1),
            ("()", 1, 1),
            ("a && b", 2, 2),
            ("!a", 0, 2),
        ] {
            let wrong = parse(text, &find).unwrap_err();
            assert_eq!((wrong[0].start, wrong[0].length), (start, length), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn all_unknown_names_are_reported() {
        let wrong = parse("x and (a or y)", &find).unwrap_err();
        assert_eq!(wrong.iter().map(|m| m.start).collect::<Vec<_>>(), [0, 12]);
    }

    #[test]
    fn depth_has_an_end() {
        assert!(parse(&format!("{}a", "not ".repeat(10_000)), &find).is_err());
        assert!(parse(&format!("{}a", "(".repeat(10_000)), &find).is_err());
        assert!(parse(&format!("{}a{}", "(".repeat(30), ")".repeat(30)), &find).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[abx ()ndotr!&ü]{0,40}") {
            if let Err(mistakes) = parse(&text, &find) {
                for m in mistakes {
                    proptest::prop_assert!(text.get(m.start..m.start + m.length).is_some());
                }
            }
        }
    }
}
