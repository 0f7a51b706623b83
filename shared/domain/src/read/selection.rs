use std::cmp::Ordering;
use std::collections::HashSet;

use rayon::prelude::ParallelSliceMut;

use crate::problem::{ProblemKind, Problems};
use crate::read::attempt::AttemptHead;

/// The session documents of each user, of which the best that is an attempt counts: the ended one
/// with the greatest `_id`; where none has ended, the greatest `_id`.
#[derive(Debug, Default)]
pub struct AttemptSelection {
    excluded: HashSet<String>,
    /// Those not yet tried; once one was asked for, by user, the best one first.
    untried: Vec<AttemptHead>,
    sorted: bool,
}

impl AttemptSelection {
    /// Users in `excluded` (administrators who try tests) are left out of everything.
    #[must_use]
    pub fn new(excluded: HashSet<String>) -> Self {
        Self { excluded, ..Self::default() }
    }

    pub fn add(&mut self, head: AttemptHead) {
        if !self.excluded.contains(&head.user_id) {
            self.sorted = false;
            self.untried.push(head);
        }
    }

    /// Keeps the newest state of each document. Call it when all documents are added.
    ///
    /// Two dumps that were put together hold a document twice, and MongoDB can return one twice whose index entry moves
    /// during the scan. An `_id` as text and as `ObjectId` is the same. Of equal states the one that was added later stays.
    pub fn merge_states(&mut self, problems: &mut Problems) {
        self.sorted = false;
        // the sort is stable, so the later of two equal states comes first
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

    /// Documents not yet tried.
    #[must_use]
    pub fn len(&self) -> usize {
        self.untried.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.untried.is_empty()
    }

    /// The best untried document of each user, by user id.
    #[must_use]
    pub fn take_best(&mut self) -> Vec<AttemptHead> {
        self.take_first(1)
    }

    /// Up to `most` untried documents of each user, by user id and best first.
    #[must_use]
    pub fn take_first(&mut self, most: usize) -> Vec<AttemptHead> {
        if !self.sorted {
            self.untried.sort_unstable_by(best_first);
            self.sorted = true;
        }
        let mut first: Vec<AttemptHead> = Vec::new();
        let mut others = Vec::new();
        let mut of_user = 0;
        for head in self.untried.drain(..) {
            let is_next_user = first.last().is_none_or(|last| last.user_id != head.user_id);
            of_user = if is_next_user { 1 } else { of_user + 1 };
            if of_user <= most { &mut first } else { &mut others }.push(head);
        }
        self.untried = others;
        first
    }

    /// Keeps only the untried documents of these users: those whose documents so far turned out to be no attempts.
    pub fn keep(&mut self, users: &HashSet<String>) {
        self.untried.retain(|head| users.contains(&head.user_id));
    }

    /// Drops the untried documents of these users: their attempt is found.
    pub fn drop_users(&mut self, users: &HashSet<&str>) {
        self.untried.retain(|head| !users.contains(head.user_id.as_str()));
    }
}

/// By user id; of one user's documents the best comes first.
fn best_first(a: &AttemptHead, b: &AttemptHead) -> Ordering {
    let best_first = || (b.ended, &b.id, b.is_object_id).cmp(&(a.ended, &a.id, a.is_object_id));
    a.user_id.cmp(&b.user_id).then_with(best_first)
}
