use std::collections::HashMap;

use quiz_domain::reports::{ReportItem, ReportTable};
use serde_json::Value;

use crate::dry_run::changes::{Change, LargestChanges, Overall};
use crate::dry_run::difference::{ItemCounts, ReportCounts};
use crate::dry_run::digest::digest;

/// Compares the stored items of a test session with the items of a new run, one table at a time. It keeps only the key
/// and a digest of each item, so that a large test session fits into memory.
#[derive(Debug, Default)]
pub struct Comparison {
    by_user: HashMap<String, usize>,
    reports: Vec<Report>,
    tables: Vec<ItemCounts>,
    /// Stored items of the current table without a new item yet, by sort key.
    stored: HashMap<String, Stored>,
}

#[derive(Debug)]
struct Stored {
    digest: u64,
    report: usize,
    overall: Option<Overall>,
}

/// The report of one student: all items of the student.
#[derive(Debug, Default)]
struct Report {
    is_stored: bool,
    is_kept: bool,
    differs: bool,
    old: Option<Overall>,
    new: Option<Overall>,
}

impl Comparison {
    /// Starts the next table. Stored items of the table before without a new item stay unchanged.
    pub fn start_table(&mut self, table: ReportTable) {
        self.keep_others();
        self.tables.push(ItemCounts::empty(table));
    }

    /// Adds a stored item of the current table.
    pub fn add_stored(&mut self, table: ReportTable, sort_key: &str, item: &Value) {
        // older items may lack the field user_id, but their key begins with it
        let user_in_key = || sort_key.split('#').next().unwrap_or_default();
        let index = self.report(text(item, "user_id").unwrap_or_else(user_in_key));
        let overall = Overall::from_item(table, item);
        self.stored.insert(sort_key.to_owned(), Stored { digest: digest(item), report: index, overall });
        if let Some(report) = self.reports.get_mut(index) {
            report.is_stored = true;
            report.old = report.old.or(overall);
        }
    }

    /// Adds an item that a real run would write to the current table.
    ///
    /// # Errors
    /// An item that cannot be written as JSON.
    pub fn add_new(&mut self, item: &ReportItem) -> Result<(), serde_json::Error> {
        let sort_key = item.sort_key();
        let table = item.table();
        let item = serde_json::to_value(item)?;
        let old = self.stored.remove(sort_key).map(|stored| stored.digest);
        let index = self.report(text(&item, "user_id").unwrap_or_default());
        let is_same = old == Some(digest(&item));
        if let Some(report) = self.reports.get_mut(index) {
            report.is_kept = true;
            report.differs |= !is_same;
            report.new = report.new.or_else(|| Overall::from_item(table, &item));
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

    /// Adds the keys that a real run would delete from the current table, and returns the number of items.
    pub fn add_deleted(&mut self, sort_keys: &[String]) -> u64 {
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

    fn keep_others(&mut self) {
        let others = std::mem::take(&mut self.stored);
        if let Some(counts) = self.tables.last_mut() {
            counts.unchanged += u64::try_from(others.len()).unwrap_or(u64::MAX);
        }
        for stored in others.into_values() {
            if let Some(report) = self.reports.get_mut(stored.report) {
                report.is_kept = true;
                report.new = report.new.or(stored.overall);
            }
        }
    }

    /// The counts, and at most `most` of the largest changes of each kind.
    pub fn finish(mut self, most: usize) -> (ReportCounts, Vec<ItemCounts>, LargestChanges) {
        self.keep_others();
        let mut counts = ReportCounts::default();
        let mut changes = Vec::new();
        for (user_id, index) in &self.by_user {
            let Some(report) = self.reports.get(*index) else { continue };
            match (report.is_stored, report.is_kept) {
                (false, false) => {}
                (false, true) => counts.new += 1,
                (true, false) => counts.removed += 1,
                (true, true) if report.differs => counts.changed += 1,
                (true, true) => counts.unchanged += 1,
            }
            let both = report.old.zip(report.new);
            changes.extend(both.filter(|(old, new)| old != new).map(|(a, b)| Change::between(user_id, a, b)));
        }
        let tables = self.tables.into_iter().filter(ItemCounts::has_any).collect();
        (counts, tables, LargestChanges::select(&changes, most))
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

/// The text in a field of an item.
pub fn text<'a>(item: &'a Value, field: &str) -> Option<&'a str> {
    item.get(field)?.as_str()
}
