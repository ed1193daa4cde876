//! The conditions of rules: names of ACLs, `not`, `and`, `or`, parentheses.

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
