//! A sync that takes longer than an invocation is written by several runs, one after the other. Each run reads, scores
//! and ranks again, and writes only items whose stored digest differs. So a stopped run leaves no list of written items.
//!
//! A forced sync also rewrites unchanged items, so its next run must know which items are rewritten already. A stored
//! item has the generation of the run that wrote it, so the state keeps the generation of the first of these runs.
//! See docs/decisions/0011-unchanged-items.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// How far a sync has come, as the state keeps it between runs.
#[derive(Clone, Debug, Default)]
pub struct WriteProgress {
    earlier: Option<EarlierRuns>,
    marks: Arc<Marks>,
}

/// The actions of the current run.
#[derive(Debug, Default)]
struct Marks {
    has_begun: AtomicBool,
    has_written: AtomicBool,
}

/// The stored form. The version before also stores its written groups, and ignores a progress without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct EarlierRuns {
    /// The generation of the first run.
    generation: i64,
    /// Whether the runs also rewrite unchanged items.
    #[serde(default)]
    rewritten: bool,
}

impl WriteProgress {
    /// Parses the stored progress; a text that cannot be read counts as none.
    #[must_use]
    pub fn from_stored(stored: Option<&str>) -> Self {
        let earlier = stored.and_then(|text| serde_json::from_str(text).ok());
        Self { earlier, marks: Arc::default() }
    }

    /// The generation of the first earlier run of the same sync. A forced sync does not continue an unforced one.
    #[must_use]
    pub fn first(&self, rewrite: bool) -> Option<i64> {
        self.earlier.filter(|runs| runs.rewritten || !rewrite).map(|runs| runs.generation)
    }

    /// Notes that the run is about to write or delete: the write may arrive even if the request fails.
    pub fn note_begun(&self) {
        self.marks.has_begun.store(true, Ordering::SeqCst);
    }

    /// Notes that the run has written at least one item.
    pub fn note_written(&self) {
        self.marks.has_written.store(true, Ordering::SeqCst);
    }

    /// The progress to store after a stop; `None` if the run has written nothing.
    #[must_use]
    pub fn after_stop(&self, generation: i64, rewrite: bool) -> Option<String> {
        let has_written = self.marks.has_written.load(Ordering::SeqCst);
        has_written.then(|| self.next(generation, rewrite)).and_then(text)
    }

    /// The progress to store after a failure; `None` if neither this run nor an earlier one can have written anything.
    #[must_use]
    pub fn after_failure(&self, generation: i64, rewrite: bool) -> Option<String> {
        let has_begun = self.marks.has_begun.load(Ordering::SeqCst);
        if has_begun { text(self.next(generation, rewrite)) } else { self.earlier.and_then(text) }
    }

    fn next(&self, generation: i64, rewrite: bool) -> EarlierRuns {
        EarlierRuns { generation: self.first(rewrite).unwrap_or(generation), rewritten: rewrite }
    }
}

fn text(runs: EarlierRuns) -> Option<String> {
    serde_json::to_string(&runs).ok()
}

#[cfg(test)]
mod tests {
    use super::WriteProgress;

    /// As the version before stores it.
    const BEFORE: &str = r#"{"written_at":"2026-11-21T08:36:00Z","generation":7,"rewritten":true,
        "groups":{"student_quiz_reports#overall":{"a#overall":{"last":"c#overall","digest":1}}}}"#;

    fn after(progress: &WriteProgress, generation: i64, rewrite: bool) -> WriteProgress {
        progress.note_begun();
        progress.note_written();
        WriteProgress::from_stored(progress.after_stop(generation, rewrite).as_deref())
    }

    #[test]
    fn later_runs_know_the_first_one() {
        let first = WriteProgress::default();
        let second = after(&first, 7, true);
        assert_eq!((first.first(true), second.first(true)), (None, Some(7)));
        assert_eq!(after(&second, 9, true).first(true), Some(7));
    }

    #[test]
    fn run_without_writes_keeps_the_stored_progress() {
        let run = WriteProgress::default();
        assert_eq!((run.after_stop(7, false), run.after_failure(7, false)), (None, None));
        run.note_begun();
        let left = run.after_failure(7, false);
        assert_eq!((run.after_stop(7, false), left.is_some()), (None, true), "a request may have arrived");
        let next = WriteProgress::from_stored(left.as_deref());
        assert_eq!((next.after_stop(9, false), next.after_failure(9, false)), (None, left));
    }

    #[test]
    fn forced_sync_does_not_continue_an_unforced_one() {
        let unforced = after(&WriteProgress::default(), 7, false);
        assert_eq!((unforced.first(false), unforced.first(true)), (Some(7), None));
        assert_eq!(after(&unforced, 9, true).first(true), Some(9));
    }

    #[test]
    fn progress_of_the_version_before_is_read() {
        assert_eq!(WriteProgress::from_stored(Some(BEFORE)).first(true), Some(7));
        assert_eq!(WriteProgress::from_stored(Some("{]")).first(false), None);
    }

    #[test]
    fn version_before_ignores_this_progress() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Noted {
            written_at: jiff::Timestamp,
            generation: i64,
            groups: serde_json::Value,
        }
        let progress = WriteProgress::default();
        progress.note_written();
        let ours = progress.after_stop(7, true).unwrap();
        assert_eq!(ours, r#"{"generation":7,"rewritten":true}"#);
        assert!(
            serde_json::from_str::<Noted>(BEFORE).is_ok() && serde_json::from_str::<Noted>(&ours).is_err()
        );
    }
}
