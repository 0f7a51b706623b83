use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use quiz_domain::reports::Stamp;
use serde::{Deserialize, Serialize};

/// What a state's store takes without trouble: DynamoDB's items end at 400 KB.
const LONGEST: usize = 300_000;

/// Which parts of a result are in the store as they should be: what a run leaves behind that has to stop at the
/// function's deadline, so that the next one writes the rest only.
///
/// A part is a range of sort keys within one group of a table's items, with a digest of its content. What is noted always is in the store:
/// a part is forgotten before any of its range is written, and a run that ends without stopping cleanly leaves
/// nothing behind at all.
#[derive(Clone, Debug, Default)]
pub struct WrittenParts(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    noted: Noted,
    /// How many this run has written.
    written: usize,
    /// By group and first key, what this run has written or found written.
    seen: BTreeSet<(String, String)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// Of the run that began to write: the others go on with it, so that equal results have equal digests.
    written_at: Timestamp,
    generation: i64,
    /// Whether all of it was written, and nothing only found to be the same.
    #[serde(default)]
    rewritten: bool,
    groups: BTreeMap<String, BTreeMap<String, Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    last: String,
    digest: u64,
}

/// A part by its group and range, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartKey<'a> {
    pub group: &'a str,
    pub first: &'a str,
    pub last: &'a str,
}

impl PartKey<'_> {
    fn name(self) -> (String, String) {
        (self.group.to_owned(), self.first.to_owned())
    }
}

impl WrittenParts {
    /// What an earlier run has noted; nothing where that cannot be read.
    #[must_use]
    pub fn from_progress(progress: Option<&str>) -> Self {
        let noted = progress.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self(Arc::new(Mutex::new(Parts { noted, ..Parts::default() })))
    }

    /// For the next run; `None` where this one has got nowhere, or it is too much to keep.
    #[must_use]
    pub fn progress(&self) -> Option<String> {
        let has_got_on = self.0.lock().unwrap_or_else(PoisonError::into_inner).written > 0;
        self.notes().filter(|_| has_got_on)
    }

    /// All that is noted, be it by an earlier run; `None` where that is nothing, or too much to keep.
    #[must_use]
    pub fn notes(&self) -> Option<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string(&parts.noted).ok()?;
        (!parts.noted.groups.is_empty() && text.len() <= LONGEST).then_some(text)
    }

    /// Forgets what this run has neither written nor found written, of the groups whose names begin so: what the
    /// result no longer has is about to be deleted.
    pub fn forget_others(&self, prefix: &str) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Parts { noted, seen, .. } = &mut *guard;
        for (group, parts) in noted.groups.iter_mut().filter(|(group, _)| group.starts_with(prefix)) {
            parts.retain(|first, _| seen.contains(&(group.clone(), first.clone())));
        }
        noted.groups.retain(|_, parts| !parts.is_empty());
    }

    /// Whether this run writes all, be it the same: then what an earlier one noted counts only if that did, too.
    pub fn rewrite(&self, rewrites: bool) {
        let noted = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).noted;
        if rewrites && !noted.rewritten {
            *noted = Noted::default();
        }
        noted.rewritten = rewrites;
    }

    /// The stamp of all items of this result.
    #[must_use]
    pub fn stamp(&self, own: Stamp) -> Stamp {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = &mut parts.noted;
        if noted.groups.is_empty() {
            (noted.written_at, noted.generation) = (own.written_at, own.generation);
        }
        Stamp { written_at: noted.written_at, generation: noted.generation }
    }

    /// Whether the store has exactly this.
    #[must_use]
    pub fn has(&self, key: PartKey, digest: u64) -> bool {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.noted.groups.get(key.group).and_then(|parts| parts.get(key.first));
        let has = part.is_some_and(|part| part.last == key.last && part.digest == digest);
        if has {
            parts.seen.insert(key.name());
        }
        has
    }

    /// The range is about to be written.
    pub fn begin(&self, key: PartKey) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parts) = parts.noted.groups.get_mut(key.group) {
            parts.retain(|first, part| part.last.as_str() < key.first || first.as_str() > key.last);
        }
    }

    /// The range is written; `sent` says whether anything of it had to be.
    pub fn end(&self, key: PartKey, digest: u64, sent: bool) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = Part { last: key.last.to_owned(), digest };
        parts.noted.groups.entry(key.group.to_owned()).or_default().insert(key.first.to_owned(), part);
        parts.seen.insert(key.name());
        parts.written += usize::from(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::{PartKey, WrittenParts};

    fn key<'a>(first: &'a str, last: &'a str) -> PartKey<'a> {
        PartKey { group: "t", first, last }
    }

    #[test]
    fn the_next_run_knows_what_is_written() {
        let parts = WrittenParts::from_progress(None);
        assert_eq!(parts.progress(), None, "a run that got nowhere");
        parts.end(key("a", "c"), 1, true);
        parts.end(key("d", "f"), 2, true);
        let next = WrittenParts::from_progress(parts.progress().as_deref());
        assert!(next.has(key("a", "c"), 1) && next.has(key("d", "f"), 2));
        assert!(!next.has(key("a", "c"), 2) && !next.has(key("a", "b"), 1));
        assert!(!next.has(PartKey { group: "u", ..key("a", "c") }, 1));
        assert_eq!(next.progress(), None, "it has written nothing itself");
    }

    #[test]
    fn a_part_is_forgotten_before_any_of_its_range_is_written() {
        for (first, last) in [("c", "d"), ("a", "a"), ("b", "b"), ("0", "z")] {
            let parts = WrittenParts::from_progress(None);
            parts.end(key("a", "c"), 1, true);
            parts.begin(key(first, last));
            assert!(!parts.has(key("a", "c"), 1), "{first}..{last}");
        }
        let parts = WrittenParts::from_progress(None);
        parts.end(key("b", "c"), 1, true);
        parts.begin(key("d", "e"));
        parts.begin(key("0", "a"));
        assert!(parts.has(key("b", "c"), 1));
    }

    #[test]
    fn the_parts_of_300_000_students_in_five_sections_fit_into_a_state() {
        let parts = WrittenParts::default();
        for section in ["overall", "Mathematics", "Physics", "Chemistry", "Logical Reasoning"] {
            let group = format!("student_quiz_reports#{section}");
            for part in 0..300 {
                let key = |at: u32| format!("{:024x}-0123456789#{section}", part * 1_000 + at);
                let (first, last) = (key(0), key(999));
                parts.end(PartKey { group: &group, first: &first, last: &last }, u64::MAX, true);
            }
        }
        let bytes = parts.progress().map(|text| text.len());
        assert!(bytes.is_some_and(|bytes| bytes > 150_000), "{bytes:?}");
    }

    #[test]
    fn what_the_result_no_longer_has_is_forgotten_before_it_is_deleted() {
        let earlier = WrittenParts::default();
        for (first, last) in [("a", "c"), ("d", "f"), ("g", "i")] {
            earlier.end(key(first, last), 1, true);
        }
        earlier.end(PartKey { group: "u", ..key("d", "f") }, 1, true);
        let run = WrittenParts::from_progress(earlier.progress().as_deref());
        assert!(run.has(key("a", "c"), 1));
        run.end(key("g", "i"), 2, true);
        run.forget_others("t");
        let next = WrittenParts::from_progress(run.notes().as_deref());
        assert!(next.has(key("a", "c"), 1) && next.has(key("g", "i"), 2) && !next.has(key("d", "f"), 1));
        assert!(next.has(PartKey { group: "u", ..key("d", "f") }, 1), "of another table");
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let parts = WrittenParts::from_progress(Some("{]"));
        assert!(!parts.has(key("a", "c"), 1));
    }
}
