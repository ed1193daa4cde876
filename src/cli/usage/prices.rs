//! Another list of prices: a YAML file with `models: {NAME: {input: 2.00, output: 8.00, cached_input: 0.50}}`, or a whole
//! configuration, of which only `ai.models` is looked at, so that it may name keys and certificates that are not here.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, bail};
use granit_parser::{Event, Parser};

use crate::ai::price::Price;
use crate::ledger::compare::Prices;

/// Larger files are no list of prices.
const LARGEST_FILE: u64 = 4_000_000;

/// A million dollars for a million tokens, as in the configuration.
const DEAREST: u64 = 1_000_000_000_000;

/// The name that stands for every model that is not in the list.
const OTHERS: &str = "*";

/// # Errors
/// The file cannot be read, is no YAML, or a price in it is none: with the line.
pub fn read(path: &Path) -> anyhow::Result<Prices> {
    let size = std::fs::metadata(path).map(|file| file.len());
    let text = match size {
        Ok(size) if size > LARGEST_FILE => bail!("{} is too large for a list of prices", path.display()),
        Ok(_) => std::fs::read_to_string(path),
        Err(error) => Err(error),
    };
    let text = text.with_context(|| format!("cannot read the other prices, {}", path.display()))?;
    parse(&text).map_err(|wrong| anyhow::anyhow!("{}:{}: {}", path.display(), wrong.line, wrong.what))
}

#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    line: usize,
    what: String,
}

fn wrong<T>(line: usize, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { line, what: what.into() })
}

fn parse(text: &str) -> Result<Prices, Wrong> {
    let root = tree(text)?;
    let models = match root.get("ai") {
        Some(ai) => ai.get("models"),
        None => root.get("models"),
    };
    let Some(models) = models else {
        return wrong(
            root.line,
            "there are no prices: `models: {gpt-4.1: {input: 2.00, output: 8.00}}` in US dollars \
            for a million tokens, or the same below `ai`",
        );
    };
    let Kind::Map(entries) = &models.kind else {
        return wrong(models.line, "`models` must be a mapping: `gpt-4.1: {input: 2.00, output: 8.00}`");
    };
    let mut prices = Prices { models: HashMap::new(), others: None };
    for (name, node) in entries {
        let price = price(name, node)?;
        let before = if name == OTHERS {
            prices.others.replace(price).is_some()
        } else {
            prices.models.insert(name.clone(), price).is_some()
        };
        if before {
            return wrong(node.line, format!("`{name}` is there twice"));
        }
    }
    Ok(prices)
}

fn price(name: &str, node: &Node) -> Result<Price, Wrong> {
    let Kind::Map(entries) = &node.kind else {
        return wrong(node.line, format!("`{name}` must be a mapping: `{{input: 2.00, output: 8.00}}`"));
    };
    if let Some((key, _)) = entries.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
        return wrong(
            node.line,
            format!("`{name}` has an unknown key `{key}`: there are {}", KEYS.join(", ")),
        );
    }
    let dollars = |key: &str| node.get(key).map(|value| dollars(name, key, value)).transpose();
    let needed = |key: &str| match dollars(key)? {
        Some(price) => Ok(price),
        None => wrong(node.line, format!("`{name}` needs `{key}`, in US dollars for a million tokens")),
    };
    let (input, output) = (needed("input")?, needed("output")?);
    Ok(Price { input, output, cached_input: dollars("cached_input")?.unwrap_or(input) })
}

/// `fallback` is of a configuration, and says nothing of money.
const KEYS: [&str; 4] = ["input", "output", "cached_input", "fallback"];

fn dollars(name: &str, key: &str, node: &Node) -> Result<u64, Wrong> {
    let text = match &node.kind {
        Kind::Scalar(text) => text.as_str(),
        _ => "",
    };
    match micro_dollars(text) {
        Some(micro) if micro <= DEAREST => Ok(micro),
        _ => wrong(
            node.line,
            format!(
                "`{key}` of `{name}` must be US dollars for a million tokens, like 8.00 or 0.15, not `{text}`"
            ),
        ),
    }
}

/// Dollars with up to six decimals.
fn micro_dollars(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let significant = fraction.trim_end_matches('0');
    if !digits(whole) || !digits(fraction) || significant.len() > 6 {
        return None;
    }
    let fraction: u64 = format!("{significant:0<6}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)
}

/// A node of the file. Shared, because an alias may stand for it in many places.
#[derive(Clone, Debug)]
struct Node {
    line: usize,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar(String),
    Map(Vec<(String, Rc<Node>)>),
    /// Lists: nothing of them is looked at.
    Other,
}

impl Node {
    fn get(&self, key: &str) -> Option<&Rc<Node>> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// A mapping or a list that is not over yet.
struct Open {
    node: Node,
    key: Option<String>,
    anchor: usize,
}

fn tree(text: &str) -> Result<Rc<Node>, Wrong> {
    let (mut open, mut anchors, mut root) = (Vec::<Open>::new(), HashMap::new(), None);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_yaml(text, &error))?;
        let line = span.start.line();
        let begin = |kind, anchor| Open { node: Node { line, kind }, key: None, anchor };
        let (node, anchor) = match event {
            Event::Scalar(text, _, anchor, _) => {
                (Rc::new(Node { line, kind: Kind::Scalar(text.into_owned()) }), anchor)
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => (Rc::clone(node), 0),
                None => return wrong(line, "an alias of nothing"),
            },
            Event::MappingStart(_, anchor, _) => {
                open.push(begin(Kind::Map(Vec::new()), anchor));
                continue;
            }
            Event::SequenceStart(_, anchor, _) => {
                open.push(begin(Kind::Other, anchor));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(done) => (Rc::new(done.node), done.anchor),
                None => continue,
            },
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            None => root = root.or(Some(node)),
            Some(Open { node: Node { kind: Kind::Map(entries), .. }, key, .. }) => {
                match (key.take(), &node.kind) {
                    (Some(name), _) => entries.push((name, node)),
                    (None, Kind::Scalar(name)) => *key = Some(name.clone()),
                    (None, _) => *key = Some(String::new()),
                }
            }
            Some(_) => {}
        }
    }
    match root {
        Some(root) => Ok(root),
        None => wrong(1, "the file is empty"),
    }
}

fn not_yaml(text: &str, error: &granit_parser::ScanError) -> Wrong {
    let line = error.marker().line();
    let star =
        text.lines().nth(line.saturating_sub(1)).is_some_and(|line| line.trim_start().starts_with("*:"));
    let hint = if star { "; the name that stands for all others is written in quotes: `\"*\":`" } else { "" };
    Wrong { line, what: format!("not YAML: {}{hint}", error.info()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: u64, output: u64, cached_input: u64) -> Price {
        Price { input, output, cached_input }
    }

    #[test]
    fn a_list_of_prices_is_read() {
        let found = parse(
            "models:\n  a/b:1: {input: 2.00, output: '8', cached_input: 0.5}\n  \"*\": {input: 0.15, output: 0.6}\n",
        );
        let found = found.unwrap();
        assert_eq!(found.models, HashMap::from([("a/b:1".to_owned(), price(2_000_000, 8_000_000, 500_000))]));
        assert_eq!(found.others, Some(price(150_000, 600_000, 150_000)));
    }

    #[test]
    fn of_a_configuration_only_the_models_are_looked_at() {
        let text = "backends: {x: {servers: [{api_key: '${NOT_SET}'}]}}\nmodels: nonsense\n\
            cheap: &cheap {input: 1, output: 2}\nai:\n  default_model: a\n  models:\n    a: *cheap\n    b: {input: 1, output: 2, fallback: [a]}\n";
        let found = parse(text).unwrap();
        assert_eq!(found.models["a"], price(1_000_000, 2_000_000, 1_000_000));
        assert_eq!(found.models.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("", 1, "the file is empty"),
            ("prices: {}", 1, "there are no prices: `models:"),
            ("ai: {tasks: {}}", 1, "there are no prices"),
            ("models: [a]", 1, "`models` must be a mapping"),
            ("models:\n  a: 5", 2, "`a` must be a mapping"),
            ("models:\n  a: {input: 5}", 2, "`a` needs `output`"),
            (
                "models:\n  a: {input: 5, output: 5, ouput: 1}",
                2,
                "`a` has an unknown key `ouput`: there are input",
            ),
            ("models:\n  a:\n    input: 5\n    output: $5", 4, "`output` of `a` must be US dollars"),
            ("models:\n  a: {input: 0.0000001, output: 1}", 2, "`input` of `a` must be US dollars"),
            ("models:\n  a: {input: -1, output: 1}", 2, "`input` of `a`"),
            ("models:\n  a: {input: [], output: 1}", 2, "`input` of `a`"),
            ("models:\n  a: {input: 1, output: 1}\n  a: {input: 1, output: 1}", 3, "`a` is there twice"),
            ("models:\n  *: {input: 1, output: 1}", 2, "not YAML"),
            ("models: {", 1, "not YAML"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.line == line && found.what.starts_with(what), "{text:?}: {found:?}");
        }
        assert!(
            parse("models:\n  *: {input: 1, output: 1}").unwrap_err().what.contains("in quotes: `\"*\":`")
        );
    }
}
