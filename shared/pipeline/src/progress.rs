//! A sync that takes longer than an invocation is written by several runs, one after the other. Each reads, scores and
//! ranks again, and writes only the items that are not there as they should be: a stored item has a digest of its
//! content. So a run that has to stop leaves no list of what it has written.
//!
//! Only a forced sync needs more, as it also writes what is unchanged: its next run must know which items it has
//! written already. A stored item has the generation of the run that wrote it, so the state keeps the generation of the
//! first of these runs. `docs/decisions/0011-unchanged-items.md`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// How far a sync has come: what the state keeps between its runs.
#[derive(Clone, Debug, Default)]
pub struct WriteProgress {
    earlier: Option<Runs>,
    of_run: Arc<Marks>,
}

/// What the run itself has done.
#[derive(Debug, Default)]
struct Marks {
    has_begun: AtomicBool,
    has_written: AtomicBool,
}

/// As it is stored. The version before adds the parts that it has written, and takes a progress without them for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Runs {
    /// Of the first run.
    generation: i64,
    /// Whether they write also what is unchanged.
    #[serde(default)]
    rewritten: bool,
}

impl WriteProgress {
    /// What earlier runs have left; none where that cannot be read.
    #[must_use]
    pub fn of(stored: Option<&str>) -> Self {
        let earlier = stored.and_then(|text| serde_json::from_str(text).ok());
        Self { earlier, of_run: Arc::default() }
    }

    /// The generation of the first earlier run of the same sync. A forced sync does not go on with one that was not.
    #[must_use]
    pub fn first(&self, rewrite: bool) -> Option<i64> {
        self.earlier.filter(|runs| runs.rewritten || !rewrite).map(|runs| runs.generation)
    }

    /// The run is about to write or delete something: some of it may be there though the request fails.
    pub fn note_begun(&self) {
        self.of_run.has_begun.store(true, Ordering::SeqCst);
    }

    /// The run has written something.
    pub fn note_written(&self) {
        self.of_run.has_written.store(true, Ordering::SeqCst);
    }

    /// What a run leaves that had to stop; `None` where it has written nothing.
    #[must_use]
    pub fn of_stopped(&self, generation: i64, rewrite: bool) -> Option<String> {
        let has_written = self.of_run.has_written.load(Ordering::SeqCst);
        has_written.then(|| self.next(generation, rewrite)).and_then(text)
    }

    /// What a run leaves that failed; `None` where neither it nor an earlier run can have written anything.
    #[must_use]
    pub fn of_failed(&self, generation: i64, rewrite: bool) -> Option<String> {
        let has_begun = self.of_run.has_begun.load(Ordering::SeqCst);
        if has_begun { text(self.next(generation, rewrite)) } else { self.earlier.and_then(text) }
    }

    fn next(&self, generation: i64, rewrite: bool) -> Runs {
        Runs { generation: self.first(rewrite).unwrap_or(generation), rewritten: rewrite }
    }
}

fn text(runs: Runs) -> Option<String> {
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
        WriteProgress::of(progress.of_stopped(generation, rewrite).as_deref())
    }

    #[test]
    fn later_runs_know_the_first_one() {
        let first = WriteProgress::default();
        let second = after(&first, 7, true);
        assert_eq!((first.first(true), second.first(true)), (None, Some(7)));
        assert_eq!(after(&second, 9, true).first(true), Some(7));
    }

    #[test]
    fn run_that_wrote_nothing_leaves_what_it_found() {
        let run = WriteProgress::default();
        assert_eq!((run.of_stopped(7, false), run.of_failed(7, false)), (None, None));
        run.note_begun();
        let left = run.of_failed(7, false);
        assert_eq!((run.of_stopped(7, false), left.is_some()), (None, true), "a request may have arrived");
        let next = WriteProgress::of(left.as_deref());
        assert_eq!((next.of_stopped(9, false), next.of_failed(9, false)), (None, left));
    }

    #[test]
    fn forced_sync_begins_anew_after_one_that_was_not() {
        let unforced = after(&WriteProgress::default(), 7, false);
        assert_eq!((unforced.first(false), unforced.first(true)), (Some(7), None));
        assert_eq!(after(&unforced, 9, true).first(true), Some(9));
    }

    #[test]
    fn progress_of_the_version_before_is_read() {
        assert_eq!(WriteProgress::of(Some(BEFORE)).first(true), Some(7));
        assert_eq!(WriteProgress::of(Some("{]")).first(false), None);
    }

    #[test]
    fn version_before_takes_ours_for_none() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Noted {
            written_at: jiff::Timestamp,
            generation: i64,
            groups: serde_json::Value,
        }
        let progress = WriteProgress::default();
        progress.note_written();
        let ours = progress.of_stopped(7, true).unwrap();
        assert_eq!(ours, r#"{"generation":7,"rewritten":true}"#);
        assert!(
            serde_json::from_str::<Noted>(BEFORE).is_ok() && serde_json::from_str::<Noted>(&ours).is_err()
        );
    }
}
