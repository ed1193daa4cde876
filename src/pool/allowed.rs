//! Which servers of a backend a request may use at all: those that know its model, for one.

/// Positions of [`super::Pool::members`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Box<[u64]>);

impl Allowed {
    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl FromIterator<usize> for Allowed {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Allowed {
        let mut words = Vec::new();
        for index in indexes {
            let word = index / 64;
            if words.len() <= word {
                words.resize(word + 1, 0u64);
            }
            if let Some(word) = words.get_mut(word) {
                *word |= 1 << (index % 64);
            }
        }
        Allowed(words.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_contains_what_was_put_in() {
        let allowed: Allowed = [0, 3, 64, 200].into_iter().collect();
        let got: Vec<usize> = (0..300).filter(|index| allowed.contains(*index)).collect();
        assert_eq!(got, [0, 3, 64, 200]);
        assert!(!allowed.is_empty() && Allowed::default().is_empty() && !Allowed::default().contains(0));
    }
}
