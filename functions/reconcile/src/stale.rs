//! Finds stale test sessions with no sync running: a pure function of the sync states, the newest answers and the time.
//!
//! A sink is stale if answers are newer than its last sync, if a request is not synced, or if a sync wrote only a part.
//! A running sync (lease) or a due follow-up serves the sink, so it is left alone. A request, a failed run and a parked
//! run each get some time to heal through the queue before a pass requests the sync again.
//!
//! An outage parks the messages of many test sessions. A pass requests each of them as soon as it sees the dependency
//! work, at the latest half an hour after parking. The doubled wait of earlier requests does not apply, as their messages
//! are no longer in the queue. See docs/decisions/0010-reconcile.md.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use quiz_events::{Sink, StaleReason};
use quiz_pipeline::Dependency;
use quiz_sync_state::{Rules, Standing, StateKey, SyncState, millis};

use crate::outages::{Outages, WorkedAt};

/// The wait after a run's messages were parked, in multiples of the grace.
const PARKED_GRACES: i64 = 3;
/// The wait after a failed run, in multiples of the grace: the queue delivers its messages again.
const FAILED_GRACES: i64 = 6;

/// A pass claims a test session in one sink after the other and publishes one event for both. So a claim in one sink that
/// is younger than this means that another pass is still claiming.
const CLAIMING_MS: i64 = 5 * 60 * 1_000;

/// The input of [`find_stale_sessions`]. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// All states of the test sessions in it: a missing state counts as never synced.
    pub states: &'a [(StateKey, SyncState)],
    pub worked_at: &'a WorkedAt,
    /// The time of the newest settled answer, by quiz id.
    pub answered: &'a HashMap<String, i64>,
    /// Whether MongoDB answered in this pass.
    pub is_mongodb_up: bool,
    /// The deployed sinks.
    pub sinks: &'a [Sink],
    pub now: i64,
    /// How long the queue's own retries get after a request.
    pub grace: Duration,
}

/// A test session that is stale in at least one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleSession {
    pub session_id: String,
    pub quiz_id: String,
    /// The test name of its description.
    pub name: Option<String>,
    /// One for each stale sink.
    pub needs: Vec<Need>,
}

/// A stale sink of a test session, with no sync running and no follow-up due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub key: StateKey,
    /// The state that the pass read; the default if the sink has none.
    pub seen: SyncState,
    pub reason: StaleReason,
    /// The time of the newest answer, of the last request, or of the last failed run, as the reason says.
    pub since: i64,
    /// The time of the oldest known answer or request that is not synced.
    pub stale_since: i64,
    /// The time of the newest answer that is not synced; of this pass if the key has changed.
    pub answered: Option<i64>,
    /// The digest of a key that the last sync did not use.
    pub new_key: Option<String>,
    /// Whether the wait after reconcile's last request is over.
    pub is_due: bool,
}

impl StaleSession {
    /// Whether this pass requests a sync.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.needs.iter().any(|need| need.is_due)
    }

    /// Whether open outages explain each of its needs.
    #[must_use]
    pub fn is_explained_by(&self, outages: &Outages) -> bool {
        self.needs.iter().all(|need| outages.explain(&need.key, &need.seen))
    }

    /// The oldest time of its needs.
    #[must_use]
    pub fn stale_since(&self) -> i64 {
        self.needs.iter().map(|need| need.stale_since).min().unwrap_or(i64::MAX)
    }
}

/// The stale test sessions that no running sync and no follow-up serves, the oldest first.
#[must_use]
pub fn find_stale_sessions(facts: &Facts<'_>) -> Vec<StaleSession> {
    let mut sessions: BTreeMap<&str, Vec<&(StateKey, SyncState)>> = BTreeMap::new();
    for state in facts.states {
        sessions.entry(&state.0.session_id).or_default().push(state);
    }
    let mut stale: Vec<StaleSession> = sessions
        .into_iter()
        .filter_map(|(session_id, states)| stale_session(session_id, &states, facts))
        .collect();
    stale.sort_by(|a, b| (a.stale_since(), &a.session_id).cmp(&(b.stale_since(), &b.session_id)));
    stale
}

fn stale_session(
    session_id: &str,
    states: &[&(StateKey, SyncState)],
    facts: &Facts<'_>,
) -> Option<StaleSession> {
    let known = states.iter().map(|(_, state)| state).filter(|state| !state.quiz_id.is_empty());
    // if the sinks name different quizzes, the newest request is right
    let quiz_id = &known.max_by_key(|state| state.requested_through)?.quiz_id;
    let answered = facts.answered.get(quiz_id).copied();
    let mut sinks = facts.sinks.to_vec();
    sinks.sort();
    let find_need = |sink: Sink| {
        let state = states.iter().find(|(key, _)| key.sink == sink).map(|(_, state)| state.clone());
        let key = StateKey { session_id: session_id.to_owned(), sink };
        need(key, state.unwrap_or_default(), answered, facts)
    };
    let mut needs: Vec<Need> = sinks.into_iter().filter_map(find_need).collect();
    let requested_at = needs.iter().filter_map(|need| need.seen.requested_again).map(|again| again.at).max();
    if requested_at.is_some_and(|at| facts.now < at.saturating_add(CLAIMING_MS)) {
        for need in &mut needs {
            need.is_due = false;
        }
    }
    let described =
        states.iter().filter_map(|(_, state)| Some((state.described_at, state.session.as_ref()?)));
    let newest = described.max_by_key(|(at, _)| *at).map(|(_, described)| described);
    (!needs.is_empty()).then(|| StaleSession {
        session_id: session_id.to_owned(),
        quiz_id: quiz_id.clone(),
        name: newest.and_then(|described| described.test_name.clone()),
        needs,
    })
}

fn need(key: StateKey, seen: SyncState, answered: Option<i64>, facts: &Facts<'_>) -> Option<Need> {
    let (now, rules, grace) = (facts.now, Rules::default(), millis(facts.grace));
    if seen.held(now).is_some() || seen.awaited(now).is_some() {
        return None;
    }
    let is_unsynced = |through: &i64| *through > 0 && !seen.has_synced(*through, &rules);
    let answered = answered.filter(is_unsynced);
    let requested = Some(seen.requested_through).filter(is_unsynced);
    // a run that failed half way has left old and new items in the sink
    let is_half_written = seen.progress.is_some();
    if answered.is_none() && requested.is_none() && !is_half_written {
        return None;
    }
    let (standing, stands_since) = seen.standing(now, &rules);
    let outage = parking_dependency(key.sink, &seen, standing);
    let has_recovered =
        outage.is_some_and(|dependency| is_working(dependency, key.sink, stands_since, facts));
    let parked_wait = if has_recovered { 0 } else { grace.saturating_mul(PARKED_GRACES) };
    let (reason, since, wait) = match (standing, answered) {
        (Standing::Parked, _) => (StaleReason::Parked, stands_since, parked_wait),
        (Standing::Failed, _) => (StaleReason::Failed, stands_since, grace.saturating_mul(FAILED_GRACES)),
        (_, Some(at)) => (StaleReason::Answers, at, 0),
        (_, None) => (StaleReason::Asked, stands_since, grace),
    };
    if now < since.saturating_add(wait) {
        return None;
    }
    let stale_since = answered.into_iter().chain(requested).min().unwrap_or(since);
    // after an outage the doubled wait of earlier requests does not apply
    let is_due = outage.is_some() || seen.requested_again.is_none_or(|again| again.waits_until() <= now);
    Some(Need { key, seen, reason, since, stale_since, answered, new_key: None, is_due })
}

/// The dependency whose outage parked the test session's messages. `None` if reconcile has requested the test session
/// since: the message of that request is in the queue.
fn parking_dependency(sink: Sink, seen: &SyncState, standing: Standing) -> Option<Dependency> {
    let failing = seen.failing.as_ref().filter(|_| standing == Standing::Parked)?;
    let parked_at = seen.last.finished_at;
    let is_requested = seen.requested_again.is_some_and(|again| again.at >= parked_at);
    Dependency::from_failure(sink, &failing.code).filter(|_| !is_requested)
}

/// Whether the dependency has worked since a sync into `sink` failed at `failed_at`.
fn is_working(dependency: Dependency, sink: Sink, failed_at: i64, facts: &Facts<'_>) -> bool {
    match dependency {
        Dependency::MongoDb => facts.is_mongodb_up,
        // this pass has just read the states from DynamoDB
        Dependency::DynamoDb => true,
        Dependency::BigQuery | Dependency::Sqs => {
            facts.worked_at.get(&sink).is_some_and(|at| *at > failed_at)
        }
    }
}
