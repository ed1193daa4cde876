//! `show info`: the process, in HAProxy's words where there is something to say.

use std::fmt::Write;

use crate::admin::{View, facts};

pub fn text(view: &View) -> String {
    let mut out = String::new();
    for (name, value) in facts::of_process(view) {
        let _ = writeln!(out, "{name}: {value}");
    }
    out
}
