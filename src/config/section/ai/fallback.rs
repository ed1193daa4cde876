//! `fallback` of a model or a task: what is asked instead, in order.

use super::names::ModelNames;
use crate::config::context::Context;
use crate::config::diagnostic::{Code, Diagnostic, Span};
use crate::config::value::Value;

/// Models, each with the place that names it.
pub(super) type Fallback = Vec<(usize, Span)>;

/// `of`: the model that is asked first.
pub(super) fn read(value: Value<'_>, of: Option<usize>, names: &ModelNames) -> Option<Fallback> {
    let mut list: Fallback = Vec::new();
    let mut good = true;
    for item in value.one_or_more()? {
        let Some(model) = names.resolve(item) else {
            good = false;
            continue;
        };
        let message = if of == Some(model) {
            format!("model `{}` cannot stand in for itself", names.of(model))
        } else if list.iter().any(|(other, _)| *other == model) {
            format!("`fallback` names model `{}` twice", names.of(model))
        } else {
            list.push((model, item.span()));
            continue;
        };
        good = item.reject::<()>(Code::Conflict, message, "remove it here").is_some();
    }
    good.then_some(list)
}

/// Reports every way back from a model to itself, once, where it closes.
pub(super) fn refuse_circles(context: &Context<'_>, fallbacks: &[&Fallback], names: &ModelNames) {
    // Not by recursion: a file may have a chain of thousands.
    let mut done = vec![false; fallbacks.len()];
    let mut on_way = vec![false; fallbacks.len()];
    for start in 0..fallbacks.len() {
        // The way from `start`, each with how many of its fallbacks have been followed.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((model, followed)) = way.last_mut() {
            let model = *model;
            let next = fallbacks.get(model).and_then(|list| list.get(*followed)).copied();
            *followed += 1;
            set(&mut on_way, model, true);
            match next {
                _ if is(&done, model) => drop_last(&mut way, &mut on_way),
                None => {
                    set(&mut done, model, true);
                    drop_last(&mut way, &mut on_way);
                }
                Some((next, span)) if is(&on_way, next) => report(context, names, &way, next, span),
                Some((next, _)) => way.push((next, 0)),
            }
        }
    }
}

fn drop_last(way: &mut Vec<(usize, usize)>, on_way: &mut [bool]) {
    if let Some((model, _)) = way.pop() {
        set(on_way, model, false);
    }
}

fn is(flags: &[bool], at: usize) -> bool {
    flags.get(at).copied().unwrap_or(true)
}

fn set(flags: &mut [bool], at: usize, to: bool) {
    if let Some(flag) = flags.get_mut(at) {
        *flag = to;
    }
}

fn report(context: &Context<'_>, names: &ModelNames, way: &[(usize, usize)], back_to: usize, span: Span) {
    let circle = way.iter().map(|(model, _)| *model).skip_while(|model| *model != back_to);
    let mut steps: Vec<String> = circle.map(|model| format!("`{}`", names.of(model))).collect();
    if steps.len() > 8 {
        steps.drain(4..steps.len() - 3);
        steps.insert(4, "...".to_owned());
    }
    let message = format!("`fallback` leads back: {}, then `{}` again", steps.join(", "), names.of(back_to));
    let hint = "what stands in for a model has its own `fallback` too; remove it here";
    context.report(Diagnostic::error(Code::Conflict, span, message).hint(hint));
}
