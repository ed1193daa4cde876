//! Which servers a request has failed on already.

/// Remembers the last 16 attempts, without allocating; positions are those of [`crate::pool::Pool::members`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    indexes: [u32; Tried::CAPACITY],
    /// Attempts ever added; the list wraps.
    added: usize,
}

impl Tried {
    const CAPACITY: usize = 16;

    pub fn insert(&mut self, index: usize) {
        if let Some(place) = self.indexes.get_mut(self.added % Tried::CAPACITY) {
            *place = u32::try_from(index).unwrap_or(u32::MAX);
            self.added += 1;
        }
    }

    pub fn contains(&self, index: usize) -> bool {
        let known = self.added.min(Tried::CAPACITY);
        self.indexes.iter().take(known).any(|tried| usize::try_from(*tried) == Ok(index))
    }

    pub fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Attempts that failed.
    pub fn len(&self) -> usize {
        self.added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_last_sixteen() {
        let mut tried = Tried::default();
        assert!(tried.is_empty() && !tried.contains(0));
        (0..20).for_each(|index| tried.insert(index));
        assert_eq!(
            (0..30).filter(|index| tried.contains(*index)).collect::<Vec<_>>(),
            (4..20).collect::<Vec<_>>()
        );
        assert_eq!(tried.len(), 20);
    }
}
