//! YAML text as a tree in which every node knows its place. Structure only: what a text means is up to the sections.
//! serde would stop at the first mistake and lose the places of the rest.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError};

use super::diagnostic::{Code, Diagnostic, Span};

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub text: String,
    /// In quotes or as a block: never null.
    pub quoted: bool,
    /// Characters from the start of the span to the text, where the file has it letter for letter on one line.
    pub verbatim: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Key,
    pub value: Node,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub text: String,
    pub span: Span,
}

impl Node {
    /// `key:` with nothing behind it.
    pub fn is_empty(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(s) if !s.quoted && s.text.is_empty())
    }

    /// `null` or `~`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(s) if !s.quoted && matches!(s.text.as_str(), "null" | "~"))
    }

    /// None where it is no mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn child(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }
}

/// Nodes that aliases may add; a billion laughs end here.
const MOST_COPIES: usize = 20_000;

/// The tree of a file, and what is left out of it.
#[derive(Debug)]
pub(super) struct Tree {
    pub root: Node,
    /// One error for each duplicate key; the first one counts.
    pub duplicates: Vec<Diagnostic>,
    /// The entries that do not count. Their values stand in the file all the same, so secrets among them are hidden.
    pub dropped: Vec<Entry>,
}

/// The tree of the only document in `text`.
pub(super) fn parse(text: &str) -> Result<Tree, Box<Diagnostic>> {
    let mut builder = Builder { text, ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| Box::new(syntax_error(text, &e)))?;
        builder.take(event, span).map_err(Box::new)?;
    }
    let empty = || Box::new(Diagnostic::error(Code::MissingKey, Span::START, EMPTY).hint(EMPTY_HINT));
    let root = builder.root.ok_or_else(empty)?;
    if root.is_empty() || root.is_null() {
        return Err(empty());
    }
    Ok(Tree { root, duplicates: builder.duplicates, dropped: builder.dropped })
}

const EMPTY: &str = "the file is empty";
const EMPTY_HINT: &str = "it needs at least `frontends` and `backends`";

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    open: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, (Node, usize)>,
    copies: usize,
    duplicates: Vec<Diagnostic>,
    dropped: Vec<Entry>,
}

struct Frame {
    span: Span,
    anchor: usize,
    /// Nodes below this one.
    nodes: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Entries, Option<Key>),
}

#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    /// The lines of the keys. A search through the list would be slow for a file of a hundred thousand keys.
    lines: HashMap<String, usize>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, source: granit_parser::Span) -> Result<(), Diagnostic> {
        let span = place(source.start, source.end);
        let bytes = source.byte_range();
        let tagged = |tag: bool| {
            let span = source.tag_start().map_or(span, |start| place(start, start));
            let wrong = Diagnostic::error(Code::Syntax, span, "YAML tags (`!name`) have no meaning here");
            if tag { Err(wrong.hint("put text that begins with `!` in quotes")) } else { Ok(()) }
        };
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let wrong = Diagnostic::error(Code::Syntax, span, "a second YAML document in one file");
                    return Err(wrong.hint("remove the `---`"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                tagged(tag.is_some())?;
                let source = bytes.and_then(|b| self.text.get(b)).unwrap_or_default();
                // The parser writes `~` for a value that is not there.
                let absent = style == ScalarStyle::Plain && source.is_empty();
                let scalar = Scalar {
                    quoted: style != ScalarStyle::Plain,
                    verbatim: verbatim(source, &text, style),
                    text: if absent { String::new() } else { text.into_owned() },
                };
                self.place(Node { span, kind: Kind::Scalar(scalar) }, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                tagged(tag.is_some())?;
                self.open.push(Frame { span, anchor, nodes: 1, content: Content::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, tag) => {
                tagged(tag.is_some())?;
                self.open.push(Frame {
                    span,
                    anchor,
                    nodes: 1,
                    content: Content::Map(Entries::default(), None),
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.open.pop() {
                    let kind = match frame.content {
                        Content::List(items) => Kind::List(items),
                        Content::Map(entries, _) => Kind::Map(entries.list),
                    };
                    let span = Span { end_line: span.end_line, end_column: span.end_column, ..frame.span };
                    self.place(Node { span, kind }, frame.anchor, frame.nodes)?;
                }
            }
            Event::Alias(id) => {
                if self.open.last().is_some_and(|f| matches!(f.content, Content::Map(_, None))) {
                    let wrong = Diagnostic::error(Code::Syntax, span, "an alias in place of a key");
                    return Err(wrong.hint("write the key out"));
                }
                let Some((node, nodes)) = self.anchors.get(&id).cloned() else {
                    return Err(Diagnostic::error(Code::Syntax, span, "an alias within its own anchor"));
                };
                self.copies += nodes;
                if self.copies > MOST_COPIES {
                    let message = format!("aliases make more than {MOST_COPIES} nodes");
                    return Err(Diagnostic::error(Code::Syntax, span, message).hint("write it out"));
                }
                self.place(node, 0, nodes)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.nodes += nodes;
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map(entries, key) => match key.take() {
                None => *key = Some(as_key(node)?),
                Some(key) => match entries.lines.get(&key.text) {
                    None => {
                        entries.lines.insert(key.text.clone(), key.span.line);
                        entries.list.push(Entry { key, value: node });
                    }
                    Some(first) => {
                        let message = format!("duplicate key `{}`", key.text);
                        let hint = format!("it is already in line {first}");
                        self.duplicates
                            .push(Diagnostic::error(Code::DuplicateKey, key.span, message).hint(hint));
                        self.dropped.push(Entry { key, value: node });
                    }
                },
            },
        }
        Ok(())
    }
}

fn as_key(node: Node) -> Result<Key, Diagnostic> {
    match node.kind {
        // What it would merge is missing afterwards: any further message would mislead.
        Kind::Scalar(s) if s.text == "<<" && !s.quoted => {
            let wrong = Diagnostic::error(Code::Syntax, node.span, "merge keys (`<<`) are not supported");
            Err(wrong.hint("write the keys out, or use an alias for a whole value: `timeouts: *mine`"))
        }
        Kind::Scalar(s) if !s.text.is_empty() => Ok(Key { text: s.text, span: node.span }),
        Kind::Scalar(_) => Err(Diagnostic::error(Code::Syntax, node.span, "an empty key")),
        _ => {
            let wrong = Diagnostic::error(Code::Syntax, node.span, "a key must be a plain text");
            Err(wrong.hint("inside `{}` and `[]` a `${NAME}` needs quotes"))
        }
    }
}

/// The lines of a text as YAML counts them, without their ends: LF, CR LF, and CR alone, which [`str::lines`] does not
/// take for one. Were they counted in another way, a mistake would be shown with the wrong line, and secrets in the clear.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('\r'))
}

/// Where the text of a scalar starts in its source, if it stands there as it is.
fn verbatim(source: &str, text: &str, style: ScalarStyle) -> Option<usize> {
    match style {
        ScalarStyle::Plain => (source == text).then_some(0),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            let inner = source.get(1..source.len().checked_sub(1)?)?;
            (inner == text && !inner.contains('\n')).then_some(1)
        }
        _ => None,
    }
}

fn place(start: granit_parser::Marker, end: granit_parser::Marker) -> Span {
    Span { line: start.line(), column: start.col() + 1, end_line: end.line(), end_column: end.col() + 1 }
}

fn syntax_error(text: &str, error: &ScanError) -> Diagnostic {
    let count = lines(text).count().max(1);
    let line = error.marker().line().clamp(1, count);
    let source = lines(text).nth(line - 1).unwrap_or_default();
    let column = (error.marker().col() + 1).min(source.chars().count() + 1);
    let span = Span { line, column, end_line: line, end_column: column + 1 };
    let indentation: String = source.chars().take_while(|c| c.is_whitespace()).collect();
    let found = Diagnostic::error(Code::Syntax, span, format!("not valid YAML: {}", error.info()));
    if indentation.contains('\t') {
        found.hint("indent with spaces: YAML allows no tabs there")
    } else if source.contains("${") {
        found.hint("inside `{}` and `[]` a `${NAME}` needs quotes")
    } else {
        found.hint("look for a bracket or a quote that is not closed, here or in the lines before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).map(|_| String::new()).unwrap_or_else(|d| {
            format!("{}:{}: {} {}", d.span.line, d.span.column, d.message, d.hint.unwrap_or_default())
        })
    }

    fn entries(node: &Node) -> &[Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            _ => panic!("not a map"),
        }
    }

    #[test]
    fn every_node_knows_its_place() {
        let Tree { root, .. } = parse("a: 1\nb:\n  - \"x y\"\n  - {c: d}\n").unwrap();
        let [a, b] = entries(&root) else { panic!() };
        assert_eq!((a.key.span.line, a.key.span.column, a.value.span.column), (1, 1, 4));
        let Kind::List(items) = &b.value.kind else { panic!() };
        assert_eq!(items[0].span, Span { line: 3, column: 5, end_line: 3, end_column: 10 });
        assert_eq!(items[1].span, Span { line: 4, column: 5, end_line: 4, end_column: 11 });
        let Kind::Scalar(s) = &items[0].kind else { panic!() };
        assert_eq!((s.text.as_str(), s.verbatim), ("x y", Some(1)));
    }

    #[test]
    fn block_scalars_span_all_their_lines() {
        let Tree { root, .. } = parse("a:\n  key: |\n    one\n    two\n  b: c\n").unwrap();
        let inner = entries(&entries(&root)[0].value);
        let span = inner[0].value.span;
        assert!(span.line <= 3 && (span.end_line, span.end_column) > (4, 1), "{span:?}");
    }

    #[test]
    fn lines_end_where_yaml_ends_them() {
        let text = "a: 1\r\nb: 2\rc: 3\n\nd: 4";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["a: 1", "b: 2", "c: 3", "", "d: 4"]);
        let Tree { root, .. } = parse(text).unwrap();
        let places: Vec<usize> = entries(&root).iter().map(|e| e.key.span.line).collect();
        assert_eq!(places, [1, 2, 3, 5]);
    }

    #[test]
    fn duplicate_keys_are_all_found() {
        let Tree { duplicates, dropped, .. } = parse("a: 1\na: 2\nb: {c: 1, c: 2}\n").unwrap();
        let places: Vec<_> = duplicates.iter().map(|d| (d.span.line, d.span.column)).collect();
        assert_eq!(places, [(2, 1), (3, 11)]);
        assert_eq!(dropped.len(), 2);
    }

    #[test]
    fn aliases_are_copies_with_an_end() {
        let Tree { root, .. } = parse("a: &x {b: c}\nd: *x\n").unwrap();
        assert_eq!(entries(&entries(&root)[1].value)[0].key.text, "b");
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")));
        }
        assert!(message(&bomb).contains("aliases make more than"), "{}", message(&bomb));
        assert!(message("a: &x [*x]").contains("alias"), "{}", message("a: &x [*x]"));
    }

    #[test]
    fn what_is_no_configuration_says_why() {
        assert!(message("").contains("empty"));
        assert!(message("# only a comment\n").contains("empty"));
        assert!(message("a: &x {b: 1}\nc:\n  <<: *x\n").contains("merge keys"));
        assert!(message("a: &x b\n*x : 1\n").contains("in place of a key"));
        assert!(message("a: 1\n---\nb: 2\n").contains("second YAML document"));
        assert!(message("a: !x 1\n").contains("tags"));
        assert!(message("a:\n\tb: 1\n").contains("no tabs"), "{}", message("a:\n\tb: 1\n"));
        assert!(message("a: {b: ${X}}\n").contains("needs quotes"), "{}", message("a: {b: ${X}}\n"));
        assert!(message("a: [1, 2\n").contains("not valid YAML"));
    }
}
