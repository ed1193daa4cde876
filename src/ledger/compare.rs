//! What the same tokens would have cost by another list of prices. Only calls whose cost is known here, and whose model the
//! other list has, are part of it: on both sides.

use std::collections::{BTreeMap, HashMap};

use super::query::{Report, Row, Sums};
use crate::ai::price::Price;
use crate::ai::usage::Usage;

/// The other list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    pub models: HashMap<String, Price>,
    /// For every model that is not in the list.
    pub others: Option<Price>,
}

/// Micro-dollars on both sides, for the same tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    pub here: u64,
    pub there: u64,
}

impl Compared {
    /// What was saved here; negative: it would have been cheaper there.
    pub fn saved(self) -> i128 {
        i128::from(self.there) - i128::from(self.here)
    }

    /// Of what it would have cost there, in percent. `None`: it costs nothing there.
    pub fn percent(self) -> Option<f64> {
        (self.there > 0).then(|| self.saved() as f64 * 100.0 / self.there as f64)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Beside those of the report; `None`: nothing of the row can be compared.
    pub rows: Vec<Option<Compared>>,
    pub total: Option<Compared>,
    /// Models that have a cost here and no price there, with what they cost here: in neither sum.
    pub missing: BTreeMap<String, u64>,
}

impl Prices {
    fn of(&self, model: &str) -> Option<&Price> {
        self.models.get(model).or(self.others.as_ref())
    }

    /// Of a report whose question asked for the models.
    pub fn compare(&self, report: &Report) -> Comparison {
        let mut comparison = Comparison::default();
        for row in &report.rows {
            let compared = self.row(row, &mut comparison.missing);
            if let Some(compared) = compared {
                let total = comparison.total.get_or_insert_default();
                total.here = total.here.saturating_add(compared.here);
                total.there = total.there.saturating_add(compared.there);
            }
            comparison.rows.push(compared);
        }
        comparison
    }

    fn row(&self, row: &Row, missing: &mut BTreeMap<String, u64>) -> Option<Compared> {
        let mut sum: Option<Compared> = None;
        for (model, sums) in &row.models {
            let Some(here) = sums.cost else { continue };
            match self.of(model) {
                Some(price) => {
                    let sum = sum.get_or_insert_default();
                    sum.here = sum.here.saturating_add(here);
                    sum.there = sum.there.saturating_add(cost(price, sums));
                }
                None => {
                    let cost = missing.entry(model.clone()).or_default();
                    *cost = cost.saturating_add(here);
                }
            }
        }
        sum
    }
}

fn cost(price: &Price, sums: &Sums) -> u64 {
    let usage = Usage {
        prompt: Some(sums.priced.prompt),
        completion: Some(sums.priced.completion),
        cached: Some(sums.priced.cached),
        reasoning: None,
    };
    price.cost(&usage).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::query::{By, Priced};
    use super::super::range::Range;
    use super::*;

    fn sums(cost: Option<u64>, prompt: u64, completion: u64, cached: u64) -> Sums {
        Sums { cost, priced: Priced { prompt, completion, cached }, ..Sums::default() }
    }

    fn report(rows: Vec<(&str, Vec<(&str, Sums)>)>) -> Report {
        let rows = rows.into_iter().map(|(client, models)| Row {
            names: vec![client.to_owned()],
            sums: Sums::default(),
            models: models.into_iter().map(|(model, sums)| (model.to_owned(), sums)).collect(),
        });
        Report {
            file: "usage.db".into(),
            by: vec![By::Client],
            range: Range { since: 0, until: 3600 },
            rows: rows.collect(),
            total: Sums::default(),
            begins: None,
        }
    }

    fn prices(others: Option<Price>) -> Prices {
        let price = Price { input: 2_000_000, output: 8_000_000, cached_input: 500_000 };
        Prices { models: HashMap::from([("big".to_owned(), price)]), others }
    }

    #[test]
    fn the_same_tokens_are_paid_by_the_other_list() {
        let report = report(vec![
            ("a", vec![("big", sums(Some(5_000_000), 1_000_000, 500_000, 400_000))]),
            ("b", vec![("big", sums(Some(100), 100, 0, 0)), ("small", sums(Some(30), 7, 7, 0))]),
            ("c", vec![("big", sums(None, 0, 0, 0))]),
        ]);
        let found = prices(None).compare(&report);
        let a = Compared { here: 5_000_000, there: 1_200_000 + 200_000 + 4_000_000 };
        let b = Compared { here: 100, there: 200 };
        assert_eq!(found.rows, [Some(a), Some(b), None]);
        assert_eq!(found.total, Some(Compared { here: 5_000_100, there: 5_400_200 }));
        assert_eq!(found.missing, BTreeMap::from([("small".to_owned(), 30)]));
        assert_eq!((a.saved(), a.percent().map(|p| (p * 100.0).round())), (400_000, Some(741.0)));
    }

    #[test]
    fn one_price_can_stand_for_all_others() {
        let free = Price::default();
        let report = report(vec![("b", vec![("small", sums(Some(30), 7, 7, 0))])]);
        let found = prices(Some(free)).compare(&report);
        let total = found.total.unwrap();
        assert_eq!((total, total.saved(), total.percent()), (Compared { here: 30, there: 0 }, -30, None));
        assert!(found.missing.is_empty());
    }
}
