//! The stick tables: how full, and whether they forget too early.

use std::fmt::Write;

use super::html::{self, escape};
use crate::admin::report::Table;
use crate::admin::units;

const HEAD: &str = "\
<section><h2>Stick tables</h2><div class=\"scroll\"><table class=\"narrow\">
<thead><tr><th>name</th><th>key</th><th>entries</th><th></th><th>expire</th>\
<th title=\"had to go before their time, for want of room\">evicted</th>\
<th title=\"connections and requests that were not tracked because every entry was in use\">not tracked</th>\
<th class=\"text\">counters</th></tr></thead>
<tbody>";

pub fn render(out: &mut String, tables: &[Table]) {
    if tables.is_empty() {
        return;
    }
    out.push_str(HEAD);
    for table in tables {
        let (used, size) = (table.entries as u64, table.size as u64);
        let _ = write!(out, "<tr><th>{}</th><td>{}</td>", escape(&table.name), table.key);
        html::of_limit(out, used, Some(size));
        let filled = 60.0 * (used as f64 / size.max(1) as f64).min(1.0);
        let _ = write!(
            out,
            "<td><svg width=\"60\" height=\"8\" aria-hidden=\"true\"><rect class=\"room\" width=\"60\" height=\"8\"/>\
             <rect class=\"used\" width=\"{filled:.1}\" height=\"8\"/></svg></td>"
        );
        let _ = write!(out, "<td>{}</td>", units::seconds(table.expire_seconds.ceil() as u64));
        html::count(out, table.evicted);
        html::count(out, table.full);
        let _ = write!(out, "<td class=\"text\">{}</td></tr>", escape(&table.counters.join(", ")));
    }
    out.push_str("</tbody></table></div></section>\n");
}
