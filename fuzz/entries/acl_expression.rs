//! The condition of a rule: any text is read or refused with the place of the mistake; what is read means the same
//! written out with all its parentheses, and evaluates as the tree says. The input is what holds, a bit for each ACL,
//! then the text.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Once;

use http::HeaderName;
use tidegate::acl::{self, Acl, CounterTest, Facts, Tree};
use tidegate::config::expression::Expression;
use tidegate::config::load_text;
use tidegate::config::source::{Environment, Process};

/// Indices are those of the file below.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "not_e"];

pub fn run(input: &[u8]) {
    static FILE_IS_GOOD: Once = Once::new();
    FILE_IS_GOOD
        .call_once(|| assert!(read("a", &Process).is_some(), "the file around the condition is refused"));
    let Some((bits, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(expression) = read(text, &Process) else { return };
    assert!(!text.contains("${"), "a condition takes no references");
    let again = read(&written_out(&expression), &Process);
    // Parentheses count as depth, so the deepest ones cannot be written out.
    assert!(again.is_none_or(|again| again == expression), "{text:?} means something else when written out");
    evaluates(&expression, *bits);
}

/// What a rule with this condition becomes.
fn read(text: &str, environment: &dyn Environment) -> Option<Expression> {
    let quoted = serde_json::to_string(text).ok()?;
    let file = format!(
        "acls: {{a: {{always: true}}, b: {{tls: true}}, c: {{path: /c}}, d: {{method: GET}}, not_e: {{path: /e}}}}\n\
         frontends: {{f: {{bind: [{{address: 127.0.0.1:1}}], default_backend: x, rules: [{{deny: {{}}, if: {quoted}}}]}}}}\n\
         backends: {{x: {{servers: {{s: {{url: \"http://127.0.0.1:2\"}}}}}}}}\n"
    );
    let checked = load_text(Path::new("fuzz.yaml"), &file, environment);
    match checked {
        Ok(checked) => {
            let rule = checked.frontends.first().and_then(|frontend| frontend.rules.first());
            rule.and_then(|rule| rule.condition.clone())
        }
        Err(found) => {
            assert!(
                found.iter().any(|mistake| mistake.span.line == 2),
                "the mistake is in the condition: {found}"
            );
            None
        }
    }
}

fn written_out(expression: &Expression) -> String {
    let joined = |parts: &[Expression], word: &str| {
        let parts: Vec<String> = parts.iter().map(written_out).collect();
        format!("({})", parts.join(word))
    };
    match expression {
        Expression::Acl(index) => NAMES.get(*index).copied().unwrap_or("none").to_owned(),
        Expression::Not(inner) => format!("not {}", written_out(inner)),
        Expression::And(parts) => joined(parts, " and "),
        Expression::Or(parts) => joined(parts, " or "),
    }
}

fn evaluates(expression: &Expression, bits: u8) {
    let holds = |index: usize| bits >> (index % 8) & 1 == 1;
    let acls: Vec<Acl> = (0..NAMES.len())
        .map(|index| match index % 2 {
            0 => Acl::Counter(CounterTest { table: index, counter: 0, above: 0 }),
            _ => Acl::Always(holds(index)),
        })
        .collect();
    let decision = acl::Expression::new(&tree(expression)).evaluate(&acls, &Bits(bits));
    assert_eq!(decision.matched, meaning(expression, &holds), "{expression:?}");
    if let Some(reason) = decision.counter {
        assert!(decision.matched && holds(reason.table), "a counter that is no reason");
    }
}

fn meaning(expression: &Expression, holds: &dyn Fn(usize) -> bool) -> bool {
    match expression {
        Expression::Acl(index) => holds(*index),
        Expression::Not(inner) => !meaning(inner, holds),
        Expression::And(parts) => parts.iter().all(|part| meaning(part, holds)),
        Expression::Or(parts) => parts.iter().any(|part| meaning(part, holds)),
    }
}

fn tree(expression: &Expression) -> Tree {
    match expression {
        Expression::Acl(index) => Tree::Acl(*index),
        Expression::Not(inner) => Tree::Not(Box::new(tree(inner))),
        Expression::And(parts) => Tree::And(parts.iter().map(tree).collect()),
        Expression::Or(parts) => Tree::Or(parts.iter().map(tree).collect()),
    }
}

/// A request of which only the counters matter: table `i` is above zero where bit `i` is set.
struct Bits(u8);

impl Facts for Bits {
    fn method(&self) -> &str {
        "GET"
    }
    fn normalised_path(&self) -> &str {
        "/"
    }
    fn query(&self) -> Option<&str> {
        None
    }
    fn host(&self) -> &str {
        ""
    }
    fn any_header(&self, _: &HeaderName, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
    fn src(&self) -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }
    fn client(&self) -> Option<&str> {
        None
    }
    fn plan(&self) -> Option<&str> {
        None
    }
    fn model(&self) -> Option<&str> {
        None
    }

    fn task(&self) -> Option<&str> {
        None
    }

    fn tls(&self) -> bool {
        false
    }
    fn client_cn(&self) -> Option<&str> {
        None
    }
    fn client_dn(&self) -> Option<&str> {
        None
    }
    fn status(&self) -> Option<u16> {
        None
    }
    fn counter(&self, table: usize, _: usize) -> Option<u64> {
        Some(u64::from(self.0 >> (table % 8) & 1))
    }
}
