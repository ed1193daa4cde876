//! "did you mean": the candidate that a typing mistake may have come from.

/// The nearest candidate, if it is near enough to be meant: a third of its letters may differ, swapped neighbours count
/// once.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let letters_typed = letters(&typed);
    let (distance, best) = candidates
        .into_iter()
        .filter(|c| {
            // Every letter that only one of them has is a difference of its own; cheaper to see than the distance.
            let allowed = typed.len().min(c.len()).div_ceil(3);
            if typed.len().abs_diff(c.len()) > allowed {
                return false;
            }
            let other = c.bytes().fold(0, |all, b| all | bit(b));
            let missing = (other & !letters_typed).count_ones().max((letters_typed & !other).count_ones());
            missing as usize <= allowed
        })
        .map(|c| (distance(&typed, &c.to_lowercase().chars().take(64).collect::<Vec<_>>()), c))
        .min_by_key(|(d, _)| *d)?;
    let allowed = typed.len().min(best.chars().count()).div_ceil(3);
    (distance <= allowed).then_some(best)
}

fn letters(word: &[char]) -> u32 {
    word.iter().fold(0, |all, c| u8::try_from(*c).map_or(all, |b| all | bit(b)))
}

/// One bit for each letter, upper and lower case alike.
fn bit(byte: u8) -> u32 {
    let letter = byte.to_ascii_lowercase().wrapping_sub(b'a');
    if letter < 26 { 1 << letter } else { 0 }
}

/// As a hint: the nearest candidate, or else all of them.
pub(super) fn among(word: &str, candidates: &[&str]) -> Option<String> {
    hint(nearest(word, candidates.iter().copied()), candidates)
}

/// The same where the nearest is known.
pub(super) fn hint(near: Option<&str>, candidates: &[&str]) -> Option<String> {
    near.map(|best| format!("did you mean `{best}`?")).or_else(|| match candidates {
        [] => None,
        [one] => Some(format!("the only one is `{one}`")),
        many => {
            let list: Vec<String> = many.iter().take(16).map(|c| format!("`{c}`")).collect();
            let rest = if many.len() > 16 { " ..." } else { "" };
            Some(format!("one of {}{rest}", list.join(" ")))
        }
    })
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |r: &[usize], k: usize| r.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_their_word() {
        let keys = ["max_connections", "monitor", "rules", "bind"];
        assert_eq!(nearest("max_conections", keys), Some("max_connections"));
        assert_eq!(nearest("bnid", keys), Some("bind"));
        assert_eq!(nearest("Monitor", keys), Some("monitor"));
        assert_eq!(nearest("timeouts", keys), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn without_a_near_one_all_are_named() {
        assert_eq!(among("zzz", &["a_long", "b_long"]).as_deref(), Some("one of `a_long` `b_long`"));
    }
}
