//! What the stores hold of one student.

use std::collections::BTreeSet;

use anyhow::Context;
use quiz_bigquery::StudentRows;
use quiz_dynamo::StudentItem;
use quiz_sns_sqs::dead_letters::{Content, DeadLetter};
use serde_json::Value;

use crate::dead_letters::{DlqClient, MessageFilter};
use crate::erase::stores::Stores;
use crate::ui::Interrupt;

/// Report items and warehouse rows of one student.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub items: Vec<StudentItem>,
    pub rows: Vec<StudentRows>,
}

impl Stored {
    /// Reads DynamoDB and BigQuery.
    ///
    /// # Errors
    /// A store that does not answer, or a search in BigQuery that is too dear.
    pub async fn find(stores: &Stores, user_id: &str) -> anyhow::Result<Self> {
        let items = async { stores.tables.items(user_id).await.context("cannot find the report items") };
        let rows = async { stores.warehouse.find(user_id).await.context("cannot find the warehouse rows") };
        let (items, rows) = futures::try_join!(items, rows)?;
        Ok(Self { items, rows })
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.rows.is_empty()
    }

    /// The number of warehouse rows.
    pub fn row_count(&self) -> u64 {
        self.rows.iter().map(|rows| rows.rows).sum()
    }

    /// The test sessions of items and rows.
    pub fn session_ids(&self) -> BTreeSet<String> {
        let items = self.items.iter().map(|item| &item.session_id);
        let all = items.chain(self.rows.iter().map(|rows| &rows.session_id));
        all.filter(|session_id| !session_id.is_empty()).cloned().collect()
    }
}

/// Finds the parked messages that name the student.
///
/// # Errors
/// Those of the search, which releases all messages before.
pub(crate) async fn find_letters(
    dlq: &mut DlqClient,
    user_id: &str,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<DeadLetter>> {
    let keep =
        |letter: DeadLetter, content: Content| names_user(&content.published(), user_id).then_some(letter);
    let found = dlq.search(&MessageFilter::default(), interrupt, keep).await?;
    Ok(found.chosen.into_iter().flatten().collect())
}

/// Whether a field `user_id` of the JSON, at any depth, has this user.
fn names_user(published: &str, user_id: &str) -> bool {
    fn has_user(value: &Value, user_id: &str) -> bool {
        let is_user = |value: &Value| match value {
            Value::String(text) => text == user_id,
            Value::Number(number) => number.to_string() == user_id,
            _ => false,
        };
        match value {
            Value::Object(fields) => fields
                .iter()
                .any(|(name, value)| (name == "user_id" && is_user(value)) || has_user(value, user_id)),
            Value::Array(values) => values.iter().any(|value| has_user(value, user_id)),
            _ => false,
        }
    }
    serde_json::from_str::<Value>(published).is_ok_and(|value| has_user(&value, user_id))
}

#[cfg(test)]
mod tests {
    use quiz_bigquery::StudentRows;
    use quiz_domain::reports::ReportTable;
    use quiz_domain::rows::WarehouseTable;
    use quiz_dynamo::StudentItem;

    use super::{Stored, names_user};

    #[test]
    fn message_names_a_student_at_any_depth() {
        assert!(names_user(r#"{"type": "quiz.completed", "user_id": "7"}"#, "7"));
        assert!(names_user(r#"{"sessions": [{"user_id": 7}]}"#, "7"));
        assert!(!names_user(r#"{"user_id": "77", "session_id": "7"}"#, "7"));
        assert!(!names_user("7", "7") && !names_user("user_id 7", "7"));
    }

    #[test]
    fn sessions_come_from_items_and_rows() {
        let item = |session_id: &str| StudentItem {
            table: ReportTable::Students,
            session_id: session_id.into(),
            sort_key: "u".into(),
        };
        let rows = |session_id: &str| StudentRows {
            table: WarehouseTable::TestResponses,
            session_id: session_id.into(),
            start_date: None,
            rows: 3,
        };
        let stored = Stored { items: vec![item("B"), item("A")], rows: vec![rows("B"), rows("")] };
        assert_eq!(stored.session_ids().into_iter().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(stored.row_count(), 6);
    }
}
