use quiz_domain::reports::ContentDigest;

/// The items of a test session in a table: sort key, digest and generation of each, in about 80 bytes.
#[derive(Clone, Debug, Default)]
pub struct StoredItems {
    /// All sort keys, one after the other.
    keys: String,
    /// Sorted by sort key.
    items: Vec<StoredItem>,
}

#[derive(Clone, Debug)]
struct StoredItem {
    key_at: usize,
    key_length: u32,
    /// Whether the result has the item as well.
    is_kept: bool,
    digest: Option<ContentDigest>,
    /// `i64::MIN` if the item has none.
    generation: i64,
}

impl StoredItems {
    /// Adds an item; items added in the order of sort keys need no search. `digest` and `generation` are `None` if the item
    /// has none.
    pub fn add(&mut self, sort_key: &str, digest: Option<ContentDigest>, generation: Option<i64>) {
        let Ok(key_length) = u32::try_from(sort_key.len()) else { return };
        let item = StoredItem {
            key_at: self.keys.len(),
            key_length,
            is_kept: false,
            digest,
            generation: generation.unwrap_or(i64::MIN),
        };
        let is_last = self.items.last().is_none_or(|last| self.key(last) < sort_key);
        let place = if is_last { Err(self.items.len()) } else { self.place(sort_key) };
        self.keys.push_str(sort_key);
        match place {
            Ok(at) => {
                if let Some(known) = self.items.get_mut(at) {
                    *known = item;
                }
            }
            Err(at) => self.items.insert(at, item),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The generation of the run that wrote an item, if the item has this content and no run later than `generation` wrote
    /// it.
    #[must_use]
    pub fn written_by(&self, sort_key: &str, digest: ContentDigest, generation: i64) -> Option<i64> {
        let item = self.place(sort_key).ok().and_then(|at| self.items.get(at))?;
        (item.digest == Some(digest) && item.generation <= generation).then_some(item.generation)
    }

    /// Keeps an item, because the result has it.
    pub fn keep(&mut self, sort_key: &str) {
        self.set_kept(sort_key, true);
    }

    /// No longer keeps an item.
    pub fn discard(&mut self, sort_key: &str) {
        self.set_kept(sort_key, false);
    }

    /// The sort keys of the items that are not kept, without items that a later run wrote.
    pub fn stale(&self, generation: i64) -> impl Iterator<Item = &str> {
        let stale = self.items.iter().filter(move |item| !item.is_kept && item.generation <= generation);
        stale.map(|item| self.key(item))
    }

    fn set_kept(&mut self, sort_key: &str, is_kept: bool) {
        if let Ok(at) = self.place(sort_key)
            && let Some(item) = self.items.get_mut(at)
        {
            item.is_kept = is_kept;
        }
    }

    fn key(&self, item: &StoredItem) -> &str {
        let length = usize::try_from(item.key_length).unwrap_or_default();
        self.keys.get(item.key_at..item.key_at + length).unwrap_or_default()
    }

    fn place(&self, sort_key: &str) -> Result<usize, usize> {
        self.items.binary_search_by(|item| self.key(item).cmp(sort_key))
    }
}

#[cfg(test)]
mod tests {
    use super::{StoredItem, StoredItems};

    fn stored(keys: &[(&str, Option<i64>)]) -> StoredItems {
        let mut stored = StoredItems::default();
        for (key, generation) in keys {
            stored.add(key, None, *generation);
        }
        stored
    }

    fn stale(stored: &StoredItems, generation: i64) -> Vec<&str> {
        stored.stale(generation).collect()
    }

    #[test]
    fn items_not_kept_are_stale_unless_written_later() {
        let mut stored = stored(&[("a", Some(1)), ("b", None), ("c", Some(3)), ("d", Some(2))]);
        assert_eq!(stale(&stored, 2), ["a", "b", "d"]);
        stored.keep("a");
        stored.keep("not stored");
        assert_eq!(stale(&stored, 2), ["b", "d"]);
        stored.discard("a");
        assert_eq!(stale(&stored, 3), ["a", "b", "c", "d"]);
    }

    #[test]
    fn items_are_found_in_any_order() {
        let mut stored =
            stored(&[("b", Some(1)), ("a", Some(1)), ("", Some(1)), ("c", Some(9)), ("c", Some(1))]);
        assert_eq!(stale(&stored, 1), ["", "a", "b", "c"]);
        stored.keep("b");
        assert_eq!((stale(&stored, 1), stored.len()), (vec!["", "a", "c"], 4));
    }

    #[test]
    fn an_item_takes_about_80_bytes() {
        let longest = "0123456789abcdef01234567#Logical Reasoning".len();
        assert!(size_of::<StoredItem>() + longest <= 84, "{}", size_of::<StoredItem>());
    }
}
