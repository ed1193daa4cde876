use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::histogram::Histogram;
use super::*;

#[derive(Debug, PartialEq)]
struct Sample {
    family: String,
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// A strict reader of the format: whatever Prometheus would refuse or misread is a panic.
fn parse(text: &str) -> Vec<Sample> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line ends with a line feed");
    let (mut samples, mut kinds, mut closed) = (Vec::new(), HashMap::new(), HashSet::new());
    let (mut current, mut helped) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').unwrap().0.to_owned();
            assert!(closed.insert(helped.clone()), "{helped} twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "TYPE follows HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind));
            current = name.to_owned();
            kinds.insert(name.to_owned(), kind.to_owned());
        } else {
            let sample = parse_sample(line, &current);
            let suffix = sample.name.strip_prefix(&current).expect("samples stand under their own TYPE");
            match kinds[&current].as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{suffix}"),
                _ => assert_eq!(suffix, ""),
            }
            samples.push(sample);
        }
    }
    samples
}

fn parse_sample(line: &str, family: &str) -> Sample {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !label.is_empty());
            let (value, after) = unquote(after);
            labels.push((label.to_owned(), value));
            match after.split_at(1) {
                (",", after) => rest = after,
                ("}", after) => {
                    rest = after;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one space before the value");
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().unwrap(),
    };
    Sample { family: family.to_owned(), name: name.to_owned(), labels, value }
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                c @ ('"' | '\\') => value.push(c),
                c => panic!("unknown escape {c}"),
            },
            c => value.push(c),
        }
    }
    panic!("no closing quote");
}

#[test]
fn a_document_reads_as_prometheus_reads_it() {
    let mut page = Exposition::default();
    let mut requests =
        page.family("tidegate_requests_total", Kind::Counter, "Requests by \"status\".\nAll of them");
    requests.sample(&[("frontend", "https"), ("code", "200")], 12);
    requests.sample(&[("frontend", "https"), ("code", "502")], 0);
    page.family("tidegate_cost_usd_total", Kind::Counter, "x").sample(&[], 0.1);
    assert_eq!(
        page.finish(),
        "# HELP tidegate_requests_total Requests by \"status\".\\nAll of them\n\
         # TYPE tidegate_requests_total counter\n\
         tidegate_requests_total{frontend=\"https\",code=\"200\"} 12\n\
         tidegate_requests_total{frontend=\"https\",code=\"502\"} 0\n\
         # HELP tidegate_cost_usd_total x\n\
         # TYPE tidegate_cost_usd_total counter\n\
         tidegate_cost_usd_total 0.1\n"
    );
}

#[test]
fn a_histogram_ends_with_infinity_and_its_count() {
    let histogram = Histogram::default();
    [3, 700, 9_000_000].into_iter().for_each(|ms| histogram.observe(Duration::from_millis(ms)));
    let mut page = Exposition::default();
    let mut family = page.family("tidegate_request_duration_seconds", Kind::Histogram, "How long.");
    family.histogram(&[("backend", "ai")], &histogram.snapshot());
    family.histogram(&[("backend", "empty")], &Histogram::default().snapshot());
    let samples = parse(&page.finish());
    let ai: Vec<&Sample> = samples.iter().filter(|s| s.labels[0].1 == "ai").collect();
    let buckets: Vec<f64> = ai.iter().filter(|s| s.name.ends_with("_bucket")).map(|s| s.value).collect();
    assert!(buckets.is_sorted());
    let last = ai.iter().rfind(|s| s.name.ends_with("_bucket")).unwrap();
    assert_eq!((last.labels[1].1.as_str(), last.value), ("+Inf", 3.0));
    let find = |suffix: &str| ai.iter().find(|s| s.name.ends_with(suffix)).unwrap().value;
    assert_eq!(find("_count"), 3.0);
    assert!((find("_sum") - 9000.703).abs() < 1e-9);
    assert_eq!(samples.iter().filter(|s| s.labels[0].1 == "empty").map(|s| s.value).sum::<f64>(), 0.0);
}

proptest! {
    /// Any label value and number comes back as it was.
    #[test]
    fn labels_and_values_survive(text in any::<String>(), real in any::<f64>(), whole in 0u64..1 << 53) {
        let mut page = Exposition::default();
        let mut family = page.family("m", Kind::Gauge, &text);
        family.sample(&[("a", &text), ("b", "")], real);
        family.sample(&[], whole);
        let page = page.finish();
        // `lines` would also take a bare carriage return before a line feed away.
        prop_assume!(!text.contains('\r'));
        let samples = parse(&page);
        prop_assert_eq!(&samples[0].labels, &[("a".to_owned(), text), ("b".to_owned(), String::new())]);
        prop_assert!(samples[0].value == real || real.is_nan() && samples[0].value.is_nan());
        prop_assert_eq!(samples[1].value, whole as f64);
    }
}
