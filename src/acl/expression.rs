//! `ip_flood and not internal`, compiled. Negations are moved to the conditions when compiling, so that evaluating is a
//! walk over two kinds of lists, and the counter that made a rule apply is known from it: `Retry-After` needs it.

use super::{Acl, CounterTest, Facts};

/// An expression as the configuration spells it. ACLs are indices into the snapshot's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    Acl(usize),
    Not(Box<Tree>),
    /// Holds when every part does; an empty one holds.
    And(Vec<Tree>),
    /// Holds when one part does; an empty one does not.
    Or(Vec<Tree>),
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression(Node);

/// Whether an expression holds, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub matched: bool,
    /// The first counter test, in the order of evaluation, that held and without which this way to a match would not:
    /// one inside a `not`, or inside an `and` that failed, is not a reason.
    pub counter: Option<CounterTest>,
}

#[derive(Clone, Debug)]
enum Node {
    Test { acl: usize, negated: bool },
    All(Box<[Node]>),
    Any(Box<[Node]>),
}

impl Expression {
    pub fn new(tree: &Tree) -> Expression {
        Expression(compile(tree, false))
    }

    /// Evaluates from left to right and no further than needed. An index without an ACL holds in neither sense; the
    /// compiler of the configuration rules that out.
    pub fn evaluate<F: Facts>(&self, acls: &[Acl], facts: &F) -> Decision {
        walk(&self.0, acls, facts)
    }
}

const NO: Decision = Decision { matched: false, counter: None };

fn compile(tree: &Tree, negated: bool) -> Node {
    match tree {
        Tree::Acl(acl) => Node::Test { acl: *acl, negated },
        Tree::Not(inner) => compile(inner, !negated),
        // De Morgan: not (a and b) is (not a) or (not b).
        Tree::And(parts) if negated => any(parts, negated),
        Tree::Or(parts) if negated => all(parts, negated),
        Tree::And(parts) => all(parts, negated),
        Tree::Or(parts) => any(parts, negated),
    }
}

fn all(parts: &[Tree], negated: bool) -> Node {
    let flat = parts.iter().flat_map(|part| match compile(part, negated) {
        Node::All(inner) => inner.into_vec(),
        other => vec![other],
    });
    Node::All(flat.collect())
}

fn any(parts: &[Tree], negated: bool) -> Node {
    let flat = parts.iter().flat_map(|part| match compile(part, negated) {
        Node::Any(inner) => inner.into_vec(),
        other => vec![other],
    });
    Node::Any(flat.collect())
}

fn walk<F: Facts>(node: &Node, acls: &[Acl], facts: &F) -> Decision {
    match node {
        Node::Test { acl, negated } => {
            let Some(acl) = acls.get(*acl) else { return NO };
            let matched = acl.holds(facts) != *negated;
            let counter = match acl {
                Acl::Counter(test) if matched && !negated => Some(*test),
                _ => None,
            };
            Decision { matched, counter }
        }
        Node::All(parts) => {
            let mut counter = None;
            for part in parts {
                let decision = walk(part, acls, facts);
                if !decision.matched {
                    return NO;
                }
                counter = counter.or(decision.counter);
            }
            Decision { matched: true, counter }
        }
        Node::Any(parts) => {
            parts.iter().map(|part| walk(part, acls, facts)).find(|d| d.matched).unwrap_or(NO)
        }
    }
}
