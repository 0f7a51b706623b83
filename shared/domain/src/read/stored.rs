//! How a source hands over documents that it cannot decode, and which of two documents with the same `_id` counts.

use bson::{Bson, Document};
use jiff::Timestamp;

use crate::read::time;

/// MongoDB's own fields begin so, the Quiz Engine's never do.
const WHY: &str = "$unreadable";

/// Stands for a document that a source cannot decode: its `_id`, where that can be read, and why the rest cannot.
#[must_use]
pub fn unreadable(id: Option<Bson>, why: &str) -> Document {
    let id = id.map(|id| ("_id".to_owned(), id));
    id.into_iter().chain([(WHY.to_owned(), Bson::from(why))]).collect()
}

/// Why the document could not be decoded; `None` for one that was.
#[must_use]
pub fn why_unreadable(document: &Document) -> Option<&str> {
    document.get_str(WHY).ok()
}

/// Whether `document` counts rather than `kept`, which was stored before it under the same `_id`: one that can be read,
/// then one with a later `updated_at`.
#[must_use]
pub fn replaces(document: &Document, kept: &Document) -> bool {
    let state = |document: &Document| (why_unreadable(document).is_none(), updated_at(document));
    state(document) > state(kept)
}

fn updated_at(document: &Document) -> Option<Timestamp> {
    document.get("updated_at").and_then(time::from_utc)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::{replaces, unreadable, why_unreadable};

    #[test]
    fn readable_then_newer_document_counts() {
        let at = |day: i32| doc! {"_id": "a", "updated_at": format!("2026-05-0{day}T00:00:00")};
        assert!(replaces(&at(2), &at(1)));
        assert!(!replaces(&at(1), &at(2)));
        assert!(!replaces(&at(1), &at(1)));
        assert!(!replaces(&doc! {"_id": "a"}, &doc! {"_id": "a"}));
        let broken = unreadable(Some("a".into()), "why");
        assert!(replaces(&doc! {"_id": "a"}, &broken));
        assert!(!replaces(&broken, &at(1)));
        assert_eq!((why_unreadable(&broken), why_unreadable(&at(1))), (Some("why"), None));
    }
}
