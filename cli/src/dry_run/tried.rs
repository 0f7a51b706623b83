use quiz_events::{SessionTarget, Sink};
use serde_json::{Map, Value, json};

use crate::dry_run::difference::{ReportCounts, SessionDifference};
use crate::dry_run::failure::Failure;
use crate::ui::Done;

/// The results of a dry run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    /// In the order of the arguments, like the failures.
    pub tests: Vec<SessionDifference>,
    pub failed: Vec<FailedSession>,
    /// Test sessions left out after Ctrl-C.
    pub left: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSession {
    pub target: SessionTarget,
    /// Whether only the warehouse failed; the test session is then also among the results.
    pub rows_only: bool,
    pub failure: Failure,
}

/// Sums over all results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub reports: ReportCounts,
    pub written: u64,
    pub new_or_changed: u64,
    pub unchanged: u64,
    pub deleted: u64,
    pub rows: u64,
}

impl Tried {
    #[must_use]
    pub fn done(&self) -> Done {
        if self.failed.is_empty() && self.left == 0 { Done::Well } else { Done::WithFailures }
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for test in &self.tests {
            totals.reports += test.reports;
            totals.rows += test.row_count();
            for items in &test.items {
                totals.written += items.written();
                totals.new_or_changed += items.new + items.changed;
                totals.unchanged += items.unchanged;
                totals.deleted += items.deleted;
            }
        }
        totals
    }

    /// The output of `--json`.
    #[must_use]
    pub fn json(&self) -> Value {
        let totals = self.totals();
        json!({
            "dry_run": true,
            "tests": self.tests.iter().map(SessionDifference::json).collect::<Vec<_>>(),
            "failed": self.failed.iter().map(FailedSession::json).collect::<Vec<_>>(),
            "totals": {
                "tests": self.tests.len(), "failed": self.failed.len(), "left": self.left,
                "reports": totals.reports.json(),
                "items": {
                    "written": totals.written, "new_or_changed": totals.new_or_changed,
                    "unchanged": totals.unchanged, "deleted": totals.deleted,
                },
                "rows": totals.rows,
            },
        })
    }
}

impl FailedSession {
    fn json(&self) -> Value {
        let failure = &self.failure;
        let mut fields = Map::new();
        fields.insert("session_id".to_owned(), json!(self.target.session_id));
        fields.insert("quiz_id".to_owned(), json!(self.target.quiz_id));
        if self.rows_only {
            fields.insert("sink".to_owned(), json!(Sink::Warehouse));
        }
        fields.insert("error_code".to_owned(), json!(failure.code));
        fields.insert("error".to_owned(), json!(failure.error));
        fields.insert("next_step".to_owned(), json!(failure.next_step));
        Value::Object(fields)
    }
}
