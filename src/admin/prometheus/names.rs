//! Under which names `/metrics` answers: `?names=tidegate`, `haproxy` or `both`. Prometheus sends it with every scrape
//! (`params: {names: [haproxy]}`), so that it needs no word in the configuration, and two scrapers may want different ones.

use super::haproxy;
use crate::admin::View;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    own: bool,
    haproxy: bool,
}

impl Names {
    /// Reads a query. Without `names` it is tidegate's own; given several times, all that are named. Other parameters, those
    /// of HAProxy's exporter among them, mean nothing here.
    ///
    /// # Errors
    ///
    /// The value that nobody knows, in words for who asked.
    pub fn of(query: Option<&str>) -> Result<Names, String> {
        let mut asked = Names { own: false, haproxy: false };
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("names", "tidegate") => asked.own = true,
                ("names", "haproxy") => asked.haproxy = true,
                ("names", "both") => asked = Names { own: true, haproxy: true },
                ("names", _) => return Err(format!("{pair}: names is tidegate, haproxy or both\n")),
                _ => {}
            }
        }
        Ok(if asked.haproxy { asked } else { Names { own: true, ..asked } })
    }

    /// The whole document.
    pub fn text(self, view: &View) -> String {
        let own = if self.own { super::text(view) } else { String::new() };
        if self.haproxy { own + &haproxy::text(view) } else { own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidegates_until_somebody_asks_for_haproxys() {
        let (own, haproxy) = (Names { own: true, haproxy: false }, Names { own: false, haproxy: true });
        let both = Names { own: true, haproxy: true };
        for (query, names) in [
            (None, own),
            (Some(""), own),
            (Some("scope=frontend&no-maint"), own),
            (Some("names=tidegate"), own),
            (Some("names=haproxy"), haproxy),
            (Some("scope=server&names=haproxy"), haproxy),
            (Some("names=both"), both),
            (Some("names=haproxy&names=tidegate"), both),
        ] {
            assert_eq!(Names::of(query), Ok(names), "{query:?}");
        }
        for query in ["names", "names=", "names=HAProxy", "names=haproxy&names=statsd"] {
            assert!(Names::of(Some(query)).unwrap_err().contains("tidegate, haproxy or both"), "{query}");
        }
    }
}
