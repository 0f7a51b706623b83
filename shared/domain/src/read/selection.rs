//! Chooses one attempt for each user.
//!
//! A resumed attempt is a new document that copies the answers so far, so a user can have several documents. The ended one
//! with the greatest `_id` counts; where none has ended, the one with the greatest `_id`. A document without a start event
//! and without an answer is no attempt, but only reading the whole document shows that. So the choice is a loop:
//!
//! 1. The caller adds the head of each document, and calls [`AttemptSelection::merge_states`].
//! 2. The caller takes the best document of each user and reads it.
//! 3. For users whose document was no attempt, the caller repeats with their next document ([`AttemptSelection::keep`]).

use std::cmp::Ordering;
use std::collections::HashSet;

use rayon::prelude::ParallelSliceMut;

use crate::problem::{ProblemKind, Problems};
use crate::read::attempt::AttemptHead;

/// The session documents that can still count, by user.
#[derive(Debug, Default)]
pub struct AttemptSelection {
    excluded: HashSet<String>,
    /// Documents that were not taken yet. Once `is_sorted` is set, they are in order: by user, and the best first.
    untried: Vec<AttemptHead>,
    is_sorted: bool,
}

impl AttemptSelection {
    /// Starts a selection without the users in `excluded`: administrators who try tests appear in no report.
    #[must_use]
    pub fn new(excluded: HashSet<String>) -> Self {
        Self { excluded, ..Self::default() }
    }

    /// Adds one document.
    pub fn add(&mut self, head: AttemptHead) {
        if !self.excluded.contains(&head.user_id) {
            self.is_sorted = false;
            self.untried.push(head);
        }
    }

    /// Keeps the newest state of each document, and adds a problem for each document with several. Call this once, after
    /// all documents are added.
    ///
    /// Two combined dumps hold a document twice. MongoDB can return a document twice where its index entry moves during
    /// the scan. An `_id` as text equals the same `_id` as `ObjectId`. The later one of two equal states stays.
    pub fn merge_states(&mut self, problems: &mut Problems) {
        self.is_sorted = false;
        // the sort is stable, so after the reversal the later of two equal states comes first
        self.untried.reverse();
        self.untried.par_sort_by(|a, b| a.id.cmp(&b.id).then_with(|| b.state().cmp(&a.state())));
        for states in self.untried.chunk_by(|a, b| a.id == b.id) {
            if let [head, _, ..] = states {
                let example = format!("session document {} is stored {} times", head.id, states.len());
                problems.add(ProblemKind::DocumentStoredTwice, example);
            }
        }
        self.untried.dedup_by(|older, newest| older.id == newest.id);
    }

    /// The number of documents that were not taken yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.untried.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.untried.is_empty()
    }

    /// Takes the best remaining document of each user, sorted by user id.
    #[must_use]
    pub fn take_best(&mut self) -> Vec<AttemptHead> {
        self.take_first(1)
    }

    /// Takes up to `most` remaining documents of each user, sorted by user id, and the best first.
    #[must_use]
    pub fn take_first(&mut self, most: usize) -> Vec<AttemptHead> {
        if !self.is_sorted {
            self.untried.sort_unstable_by(best_first);
            self.is_sorted = true;
        }
        let mut first: Vec<AttemptHead> = Vec::new();
        let mut others = Vec::new();
        let mut taken = 0;
        for head in self.untried.drain(..) {
            let is_next_user = first.last().is_none_or(|last| last.user_id != head.user_id);
            taken = if is_next_user { 1 } else { taken + 1 };
            if taken <= most { &mut first } else { &mut others }.push(head);
        }
        self.untried = others;
        first
    }

    /// Keeps the remaining documents of these users only: the taken documents of these users were no attempts.
    pub fn keep(&mut self, users: &HashSet<String>) {
        self.untried.retain(|head| users.contains(&head.user_id));
    }

    /// Drops the remaining documents of these users: their attempt is found.
    pub fn drop_users(&mut self, users: &HashSet<&str>) {
        self.untried.retain(|head| !users.contains(head.user_id.as_str()));
    }
}

/// Orders by user id. The best document of a user comes first.
fn best_first(a: &AttemptHead, b: &AttemptHead) -> Ordering {
    let best_first = || (b.ended, &b.id, b.is_object_id).cmp(&(a.ended, &a.id, a.is_object_id));
    a.user_id.cmp(&b.user_id).then_with(best_first)
}
