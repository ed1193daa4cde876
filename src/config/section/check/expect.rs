//! `backends.NAME.check.http.expect`: what an answer must have. All parts hold together.

use super::{body, header};
use crate::config::checked::Expect;
use crate::config::diagnostic::Code;
use crate::config::reader::{Keys, Map};
use crate::config::value::Value;

pub(super) const EXPECT: Keys = Keys {
    path: "backends.NAME.check.http.expect",
    known: &["status", "header", "body"],
    not_yet: &[],
    elsewhere: &[
        ("headers", "the key is `header`: `header: {x-ready: \"yes\"}`"),
        ("json", "it stands in `body`: `body: {json: {\"$.ok\": true}}`"),
    ],
};

/// What holds where the file says nothing.
pub(super) fn usual() -> Expect {
    Expect { status: vec![200], headers: Vec::new(), body: None }
}

pub(super) fn read(value: Value<'_>) -> Option<Expect> {
    let map = Map::open(value, &EXPECT, "`expect`")?;
    let status = map.get("status").map_or(Some(vec![200]), statuses);
    let headers = map.get("header").map_or(Some(Vec::new()), header::read);
    let body = map.get("body").map_or(Some(None), |v| body::read(v).map(Some));
    Some(Expect { status: status?, headers: headers?, body: body? })
}

/// Statuses that count as healthy; `200-299` is a range.
fn statuses(value: Value<'_>) -> Option<Vec<u16>> {
    let ranges = Value::each(value.one_or_more()?, |v| {
        let text = v.nonempty()?;
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        match (from.parse::<u16>(), to.parse::<u16>()) {
            (Ok(from), Ok(to)) if from >= 100 && to <= 599 && from <= to => Some(from..=to),
            _ => {
                let message = format!("`{}` is not a status", v.shown());
                v.reject(Code::OutOfRange, message, "from 100 to 599, or a range like `200-299`")
            }
        }
    })?;
    let mut all: Vec<u16> = ranges.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    Some(all)
}
