//! Reads the sync states that a pass needs: the unfinished ones, and those of answered quizzes.
//!
//! Finished test sessions of answered quizzes are many, and nearly all are up to date. So a pass reads them a part at a
//! time, and keeps only the states that can need a sync. See docs/decisions/0015-history.md.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, stream};
use quiz_events::Sink;
use quiz_sync_state::{Rules, StateError, StateKey, SyncState, without_refused_sessions};
use tokio::time::{Instant, timeout_at};

use crate::keys::{UsedKeys, has_finished};
use crate::outages::{RECOVERED_MS, WorkedAt, note_work};
use crate::pass::Reconciler;

/// Quizzes whose states are in memory at the same time.
const QUIZZES_AT_ONCE: usize = 5_000;
/// The most states that a pass stores to keep the index of unfinished states small and complete.
const MOST_CLEANED: usize = 1_000;
const STORED_AT_ONCE: usize = 16;

/// The sync states of a pass.
#[derive(Debug, Default)]
pub(crate) struct KnownStates {
    /// The states that can need a sync or a notice, and the states of the same test sessions in other sinks. Sorted by key.
    pub states: Vec<(StateKey, SyncState)>,
    /// From all states that the pass has read.
    pub worked_at: WorkedAt,
    /// The quizzes of all states that the pass has read.
    pub quizzes: HashSet<String>,
    /// The digests of the keys that the newest syncs used, by quiz id; none of a sync by an older version.
    pub used_keys: UsedKeys,
    /// Unfinished states that the index lacks.
    missing: Vec<StateKey>,
}

impl Reconciler {
    /// Adds the states of the answered quizzes to the unfinished ones. `answered` is the time of the newest answer, by quiz
    /// id, in ms since 1970.
    pub(crate) async fn read_known_states(
        &self,
        unfinished: Vec<(StateKey, SyncState)>,
        answered: &HashMap<String, i64>,
    ) -> Result<KnownStates, StateError> {
        let mut known = KnownStates::default();
        let unfinished = without_refused_sessions(unfinished);
        let mut states: BTreeMap<StateKey, SyncState> = unfinished.into_iter().collect();

        let quiz_ids: Vec<String> = answered.keys().cloned().collect();
        for part in quiz_ids.chunks(QUIZZES_AT_ONCE) {
            let found = without_refused_sessions(self.states.get_by_quiz(part).await?);
            note_work(&mut known.worked_at, &found);
            let is_missing = |(key, state): &&(StateKey, SyncState)| {
                state.is_unfinished() && state.lease.is_none() && !states.contains_key(key)
            };
            known.missing.extend(found.iter().filter(is_missing).map(|(key, _)| key.clone()));
            for (_, state) in &found {
                let used = known.used_keys.entry(state.quiz_id.clone()).or_default();
                used.extend(has_finished(state).then(|| state.key_digest.clone()));
            }
            for session in found.chunk_by(|(a, _), (b, _)| a.session_id == b.session_id) {
                known.quizzes.extend(session.iter().map(|(_, state)| state.quiz_id.clone()));
                if may_be_stale(session, answered, &self.limits.sinks) {
                    states.extend(session.iter().cloned());
                }
            }
        }

        // a sink is judged together with the other sinks of its test session
        let session_ids: HashSet<&String> = states.keys().map(|key| &key.session_id).collect();
        let keys = session_ids
            .into_iter()
            .flat_map(|session_id| Sink::ALL.map(|sink| StateKey { session_id: session_id.clone(), sink }));
        let others: Vec<StateKey> = keys.filter(|key| !states.contains_key(key)).collect();
        let found = self.states.get_many(&others).await?;
        states.extend(others.into_iter().zip(found).filter(|(_, state)| state.revision > 0));

        known.quizzes.extend(states.values().map(|state| state.quiz_id.clone()));
        known.states = without_refused_sessions(states.into_iter().collect());
        note_work(&mut known.worked_at, &known.states);
        Ok(known)
    }

    /// Stores again the states that are missing in the index of unfinished states, and finished states without what keeps
    /// them in it. A state that has changed is left alone.
    pub(crate) async fn clean_index(&self, known: &KnownStates, now: i64, stop: Instant) {
        let missing: HashSet<&StateKey> = known.missing.iter().collect();
        let cleaned = known.states.iter().filter_map(|(key, state)| {
            let next = without_leftovers(state, now);
            (next.is_some() || missing.contains(key))
                .then(|| (key, state, next.unwrap_or_else(|| state.clone())))
        });
        self.swap_all(cleaned.take(MOST_CLEANED).collect(), stop, "index of unfinished states").await;
    }

    /// Stores states that have not changed since the pass read them. The next pass does what is left.
    pub(crate) async fn swap_all(
        &self,
        changes: Vec<(&StateKey, &SyncState, SyncState)>,
        stop: Instant,
        what: &'static str,
    ) {
        let swaps = stream::iter(changes)
            .map(|(key, seen, next)| async move { self.states.swap(key, seen, &next).await })
            .buffer_unordered(STORED_AT_ONCE)
            .collect::<Vec<_>>();
        let Ok(swapped) = timeout_at(stop, swaps).await else { return };
        let stored = swapped.iter().filter(|swapped| matches!(swapped, Ok(true))).count();
        if let Some(error) = swapped.iter().find_map(|swapped| swapped.as_ref().err()) {
            tracing::warn!(what, error = %error, "sync states not stored");
        }
        if stored > 0 {
            tracing::info!(what, stored, "sync states stored");
        }
    }
}

/// Whether a test session can need a sync: a sink has no state, is unfinished, or lacks an answer.
fn may_be_stale(session: &[(StateKey, SyncState)], answered: &HashMap<String, i64>, sinks: &[Sink]) -> bool {
    let rules = Rules::default();
    let lacks_answer = |state: &SyncState| {
        answered.get(&state.quiz_id).is_some_and(|answered| !state.has_synced(*answered, &rules))
    };
    let has_state = |sink: &Sink| session.iter().any(|(key, _)| key.sink == *sink);
    !sinks.iter().all(has_state)
        || session.iter().any(|(_, state)| state.is_unfinished() || lacks_answer(state))
}

/// The finished state without what keeps it in the index: a recovery that passes no longer report, and a follow-up whose
/// message has not come.
fn without_leftovers(state: &SyncState, now: i64) -> Option<SyncState> {
    let mut next = state.clone();
    next.recovered = next.recovered.filter(|recovered| now < recovered.at.saturating_add(RECOVERED_MS));
    next.follow_up = state.awaited(now).cloned();
    (next != *state && !next.is_unfinished()).then_some(next)
}
