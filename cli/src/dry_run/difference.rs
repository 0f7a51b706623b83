use std::ops::AddAssign;

use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use quiz_domain::{Problem, Problems};
use serde_json::{Map, Value, json};

use crate::dry_run::changes::LargestChanges;
use crate::dry_run::failure::Failure;

/// What a sync of one test session would change.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionDifference {
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: String,
    /// Whether the quiz is a form, which has no ranks.
    pub is_form: bool,
    /// Students with an attempt.
    pub participants: usize,
    /// Participants whose attempt is final.
    pub ranked: u32,
    pub reports: ReportCounts,
    /// One for each table with items before or after.
    pub items: Vec<ItemCounts>,
    pub largest: LargestChanges,
    /// `None` without the warehouse; an error if the warehouse refuses the rows.
    pub rows: Option<Result<Vec<TableRows>, Failure>>,
    pub problems: Problems,
}

/// Counts of reports. A report is all items of one student in one test session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportCounts {
    /// Without a stored item.
    pub new: u64,
    /// With a new, changed or deleted item.
    pub changed: u64,
    pub unchanged: u64,
    /// All items deleted.
    pub removed: u64,
}

/// Counts of items in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemCounts {
    pub table: ReportTable,
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// Unchanged items that are still written: in a forced sync, or because the stored item has no digest.
    pub rewritten: u64,
    pub deleted: u64,
}

/// The number of rows that a sync would write into one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRows {
    pub table: WarehouseTable,
    pub rows: u64,
}

impl ReportCounts {
    pub(crate) fn json(self) -> Value {
        let Self { new, changed, unchanged, removed } = self;
        json!({"new": new, "changed": changed, "unchanged": unchanged, "removed": removed})
    }
}

impl AddAssign for ReportCounts {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.removed += other.removed;
    }
}

impl ItemCounts {
    pub(crate) fn empty(table: ReportTable) -> Self {
        Self { table, new: 0, changed: 0, unchanged: 0, rewritten: 0, deleted: 0 }
    }

    pub(crate) fn has_any(&self) -> bool {
        self.new + self.changed + self.unchanged + self.deleted > 0
    }

    /// Items that a sync would write.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.new + self.changed + self.rewritten
    }

    fn json(&self) -> Value {
        json!({
            "table": self.table.default_name(), "written": self.written(),
            "new": self.new, "changed": self.changed, "unchanged": self.unchanged, "deleted": self.deleted,
        })
    }
}

impl SessionDifference {
    /// The rows of all tables.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        let rows = self.rows.iter().flatten().flatten();
        rows.map(|table| table.rows).sum()
    }

    pub(crate) fn json(&self) -> Value {
        let problem = |problem: Problem| json!({"kind": problem.kind.code(), "count": problem.count, "example": problem.example});
        let rows = match &self.rows {
            Some(Ok(tables)) => {
                let rows = tables.iter().map(|table| (table.table.name().to_owned(), json!(table.rows)));
                Value::Object(rows.collect::<Map<_, _>>())
            }
            Some(Err(_)) | None => Value::Null,
        };
        json!({
            "session_id": self.session_id, "quiz_id": self.quiz_id, "test_name": self.test_name,
            "takers": self.participants, "ranked": self.ranked, "reports": self.reports.json(),
            "items": self.items.iter().map(ItemCounts::json).collect::<Vec<_>>(),
            "largest_changes": self.largest.json(), "rows": rows,
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
        })
    }
}
