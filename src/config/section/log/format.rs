//! `log.access.format`: a word, or HAProxy's language of log formats.

use crate::base::log_format::{self, Mistake, Part, Wrong};
use crate::config::checked::AccessLogFormat;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::suggest;
use crate::config::value::Value;

/// Bytes of a format: nobody reads lines of more.
const LONGEST: usize = 4096;

pub(super) fn read(value: Value<'_>) -> Option<AccessLogFormat> {
    let text = value.nonempty()?;
    if !text.contains('%') {
        let httplog = value.word(&[("json", false), ("httplog", true)], &[])?;
        return Some(if httplog { AccessLogFormat::HttpLog } else { AccessLogFormat::Json });
    }
    if text.len() > LONGEST {
        let message = format!("`format` is longer than {LONGEST} bytes");
        return value.reject(Code::OutOfRange, message, "leave out what nobody looks at, or take `json`");
    }
    match log_format::parse(&text) {
        Ok(parts) if parts.iter().any(|part| matches!(part, Part::Field(..))) => {
            Some(AccessLogFormat::Custom(parts))
        }
        Ok(_) => {
            let message = "this format says the same of every request";
            value.reject(Code::BadValue, message, "like `%ci [%tr] %ST %[model] %{+Q}r`")
        }
        Err(mistakes) => {
            // Where a reference was resolved, the places are those of another text.
            let verbatim = value.source() == text;
            for mistake in mistakes {
                let span = match verbatim {
                    true => value.part(mistake.start, mistake.length),
                    false => value.span(),
                };
                let (code, message, hint) = explain(mistake, value.is_hidden() || !verbatim);
                value.context.report(Diagnostic::error(code, span, message).hint(hint));
            }
            None
        }
    }
}

/// What is wrong, and what to do. `hidden`: nothing of the text may be quoted.
fn explain(mistake: Mistake, hidden: bool) -> (Code, String, String) {
    let (variables, fetches) = log_format::names();
    let known = |hint: &str| (hint.to_owned(), Code::BadValue);
    let (message, (hint, code)) = match mistake.wrong {
        Wrong::Percent => (
            "`%` without the name of a variable".to_owned(),
            known("write `%%` for `%` itself; a variable is like `%ST` or `%[model]`"),
        ),
        Wrong::Open(']') => ("`%[` without its `]`".to_owned(), known("like `%[model]`")),
        Wrong::Open(_) => ("`%{` without its `}`".to_owned(), known("like `%{+Q}r`")),
        Wrong::Flag(_) => (
            "not a flag of a log format".to_owned(),
            known(
                "`+Q` quotes, `+E` escapes, `+X` writes hexadecimal; `-` in place of `+` takes one back: `%{+Q,+E}r`",
            ),
        ),
        Wrong::Elsewhere(instead) => {
            ("a log line cannot have this".to_owned(), (instead.to_owned(), Code::UnknownName))
        }
        Wrong::Header(_) => (
            "not the name of a header".to_owned(),
            known("letters, digits and `-`, like `%[header(x-name)]`"),
        ),
        Wrong::Secret(name) => (
            format!("`{name}` holds the client's key, which is never logged"),
            ("`%[client_name]` says whose key it was".to_owned(), Code::Conflict),
        ),
        Wrong::Variable(name) => {
            // A name of theirs is short: nearly all are near to it. Only another spelling of the same letters is meant.
            let same = |other: &&str| other.eq_ignore_ascii_case(&name);
            let fetches: Vec<&str> = fetches.collect();
            let hint = if hidden {
                "HAProxy's variables and `%[...]` are in docs/configuration.md".to_owned()
            } else if let Some(name) = fetches.iter().find(|fetch| **fetch == name) {
                format!("did you mean `%[{name}]`?")
            } else {
                match variables.into_iter().find(same) {
                    Some(near) => format!("did you mean `%{near}`?"),
                    None => "HAProxy's variables and `%[...]` are in docs/configuration.md; write `%%` for `%` itself".to_owned(),
                }
            };
            (unknown("variable", &format!("%{name}"), hidden), (hint, Code::UnknownName))
        }
        Wrong::Fetch(name) => {
            let fetches: Vec<&str> = fetches.chain(["header(x-name)", "response_header(x-name)"]).collect();
            let near = suggest::nearest(&name, fetches.iter().copied()).filter(|_| !hidden);
            let hint = match near {
                Some(near) => format!("did you mean `%[{near}]`?"),
                None => format!("one of {}", fetches.join(" ")),
            };
            (unknown("field", &format!("%[{name}]"), hidden), (hint, Code::UnknownName))
        }
    };
    (code, message, hint)
}

fn unknown(what: &str, name: &str, hidden: bool) -> String {
    if hidden {
        format!("a log line has no such {what}")
    } else {
        format!("a log line has no {what} `{name}`")
    }
}
