//! The budgets, and the ledger in which what calls cost is kept.

use std::fmt::Write;

use super::html::{self, escape};
use crate::admin::report::{Budget, Ledger, Listed};
use crate::admin::units;

const HEAD: &str = "\
<div class=\"scroll\"><table class=\"budgets\">
<thead><tr><th>whose</th><th></th><th></th><th>spent</th><th>of</th>\
<th title=\"by calls in flight: what they are estimated to cost\">reserved</th>\
<th title=\"neither spent nor reserved\">left</th><th class=\"text\" title=\"UTC\">begins anew</th></tr></thead>
<tbody>";

/// `now` in seconds since 1970.
pub fn render(out: &mut String, budgets: &Listed<Budget>, ledger: Option<&Ledger>, now: u64) {
    if budgets.list.is_empty() {
        return;
    }
    let rest = html::rest(budgets, "those that are most spent");
    let _ = write!(out, "<section><h2>Budgets <small>{rest}</small></h2>");
    match ledger {
        Some(ledger) => self::ledger(out, ledger),
        None => out.push_str(
            "<p class=\"line\">ai.ledger is off: budgets begin anew with each start of the process</p>",
        ),
    }
    out.push_str(HEAD);
    budgets.list.iter().for_each(|budget| row(out, budget, now));
    out.push_str("</tbody></table></div></section>\n");
}

fn row(out: &mut String, budget: &Budget, now: u64) {
    let name = match budget.scope {
        "all" => "all clients".to_owned(),
        scope => format!("{} <small>{scope}</small>", escape(&budget.name)),
    };
    let (class, bar) = match budget.state {
        "used_up" => ("full", "gone"),
        "nearly_used_up" => ("near", "near"),
        _ => ("", "used"),
    };
    let share = budget.share();
    let _ = write!(
        out,
        "<tr><th>{name}</th><td><svg width=\"120\" height=\"8\" aria-hidden=\"true\">\
         <rect class=\"room\" width=\"120\" height=\"8\"/><rect class=\"{bar}\" width=\"{:.1}\" height=\"8\"/>",
        120.0 * share.clamp(0.0, 1.0)
    );
    if budget.alert_at < 1.0 {
        let mark = 120.0 * budget.alert_at.max(0.0) - 0.5;
        let _ = write!(out, "<rect class=\"mark\" x=\"{mark:.1}\" width=\"1\" height=\"8\"/>");
    }
    let (spent, of) = (units::money(budget.spent_usd), units::money(budget.budget_usd));
    let _ = write!(
        out,
        "</svg></td><td class=\"{class}\">{}</td><td class=\"{class}\">{spent}</td><td>{of}<i>/{}</i></td>",
        percent(share),
        budget.period,
    );
    html::money(out, Some(budget.reserved_usd));
    html::money(out, Some(budget.left_usd));
    let anew = units::seconds(budget.begins_anew_at.saturating_sub(now));
    let _ = write!(out, "<td class=\"text\">in {anew}</td></tr>");
}

fn ledger(out: &mut String, ledger: &Ledger) {
    let file = escape(&ledger.file);
    if ledger.durable {
        let _ = write!(
            out,
            "<p class=\"line\">calls are kept in {file}: {} written",
            units::count(ledger.written)
        );
    } else {
        let _ = write!(
            out,
            "<p class=\"line\"><span class=\"bad\">calls wait in memory</span>: {file} takes none"
        );
    }
    let _ = write!(out, ", {} waiting", units::count(ledger.pending));
    if ledger.lost > 0 {
        let _ = write!(out, ", <span class=\"bad\">{} lost</span>", units::count(ledger.lost));
    }
    out.push_str("</p>");
}

/// `8%`, `0.4%`; more than 100 where calls in flight cost more than was estimated.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let digits = usize::from(percent > 0.0 && percent < 9.95);
    format!("{percent:.digits$}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits() {
        assert_eq!([0.0, 0.0042, 0.08, 0.8, 1.013].map(percent), ["0%", "0.4%", "8.0%", "80%", "101%"]);
    }
}
