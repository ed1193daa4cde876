//! Which entries of a table a command means.

use crate::admin::socket::table::{counter, read_key};
use crate::runtime::snapshot::StickTable;
use crate::stick::{Key, Row};

/// What of a table is wanted.
#[derive(Debug, PartialEq)]
pub enum Filter {
    All,
    Key(Key),
    Data { place: usize, operator: Operator, value: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operator {
    Equal,
    NotEqual,
    AtMost,
    AtLeast,
    Below,
    Above,
}

impl Filter {
    /// None, `key <key>` or `data.<counter> <operator> <number>`.
    ///
    /// # Errors
    /// The text to answer.
    pub fn read(words: &[&str], table: &StickTable) -> Result<Filter, String> {
        match *words {
            [] => Ok(Filter::All),
            ["key"] => Err("Key value expected\n".to_owned()),
            ["key", key] => read_key(key, table.key).map(Filter::Key),
            [data, operator, value] if data.starts_with("data.") => {
                let place = counter(data, &table.table)?;
                let operator = Operator::read(operator)
                    .ok_or_else(|| format!("{operator}: the operators are eq, ne, le, ge, lt and gt.\n"))?;
                let value = value.parse().map_err(|_| format!("{value} is not a whole number.\n"))?;
                Ok(Filter::Data { place, operator, value })
            }
            _ => Err("A filter is 'key <key>' or 'data.<counter> <operator> <number>'.\n".to_owned()),
        }
    }

    pub fn passes(&self, row: &Row) -> bool {
        match self {
            Filter::All => true,
            Filter::Key(key) => row.key == *key,
            Filter::Data { place, operator, value } => {
                row.values.get(*place).is_some_and(|read| operator.holds(*read, *value))
            }
        }
    }
}

impl Operator {
    fn read(word: &str) -> Option<Operator> {
        Some(match word {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "le" => Operator::AtMost,
            "ge" => Operator::AtLeast,
            "lt" => Operator::Below,
            "gt" => Operator::Above,
            _ => return None,
        })
    }

    fn holds(self, read: u64, value: u64) -> bool {
        match self {
            Operator::Equal => read == value,
            Operator::NotEqual => read != value,
            Operator::AtMost => read <= value,
            Operator::AtLeast => read >= value,
            Operator::Below => read < value,
            Operator::Above => read > value,
        }
    }
}
