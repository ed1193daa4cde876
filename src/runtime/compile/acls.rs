//! ACLs and the expressions over them.

use crate::acl::{Acl, CounterTest, IpSet, PatternList, Position, Tree, ValueTest};
use crate::config::checked::{Checked, How, Test, Text};
use crate::config::expression::Expression;
use crate::rewrite::path::normalised;
use crate::runtime::compile::CompileError;

pub fn compile(checked: &Checked) -> Result<Vec<Acl>, CompileError> {
    checked
        .acls
        .iter()
        .map(|acl| {
            one(checked, &acl.test)
                .map_err(|error| CompileError::Acl { acl: acl.name.clone(), error: error.to_string() })
        })
        .collect()
}

fn one(checked: &Checked, test: &Test) -> Result<Acl, crate::acl::PatternError> {
    Ok(match test {
        Test::Always => Acl::Always(true),
        Test::Tls => Acl::Tls(true),
        Test::Path(text) => match text.how {
            // The path is compared in its normal form, so the patterns must be in it too.
            How::Equals => Acl::path(text.values.iter().map(|path| normalised(path)), text.ignore_case),
            How::BeginsWith => {
                Acl::path_beg(text.values.iter().map(|path| normalised(path)), text.ignore_case)
            }
            How::EndsWith => Acl::path_end(&text.values, text.ignore_case),
            How::Matches => Acl::path_reg(&text.values, text.ignore_case)?,
        },
        Test::Method(methods) => Acl::method(methods.iter().map(|method| method.as_str()), false),
        Test::Host(hosts) => Acl::host(hosts),
        Test::Header { name, values } => {
            Acl::Header { name: name.clone(), test: values_of(values.as_ref())? }
        }
        Test::Query { name, values } => Acl::query(name, values_of(values.as_ref())?),
        Test::ClientCn(names) => Acl::client_cn(names),
        Test::ClientDn(subjects) => Acl::client_dn(subjects),
        Test::Status(statuses) => Acl::status(statuses.iter().cloned()),
        Test::Src(nets) => Acl::Source(nets.iter().copied().collect::<IpSet>()),
        Test::ApiKey(keys) => Acl::api_key(
            keys.iter().filter_map(|key| checked.clients.keys.get(*key)).map(|key| &key.name),
            false,
        ),
        Test::Plan(plans) => {
            Acl::plan(plans.iter().filter_map(|plan| checked.plans.get(*plan)).map(|plan| &plan.name), false)
        }
        Test::Model(patterns) => {
            let of = |prefix: bool| {
                patterns.iter().filter(move |pattern| pattern.prefix == prefix).map(|pattern| &pattern.text)
            };
            Acl::model(of(false), of(true))
        }
        Test::Task(tasks) => Acl::task(tasks),
        Test::Above { table, counter, above } => {
            Acl::Counter(CounterTest { table: *table, counter: *counter, above: *above })
        }
    })
}

fn values_of(values: Option<&Text>) -> Result<ValueTest, crate::acl::PatternError> {
    let Some(text) = values else { return Ok(ValueTest::Present(true)) };
    let position = match text.how {
        How::Equals => Position::Whole,
        How::BeginsWith => Position::Start,
        How::EndsWith => Position::End,
        How::Matches => return ValueTest::regex(&text.values, text.ignore_case),
    };
    Ok(ValueTest::OneOf(PatternList::new(&text.values, position, text.ignore_case)))
}

/// Whether the expression asks for the model of a call, or for the task that chose it.
pub fn asks_model(expression: &Expression, checked: &Checked) -> bool {
    match expression {
        Expression::Acl(index) => {
            checked.acls.get(*index).is_some_and(|acl| matches!(acl.test, Test::Model(_) | Test::Task(_)))
        }
        Expression::Not(inner) => asks_model(inner, checked),
        Expression::And(parts) | Expression::Or(parts) => parts.iter().any(|part| asks_model(part, checked)),
    }
}

pub fn condition(expression: &Expression) -> crate::acl::Expression {
    crate::acl::Expression::new(&tree(expression))
}

fn tree(expression: &Expression) -> Tree {
    match expression {
        Expression::Acl(index) => Tree::Acl(*index),
        Expression::Not(inner) => Tree::Not(Box::new(tree(inner))),
        Expression::And(parts) => Tree::And(parts.iter().map(tree).collect()),
        Expression::Or(parts) => Tree::Or(parts.iter().map(tree).collect()),
    }
}
