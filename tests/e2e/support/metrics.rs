//! The Prometheus text format, read strictly enough to notice what a scraper would refuse.

use std::collections::BTreeMap;

pub struct Metrics {
    /// Names that have a `# TYPE` line, with their type.
    pub types: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Metrics {
    #[track_caller]
    pub fn parse(text: &str) -> Metrics {
        let mut types = BTreeMap::new();
        let mut samples = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("bad TYPE line: {line}"));
                let before = types.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none(), "{name} is declared twice");
            } else if !line.starts_with('#') {
                samples.push(sample(line));
            }
        }
        Metrics { types, samples }
    }

    /// The sum of the samples of that name whose labels include all of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// True if there is a sample of that name with these labels.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    pub fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        let fits = move |sample: &&Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|have| have == value))
        };
        self.samples.iter().filter(move |sample| sample.name == name).filter(fits)
    }
}

fn sample(line: &str) -> Sample {
    let bad = || -> ! { panic!("not a sample: {line}") };
    let name_end = line.find(['{', ' ']).unwrap_or_else(|| bad());
    let mut rest = &line[name_end..];
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut inside = inside;
        while !inside.starts_with('}') {
            let (key, after) = inside.split_once("=\"").unwrap_or_else(|| bad());
            let end = after.find('"').unwrap_or_else(|| bad());
            labels.insert(key.trim_start_matches(',').to_owned(), after[..end].to_owned());
            inside = &after[end + 1..];
        }
        rest = &inside[1..];
    }
    let value = rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_else(|| bad());
    Sample { name: line[..name_end].to_owned(), labels, value }
}
