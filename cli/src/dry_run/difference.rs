use std::ops::AddAssign;

use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use quiz_domain::{Problem, Problems};
use serde_json::{Map, Value, json};

use crate::dry_run::changes::LargestChanges;
use crate::dry_run::failure::Failure;

/// What a sync of one test would do.
#[derive(Clone, Debug, PartialEq)]
pub struct TestDifference {
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: String,
    /// A form has no ranks.
    pub is_form: bool,
    /// Everyone with an attempt, and those of them whose attempt is final.
    pub participants: usize,
    pub ranked: u32,
    pub reports: ReportCounts,
    /// Of the tables that have any, or would.
    pub items: Vec<ItemCounts>,
    pub largest: LargestChanges,
    /// `None` where the warehouse was left out; why there would be none, where its rows cannot be.
    pub rows: Option<Result<Vec<TableRows>, Failure>>,
    pub problems: Problems,
}

/// Reports: all items of one student in one session, in all tables that the run writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportCounts {
    /// Nothing is stored of them.
    pub new: u64,
    /// An item differs, appears or disappears.
    pub changed: u64,
    pub unchanged: u64,
    /// All their items would be deleted.
    pub removed: u64,
}

/// Items of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemCounts {
    pub table: ReportTable,
    pub new: u64,
    pub changed: u64,
    /// Stored as they should be.
    pub unchanged: u64,
    /// Of the unchanged ones, those that are written all the same: their stored items have no digest that tells it,
    /// or the sync is a forced one.
    pub rewritten: u64,
    pub deleted: u64,
}

/// Rows of one table that would replace those of the session.
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
    pub(crate) fn none(table: ReportTable) -> Self {
        Self { table, new: 0, changed: 0, unchanged: 0, rewritten: 0, deleted: 0 }
    }

    pub(crate) fn touches_any(&self) -> bool {
        self.new + self.changed + self.unchanged + self.deleted > 0
    }

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

impl TestDifference {
    /// Rows of all tables.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        let rows = self.rows.iter().flatten().flatten();
        rows.map(|it| it.rows).sum()
    }

    pub(crate) fn json(&self) -> Value {
        let problem = |it: Problem| json!({"kind": it.kind.code(), "count": it.count, "example": it.example});
        let rows = match &self.rows {
            Some(Ok(tables)) => {
                let rows = tables.iter().map(|it| (it.table.name().to_owned(), json!(it.rows)));
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
