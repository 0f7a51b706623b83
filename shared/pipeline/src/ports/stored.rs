use quiz_domain::reports::ContentDigest;

/// What a session has in a table: of each item its sort key, digest and generation, in about 80 bytes.
#[derive(Clone, Debug, Default)]
pub struct StoredItems {
    /// All sort keys, one after the other.
    keys: String,
    /// By sort key.
    items: Vec<Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    key_at: usize,
    key_length: u32,
    /// Whether the result has it, too.
    kept: bool,
    digest: Option<ContentDigest>,
    /// The least where it has none.
    generation: i64,
}

impl StoredItems {
    /// Adds an item; those that come by sort key are added at no cost. `digest` and `generation` are `None` where
    /// the item has none.
    pub fn add(&mut self, sort_key: &str, digest: Option<ContentDigest>, generation: Option<i64>) {
        let Ok(key_length) = u32::try_from(sort_key.len()) else { return };
        let item = Stored {
            key_at: self.keys.len(),
            key_length,
            kept: false,
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

    /// The generation of the run that wrote an item, where the item has just this content, and no run later than
    /// `generation` wrote it.
    #[must_use]
    pub fn written_by(&self, sort_key: &str, digest: ContentDigest, generation: i64) -> Option<i64> {
        let item = self.place(sort_key).ok().and_then(|at| self.items.get(at))?;
        (item.digest == Some(digest) && item.generation <= generation).then_some(item.generation)
    }

    /// The result has it: it stays.
    pub fn keep(&mut self, sort_key: &str) {
        self.set_kept(sort_key, true);
    }

    /// The result has it after all not.
    pub fn forsake(&mut self, sort_key: &str) {
        self.set_kept(sort_key, false);
    }

    /// The sort keys of what is not kept, but not of what a later run has written.
    pub fn stale(&self, generation: i64) -> impl Iterator<Item = &str> {
        let stale = self.items.iter().filter(move |item| !item.kept && item.generation <= generation);
        stale.map(|item| self.key(item))
    }

    fn set_kept(&mut self, sort_key: &str, kept: bool) {
        if let Ok(at) = self.place(sort_key)
            && let Some(item) = self.items.get_mut(at)
        {
            item.kept = kept;
        }
    }

    fn key(&self, item: &Stored) -> &str {
        let length = usize::try_from(item.key_length).unwrap_or_default();
        self.keys.get(item.key_at..item.key_at + length).unwrap_or_default()
    }

    fn place(&self, sort_key: &str) -> Result<usize, usize> {
        self.items.binary_search_by(|item| self.key(item).cmp(sort_key))
    }
}

#[cfg(test)]
mod tests {
    use super::{Stored, StoredItems};

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
    fn what_is_not_kept_is_stale_but_for_what_a_later_run_wrote() {
        let mut stored = stored(&[("a", Some(1)), ("b", None), ("c", Some(3)), ("d", Some(2))]);
        assert_eq!(stale(&stored, 2), ["a", "b", "d"]);
        stored.keep("a");
        stored.keep("not stored");
        assert_eq!(stale(&stored, 2), ["b", "d"]);
        stored.forsake("a");
        assert_eq!(stale(&stored, 3), ["a", "b", "c", "d"]);
    }

    #[test]
    fn items_are_found_in_whatever_order_they_came() {
        let mut stored =
            stored(&[("b", Some(1)), ("a", Some(1)), ("", Some(1)), ("c", Some(9)), ("c", Some(1))]);
        assert_eq!(stale(&stored, 1), ["", "a", "b", "c"]);
        stored.keep("b");
        assert_eq!((stale(&stored, 1), stored.len()), (vec!["", "a", "c"], 4));
    }

    #[test]
    fn an_item_takes_about_80_bytes() {
        let longest = "0123456789abcdef01234567#Logical Reasoning".len();
        assert!(size_of::<Stored>() + longest <= 84, "{}", size_of::<Stored>());
    }
}
