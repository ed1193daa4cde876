//! The Prometheus text format, version 0.0.4. It is written from the cells when somebody asks, so that metrics, page and
//! `show stat` cannot disagree.

use std::fmt::{self, Write};

use super::histogram::{Reading, Scale};

/// What `/metrics` sends as `content-type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `name="value"` pairs; names are ours, values may be anything.
pub type Labels<'a> = [(&'a str, &'a str)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A sample's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Real(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Whole(value) => write!(f, "{value}"),
            Value::Real(value) if value.is_nan() => f.write_str("NaN"),
            Value::Real(value) if value.is_infinite() => {
                f.write_str(if *value > 0.0 { "+Inf" } else { "-Inf" })
            }
            Value::Real(value) => write!(f, "{value}"),
        }
    }
}

/// The document so far.
#[derive(Debug, Default)]
pub struct Exposition {
    out: String,
}

impl Exposition {
    /// Begins a metric; all its samples follow before the next one begins. Open a name once.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.out.push_str("# HELP ");
        self.out.push_str(name);
        self.out.push(' ');
        escape(&mut self.out, help, false);
        self.out.push_str("\n# TYPE ");
        self.out.push_str(name);
        self.out.push(' ');
        self.out.push_str(kind);
        self.out.push('\n');
        Family { out: &mut self.out, name }
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// One metric that is being written.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut String,
    name: &'a str,
}

impl Family<'_> {
    /// A counter's or gauge's value.
    pub fn sample(&mut self, labels: &Labels<'_>, value: impl Into<Value>) {
        self.line("", labels, None, value.into());
    }

    /// A histogram: its buckets, sum and count.
    pub fn histogram<S: Scale>(&mut self, labels: &Labels<'_>, snapshot: &Reading<S>) {
        let mut count = 0;
        for (end, cumulative) in snapshot.cumulative() {
            self.line("_bucket", labels, Some(Value::Real(end)), Value::Whole(cumulative));
            count = cumulative;
        }
        self.line("_sum", labels, None, Value::Real(snapshot.shown_sum()));
        self.line("_count", labels, None, Value::Whole(count));
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, le: Option<Value>, value: Value) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let mut separator = '{';
        for (name, text) in labels {
            self.out.push(separator);
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(self.out, text, true);
            self.out.push('"');
            separator = ',';
        }
        // Writing to a String does not fail.
        if let Some(le) = le {
            let _ = write!(self.out, "{separator}le=\"{le}\"");
            separator = ',';
        }
        if separator == ',' {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

/// Help escapes backslash and line feed, a label's value the quote as well.
fn escape(out: &mut String, text: &str, quote: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quote => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
