//! The rules of a frontend as a whole: whether each is reached, can act, and finds counted what it asks for; and whether
//! every request gets somewhere. A rule that stands for nothing is a mistake in somebody's head.

mod constant;
mod fetches;
mod tracking;

use crate::config::checked::{Acl, Bind, ConnectionAction, ConnectionRule, ResponseRule, Rule, Table};
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::expression::Expression;
use crate::config::reader::Map;
use crate::config::value::Value;
use constant::Constant;

/// What is known of a frontend apart from its rules.
pub(super) struct Setting<'a> {
    pub frontend: &'a Map<'a>,
    pub acls: &'a [Option<Acl>],
    pub tables: &'a [Option<Table>],
    /// `None` where one has a mistake: then nothing is said about them.
    pub binds: Option<&'a [Bind]>,
}

/// The rules of a frontend, without mistakes of their own.
pub(super) struct Rules<'a> {
    pub connection: &'a [ConnectionRule],
    pub request: &'a [Rule],
    pub response: &'a [ResponseRule],
}

/// One rule of any list.
struct Step<'a> {
    span: Span,
    line: usize,
    condition: Option<&'a Expression>,
    ends: bool,
}

impl<'a> Setting<'a> {
    /// A list of rules, with what `view` shows of each: its line, its condition, and whether no rule after it is looked at.
    fn steps<R>(
        &self,
        list: &'static str,
        rules: &'a [R],
        view: impl Fn(&'a R) -> (usize, &'a Option<Expression>, bool),
    ) -> Vec<Step<'a>> {
        let items = self.frontend.get(list).filter(|_| !rules.is_empty()).and_then(|v| v.items());
        let step = |(rule, item): (&'a R, Value<'_>)| {
            let (line, condition, ends) = view(rule);
            Step { span: item.span(), line, condition: condition.as_ref(), ends }
        };
        rules.iter().zip(items.unwrap_or_default()).map(step).collect()
    }

    fn warn(&self, step: &Step<'_>, message: String, hint: &str) {
        let warning = Diagnostic::warning(Code::Unreachable, step.span, message);
        self.frontend.context.report(warning.hint(hint));
    }

    fn always(&self, step: &Step<'_>) -> bool {
        step.condition.is_none_or(|c| matches!(constant::of(c, self), Some(Constant::True(_))))
    }

    fn never(&self, step: &Step<'_>) -> Option<String> {
        match step.condition.and_then(|c| constant::of(c, self)) {
            Some(Constant::False(why)) => Some(why),
            _ => None,
        }
    }
}

pub(super) fn check<'a>(setting: &Setting<'a>, rules: &Rules<'a>) {
    let connection =
        setting.steps("connection_rules", rules.connection, |r| (r.line, &r.condition, r.action.ends()));
    let request = setting.steps("rules", rules.request, |r| (r.line, &r.condition, r.action.ends()));
    let response = setting.steps("response_rules", rules.response, |r| (r.line, &r.condition, false));
    for step in connection.iter().chain(&request).chain(&response) {
        if let Some(why) = setting.never(step) {
            setting.warn(step, format!("this rule never acts: {why}"), "change its `if`, or remove the rule");
        }
    }
    unreachable(setting, &connection, "no connection comes here");
    refuses_all(setting, rules.connection, &connection);
    if !unreachable(setting, &request, "no request comes here") {
        unrouted(setting, rules.request);
    }
    fetches::check(setting, rules, &request, &response);
    tracking::check(setting, rules, &connection, &request, &response);
}

/// Warns of the first rule that is never reached. Whether some rule ends everything.
fn unreachable(setting: &Setting<'_>, steps: &[Step<'_>], what: &str) -> bool {
    let Some(end) = steps.iter().position(|s| s.ends && setting.always(s)) else { return false };
    if let (Some(step), Some(last)) = (steps.get(end + 1), steps.get(end)) {
        let message = format!("{what}: the rule in line {} ends every one before", last.line);
        setting.warn(step, message, "give that rule an `if`, or move this one up");
    }
    true
}

/// Warns when no connection is ever taken.
fn refuses_all(setting: &Setting<'_>, rules: &[ConnectionRule], steps: &[Step<'_>]) {
    for (rule, step) in rules.iter().zip(steps) {
        let never = setting.never(step).is_some();
        match rule.action {
            ConnectionAction::Accept if !never => return,
            ConnectionAction::Reject | ConnectionAction::SilentDrop if setting.always(step) => {
                let message =
                    format!("{} takes no connection: this rule ends every one", setting.frontend.what);
                setting.warn(
                    step,
                    message,
                    "give it an `if`, or put a rule `{accept: true, if: ...}` before it",
                );
                return;
            }
            _ => {}
        }
    }
}

/// Reports requests that no rule ends or routes.
fn unrouted(setting: &Setting<'_>, rules: &[Rule]) {
    let frontend = setting.frontend;
    if frontend.has("default_backend") {
        return;
    }
    let routes = rules.iter().any(|r| r.action.ends());
    let (span, code) = (frontend.span, Code::MissingKey);
    let found = if routes {
        let message = format!("what no rule of {} ends gets 503: it has no `default_backend`", frontend.what);
        Diagnostic::warning(code, span, message)
    } else {
        Diagnostic::error(code, span, format!("{} sends requests nowhere: every one gets 503", frontend.what))
    };
    let hint = "add `default_backend`, or a last rule without `if`: use_backend, redirect, return or deny";
    frontend.context.report(found.hint(hint));
}
