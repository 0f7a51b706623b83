//! Finds test sessions whose quiz has another key than their newest sync used.
//!
//! A change of `quizzes` or `questions` causes no event and no answer. So each sync stores a digest of what decides marks, and
//! a pass compares it with the quiz. The quizzes are many on the daily pass, so this step comes after the requests of the
//! pass, reads a part at a time, and ends in time. It begins with other quizzes each time.
//!
//! - An unfinished test session is left out: its next sync reads the new key.
//! - A sync is requested once for each new key, even if a later sync stores another digest again.
//! - A state without a digest of this version gets today's digest and no request.

use std::collections::{HashMap, HashSet};

use quiz_domain::KeyDigest;
use quiz_events::StaleReason;
use quiz_sync_state::{StateKey, SyncState};
use tokio::time::{Instant, timeout_at};

use crate::pass::Reconciler;
use crate::stale::{Need, StaleSession};

/// Quizzes whose keys and states are in memory at the same time.
const QUIZZES_AT_ONCE: usize = 500;

/// Digests of keys by quiz id.
pub(crate) type UsedKeys = HashMap<String, HashSet<Option<String>>>;

/// The result of comparing the keys.
#[derive(Debug, Default)]
pub(crate) struct KeyReport {
    /// Test sessions with a new key, in the order in which they were found.
    pub changed: Vec<StaleSession>,
    /// Quizzes that the pass had no time for.
    pub left: usize,
    /// Why the step ended early.
    pub problem: Option<String>,
}

impl Reconciler {
    /// Compares the keys of these quizzes with the keys that their syncs used, until `stop`. `used` has what the pass knows
    /// already. `now` is in ms since 1970.
    pub(crate) async fn compare_keys(
        &self,
        mut quiz_ids: Vec<String>,
        used: &UsedKeys,
        now: i64,
        stop: Instant,
    ) -> KeyReport {
        fastrand::shuffle(&mut quiz_ids);
        let mut report = KeyReport { left: quiz_ids.len(), ..KeyReport::default() };
        for part in quiz_ids.chunks(QUIZZES_AT_ONCE) {
            match timeout_at(stop, self.compare_part(part, used, now, stop)).await {
                Ok(Ok(changed)) => report.changed.extend(changed),
                Ok(Err(problem)) => {
                    report.problem = Some(problem);
                    return report;
                }
                Err(_) => return report,
            }
            report.left -= part.len();
        }
        report
    }

    async fn compare_part(
        &self,
        quiz_ids: &[String],
        used: &UsedKeys,
        now: i64,
        stop: Instant,
    ) -> Result<Vec<StaleSession>, String> {
        // read the keys, and the states of quizzes whose key may be new
        let keys = self.answers.keys(quiz_ids).await.map_err(|error| error.to_string())?;
        let may_be_new = |(quiz_id, newest): &(&String, &KeyDigest)| {
            let newest = Some(newest.to_string());
            used.get(*quiz_id).is_none_or(|used| used.iter().any(|used| *used != newest))
        };
        let quizzes: Vec<String> =
            keys.iter().filter(may_be_new).map(|(quiz_id, _)| quiz_id.clone()).collect();
        let states = self.states.get_by_quiz(&quizzes).await.map_err(|error| error.to_string())?;
        let finished = states.iter().filter(|(_, state)| has_finished(state));

        // compare them
        let (mut without_digest, mut changed): (Vec<_>, Vec<StaleSession>) = (Vec::new(), Vec::new());
        for (key, state) in finished {
            let Some(newest) = keys.get(&state.quiz_id) else { continue };
            match compare(state, newest) {
                Comparison::Same => {}
                Comparison::Unknown => {
                    let next = SyncState { key_digest: Some(newest.to_string()), ..state.clone() };
                    without_digest.push((key, state, next));
                }
                Comparison::Changed => add(&mut changed, need(key, state, newest, now)),
            }
        }
        self.swap_all(without_digest, stop, "digests of keys").await;
        Ok(changed)
    }
}

/// Whether the newest sync has finished, and no other one follows.
pub(crate) fn has_finished(state: &SyncState) -> bool {
    state.synced_through > 0 && !state.is_unfinished()
}

enum Comparison {
    Same,
    /// The newest sync stored no digest of this version.
    Unknown,
    Changed,
}

fn compare(state: &SyncState, newest: &KeyDigest) -> Comparison {
    let used = state.key_digest.as_deref().map(KeyDigest::from_stored);
    let Some(used) = used.filter(KeyDigest::is_current) else { return Comparison::Unknown };
    let is_requested = state.key_requested.as_deref() == Some(&newest.to_string());
    if used.differs_from(newest) && !is_requested { Comparison::Changed } else { Comparison::Same }
}

/// The request counts as of now, so the test session stays stale until a sync reads the key.
fn need(key: &StateKey, state: &SyncState, newest: &KeyDigest, now: i64) -> Need {
    Need {
        key: key.clone(),
        seen: state.clone(),
        reason: StaleReason::KeyChanged,
        since: now,
        stale_since: now,
        answered: Some(now),
        new_key: Some(newest.to_string()),
        is_due: true,
    }
}

/// Adds a need to its test session. The states come sorted, so the sinks of a test session follow each other.
fn add(changed: &mut Vec<StaleSession>, need: Need) {
    match changed.last_mut().filter(|last| last.session_id == need.key.session_id) {
        Some(session) => session.needs.push(need),
        None => changed.push(StaleSession {
            session_id: need.key.session_id.clone(),
            quiz_id: need.seen.quiz_id.clone(),
            name: need.seen.session.as_ref().and_then(|described| described.test_name.clone()),
            needs: vec![need],
        }),
    }
}
