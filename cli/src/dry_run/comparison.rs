use std::collections::HashMap;

use quiz_domain::reports::{ReportItem, ReportTable};
use serde_json::Value;

use crate::dry_run::changes::{Change, LargestChanges, Overall};
use crate::dry_run::difference::{ItemCounts, ReportCounts};
use crate::dry_run::digest::digest;

/// Compares a test's stored items, table by table, with those that would replace them. Of an item only its key
/// and a digest are kept, and of one table at a time.
#[derive(Debug, Default)]
pub struct Comparison {
    by_user: HashMap<String, usize>,
    reports: Vec<Report>,
    tables: Vec<ItemCounts>,
    /// By sort key, the stored items of the last table that nothing has replaced yet.
    stored: HashMap<String, Stored>,
}

#[derive(Debug)]
struct Stored {
    digest: u64,
    report: usize,
    overall: Option<Overall>,
}

/// All items of one student.
#[derive(Debug, Default)]
struct Report {
    is_stored: bool,
    is_there_after: bool,
    differs: bool,
    old: Option<Overall>,
    new: Option<Overall>,
}

impl Comparison {
    /// Turns to a table, whose stored items come next. Those of the table before that nothing replaced stay as they
    /// are.
    pub fn turn_to(&mut self, table: ReportTable) {
        self.leave_others();
        self.tables.push(ItemCounts::none(table));
    }

    /// Takes an item that is stored in the table.
    pub fn take_stored(&mut self, table: ReportTable, sort_key: &str, item: &Value) {
        // older items may lack what is in their key
        let of_key = || sort_key.split('#').next().unwrap_or_default();
        let index = self.report(text(item, "user_id").unwrap_or_else(of_key));
        let overall = Overall::of(table, item);
        self.stored.insert(sort_key.to_owned(), Stored { digest: digest(item), report: index, overall });
        if let Some(report) = self.reports.get_mut(index) {
            report.is_stored = true;
            report.old = report.old.or(overall);
        }
    }

    /// Takes an item that would be written to the table.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn take_snapshot(&mut self, item: &ReportItem) -> Result<(), serde_json::Error> {
        let sort_key = item.sort_key();
        let table = item.table();
        let item = serde_json::to_value(item)?;
        let old = self.stored.remove(sort_key).map(|it| it.digest);
        let index = self.report(text(&item, "user_id").unwrap_or_default());
        let is_same = old == Some(digest(&item));
        if let Some(report) = self.reports.get_mut(index) {
            report.is_there_after = true;
            report.differs |= !is_same;
            report.new = report.new.or_else(|| Overall::of(table, &item));
        }
        if let Some(counts) = self.tables.last_mut() {
            match old {
                None => counts.new += 1,
                Some(_) if is_same => {
                    counts.unchanged += 1;
                    counts.rewritten += 1;
                }
                Some(_) => counts.changed += 1,
            }
        }
        Ok(())
    }

    /// Takes what would be deleted of the table; tells how many.
    pub fn take_deleted(&mut self, sort_keys: &[String]) -> u64 {
        let mut deleted = 0;
        for stored in sort_keys.iter().filter_map(|sort_key| self.stored.remove(sort_key)) {
            deleted += 1;
            if let Some(report) = self.reports.get_mut(stored.report) {
                report.differs = true;
            }
        }
        if let Some(counts) = self.tables.last_mut() {
            counts.deleted += deleted;
        }
        deleted
    }

    fn leave_others(&mut self) {
        let others = std::mem::take(&mut self.stored);
        if let Some(counts) = self.tables.last_mut() {
            counts.unchanged += u64::try_from(others.len()).unwrap_or(u64::MAX);
        }
        for stored in others.into_values() {
            if let Some(report) = self.reports.get_mut(stored.report) {
                report.is_there_after = true;
                report.new = report.new.or(stored.overall);
            }
        }
    }

    /// The counts, and at most so many of the largest changes of either kind.
    pub fn finish(mut self, most: usize) -> (ReportCounts, Vec<ItemCounts>, LargestChanges) {
        self.leave_others();
        let mut counts = ReportCounts::default();
        let mut changes = Vec::new();
        for (user_id, index) in &self.by_user {
            let Some(report) = self.reports.get(*index) else { continue };
            match (report.is_stored, report.is_there_after) {
                (false, false) => {}
                (false, true) => counts.new += 1,
                (true, false) => counts.removed += 1,
                (true, true) if report.differs => counts.changed += 1,
                (true, true) => counts.unchanged += 1,
            }
            let both = report.old.zip(report.new);
            changes.extend(both.filter(|(old, new)| old != new).map(|(a, b)| Change::of(user_id, a, b)));
        }
        let tables = self.tables.into_iter().filter(ItemCounts::touches_any).collect();
        (counts, tables, LargestChanges::of(&changes, most))
    }

    fn report(&mut self, user_id: &str) -> usize {
        if let Some(index) = self.by_user.get(user_id) {
            return *index;
        }
        let index = self.reports.len();
        self.reports.push(Report::default());
        self.by_user.insert(user_id.to_owned(), index);
        index
    }
}

pub fn text<'a>(item: &'a Value, field: &str) -> Option<&'a str> {
    item.get(field)?.as_str()
}
