//! [`NonEmpty`]: at least one. "A matching item was found" is a type here, so that no loop over nothing can pass for success.

/// A list of at least one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NonEmpty<T> {
    first: T,
    rest: Vec<T>,
}

impl<T> NonEmpty<T> {
    /// Takes what an iterator gives, if it gives anything.
    pub(super) fn collect(items: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut items = items.into_iter();
        Some(Self { first: items.next()?, rest: items.collect() })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The least item by `key`, the first of equals.
    pub(super) fn into_least<K: Ord>(self, key: impl Fn(&T) -> K) -> T {
        self.rest.into_iter().fold(self.first, |best, item| if key(&item) < key(&best) { item } else { best })
    }

    pub(super) fn len(&self) -> usize {
        1 + self.rest.len()
    }
}
