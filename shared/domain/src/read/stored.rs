//! Represents documents that a source cannot decode, and chooses between two documents with the same `_id`.

use bson::{Bson, Document};
use jiff::Timestamp;

use crate::read::time;

/// The Quiz Engine has no field whose name begins with `$`.
const CAUSE: &str = "$unreadable";

/// Makes a substitute for a document that a source cannot decode. It has the `_id`, where that can be read, and the
/// cause `why`.
#[must_use]
pub fn unreadable(id: Option<Bson>, why: &str) -> Document {
    let id = id.map(|id| ("_id".to_owned(), id));
    id.into_iter().chain([(CAUSE.to_owned(), Bson::from(why))]).collect()
}

/// The cause in a substitute from [`unreadable`]; `None` for a real document.
#[must_use]
pub fn unreadable_cause(document: &Document) -> Option<&str> {
    document.get_str(CAUSE).ok()
}

/// Whether `document` counts instead of `kept`, which comes before it under the same `_id`. A readable document counts
/// before an unreadable one, then the later `updated_at` counts.
#[must_use]
pub fn replaces(document: &Document, kept: &Document) -> bool {
    let state = |document: &Document| (unreadable_cause(document).is_none(), updated_at(document));
    state(document) > state(kept)
}

fn updated_at(document: &Document) -> Option<Timestamp> {
    document.get("updated_at").and_then(time::read_utc_time)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::{replaces, unreadable, unreadable_cause};

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
        assert_eq!((unreadable_cause(&broken), unreadable_cause(&at(1))), (Some("why"), None));
    }
}
