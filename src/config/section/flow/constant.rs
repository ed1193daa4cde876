//! Conditions that are true or false whatever comes.

use super::Setting;
use crate::config::checked::{Acl, Test};
use crate::config::expression::Expression;

/// What a condition always is, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Constant {
    True(String),
    False(String),
}

impl Constant {
    fn not(self) -> Constant {
        match self {
            Constant::True(why) => Constant::False(why),
            Constant::False(why) => Constant::True(why),
        }
    }
}

/// `None` for what may be either.
pub(super) fn of(condition: &Expression, setting: &Setting<'_>) -> Option<Constant> {
    match condition {
        Expression::Acl(index) => of_acl(acl(setting, *index)?, setting),
        Expression::Not(inner) => of(inner, setting).map(Constant::not),
        Expression::And(parts) => of_parts(parts, setting, false),
        Expression::Or(parts) => of_parts(parts, setting, true),
    }
}

fn acl<'a>(setting: &Setting<'a>, index: usize) -> Option<&'a Acl> {
    setting.acls.get(index)?.as_ref()
}

fn of_acl(acl: &Acl, setting: &Setting<'_>) -> Option<Constant> {
    let name = &acl.name;
    let binds = setting.binds?;
    match &acl.test {
        Test::Always => Some(Constant::True(format!("acl `{name}` is always true"))),
        Test::Tls if binds.iter().all(|b| b.tls.is_none()) => Some(Constant::False(format!(
            "acl `{name}` asks for TLS, and no bind of this frontend has `tls`"
        ))),
        Test::Tls if binds.iter().all(|b| b.tls.is_some()) => Some(Constant::True(format!(
            "acl `{name}` is always true: every bind of this frontend has `tls`"
        ))),
        Test::ClientCn(_) | Test::ClientDn(_) if !asks_for_certificates(setting) => {
            Some(Constant::False(format!(
                "acl `{name}` asks for the client's certificate, and no bind of this frontend has `client_ca`"
            )))
        }
        _ => None,
    }
}

pub(super) fn asks_for_certificates(setting: &Setting<'_>) -> bool {
    let asks = |b: &crate::config::checked::Bind| b.tls.as_ref().is_some_and(|t| t.client_ca.is_some());
    setting.binds.is_none_or(|binds| binds.iter().any(asks))
}

/// Parts that are compared with each other; nobody writes more, but a file can have them.
const MOST_COMPARED: usize = 64;

/// Of `and`, which one false part decides; or of `or`, which one true part decides.
fn of_parts(parts: &[Expression], setting: &Setting<'_>, or: bool) -> Option<Constant> {
    let decides = |c: &Constant| matches!(c, Constant::True(_)) == or;
    let mut rest = Some(None);
    for part in parts {
        match of(part, setting) {
            Some(constant) if decides(&constant) => return Some(constant),
            Some(constant) => rest = rest.map(|first: Option<Constant>| first.or(Some(constant))),
            None => rest = None,
        }
    }
    if parts.len() > MOST_COMPARED {
        return rest.flatten();
    }
    let pairs = parts.iter().enumerate().flat_map(|(i, a)| parts.iter().skip(i + 1).map(move |b| (a, b)));
    for (a, b) in pairs {
        if opposite(a, b)
            && let Some(name) = first_name(a, setting)
        {
            return Some(match or {
                true => Constant::True(format!("it asks for `{name}` or its contrary")),
                false => Constant::False(format!("it asks for `{name}` and its contrary")),
            });
        }
        if let (false, Expression::Acl(a), Expression::Acl(b)) = (or, a, b)
            && let (Some(a), Some(b)) = (acl(setting, *a), acl(setting, *b))
            && exclude(&a.test, &b.test)
        {
            return Some(Constant::False(format!("`{}` and `{}` are never true together", a.name, b.name)));
        }
    }
    rest.flatten()
}

fn opposite(a: &Expression, b: &Expression) -> bool {
    let negates = |a: &Expression, b: &Expression| matches!(a, Expression::Not(inner) if **inner == *b);
    negates(a, b) || negates(b, a)
}

fn first_name<'a>(condition: &Expression, setting: &Setting<'a>) -> Option<&'a str> {
    let mut first = None;
    condition.visit(&mut |index| first = first.or(Some(index)));
    acl(setting, first?).map(|acl| acl.name.as_str())
}

/// Whether both ask for the same single thing, and no value fits both.
fn exclude(a: &Test, b: &Test) -> bool {
    fn apart<T: PartialEq>(a: &[T], b: &[T]) -> bool {
        !a.iter().any(|value| b.contains(value))
    }
    match (a, b) {
        (Test::Method(a), Test::Method(b)) => apart(a, b),
        (Test::Host(a), Test::Host(b)) => apart(a, b),
        (Test::ApiKey(a), Test::ApiKey(b)) | (Test::Plan(a), Test::Plan(b)) => apart(a, b),
        (Test::ClientCn(a), Test::ClientCn(b)) | (Test::ClientDn(a), Test::ClientDn(b)) => apart(a, b),
        (Test::Task(a), Test::Task(b)) => apart(a, b),
        (Test::Status(a), Test::Status(b)) => {
            !a.iter().any(|a| b.iter().any(|b| a.start() <= b.end() && b.start() <= a.end()))
        }
        _ => false,
    }
}
