//! Which tests are behind, and are to be asked for again: a pure function of what is stored, what is answered, and the
//! time.
//!
//! A test session whose messages were parked while a dependency was down is requested again at once when the dependency
//! is seen to work, and else half an hour after it was parked, as if for the first time: an earlier request has nothing
//! left in the queue. See docs/decisions/0010-reconcile.md.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use quiz_events::{Sink, StaleReason};
use quiz_pipeline::Dependency;
use quiz_sync_state::{Rules, Standing, StateKey, SyncState, millis};

use crate::outages::Outages;

/// So many times the grace is waited after a run's messages went to the dead-letter queue …
const PARKED: i64 = 3;
/// … and after one that failed, whose messages come again meanwhile.
const FAILED: i64 = 6;

/// A test is claimed in one sink after the other, and its event is for both: who finds it claimed in one so lately has met
/// another pass at it.
const JUST_ASKED_MS: i64 = 5 * 60 * 1_000;

/// What a pass knows. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub states: &'a [(StateKey, SyncState)],
    /// By quiz: its newest answer that has settled.
    pub answered: &'a HashMap<String, i64>,
    /// Whether MongoDB has answered in this pass.
    pub is_mongodb_up: bool,
    /// The sinks that there are.
    pub sinks: &'a [Sink],
    pub now: i64,
    /// How long a request is left to the queue's own retries.
    pub grace: Duration,
}

/// A test that is behind in at least one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleSession {
    pub session_id: String,
    pub quiz_id: String,
    /// As its description has it.
    pub name: Option<String>,
    /// By sink.
    pub needs: Vec<Need>,
}

/// A sink in which a test is behind, and that nobody is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub key: StateKey,
    /// The default where the sink has never heard of the test.
    pub seen: SyncState,
    pub because: StaleReason,
    /// When the newest answer was written, it was last asked for, or the last run failed.
    pub since: i64,
    /// The oldest that is known of what is not synced.
    pub behind_since: i64,
    /// The newest answer, where no sync has seen it.
    pub answered: Option<i64>,
    /// Whether its wait is over since it was last asked for again.
    pub is_due: bool,
}

impl StaleSession {
    /// Whether it is to be asked for now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.needs.iter().any(|need| need.is_due)
    }

    /// Whether it waits for nothing but services that are down.
    #[must_use]
    pub fn is_explained_by(&self, outages: &Outages) -> bool {
        self.needs.iter().all(|need| outages.explain(&need.key, &need.seen))
    }

    #[must_use]
    pub fn behind_since(&self) -> i64 {
        self.needs.iter().map(|need| need.behind_since).min().unwrap_or(i64::MAX)
    }
}

/// The tests that are behind, the oldest first: those that have answers that no sync has seen, or were asked for and not
/// synced since, and that neither a run nor a follow-up is at.
#[must_use]
pub fn stale_sessions(facts: &Facts<'_>) -> Vec<StaleSession> {
    let mut sessions: BTreeMap<&str, Vec<&(StateKey, SyncState)>> = BTreeMap::new();
    for state in facts.states {
        sessions.entry(&state.0.session_id).or_default().push(state);
    }
    let mut tests: Vec<StaleSession> =
        sessions.into_iter().filter_map(|(session_id, states)| test(session_id, &states, facts)).collect();
    tests.sort_by(|a, b| (a.behind_since(), &a.session_id).cmp(&(b.behind_since(), &b.session_id)));
    tests
}

fn test(session_id: &str, states: &[&(StateKey, SyncState)], facts: &Facts<'_>) -> Option<StaleSession> {
    let known = states.iter().map(|(_, state)| state).filter(|state| !state.quiz_id.is_empty());
    // where the sinks disagree, the newest request is right
    let quiz_id = &known.max_by_key(|state| state.requested_through)?.quiz_id;
    let answered = facts.answered.get(quiz_id).copied();
    let mut sinks = facts.sinks.to_vec();
    sinks.sort();
    let need_of = |sink: Sink| {
        let state = states.iter().find(|(key, _)| key.sink == sink).map(|(_, state)| state.clone());
        let key = StateKey { session_id: session_id.to_owned(), sink };
        need(key, state.unwrap_or_default(), answered, facts)
    };
    let mut needs: Vec<Need> = sinks.into_iter().filter_map(need_of).collect();
    let asked_at = needs.iter().filter_map(|need| need.seen.requested_again).map(|it| it.at).max();
    if asked_at.is_some_and(|at| facts.now < at.saturating_add(JUST_ASKED_MS)) {
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
        name: newest.and_then(|it| it.test_name.clone()),
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
    let asked = Some(seen.requested_through).filter(is_unsynced);
    // a run that failed half way has left old and new beside each other
    let is_half_written = seen.progress.is_some();
    if answered.is_none() && asked.is_none() && !is_half_written {
        return None;
    }
    let (standing, stands_since) = seen.standing(now, &rules);
    let outage = parked_by(key.sink, &seen, standing);
    let has_recovered = outage.is_some_and(|dependency| works(dependency, key.sink, stands_since, facts));
    let parked_wait = if has_recovered { 0 } else { grace.saturating_mul(PARKED) };
    let (because, since, wait) = match (standing, answered) {
        (Standing::Parked, _) => (StaleReason::Parked, stands_since, parked_wait),
        (Standing::Failed, _) => (StaleReason::Failed, stands_since, grace.saturating_mul(FAILED)),
        (_, Some(at)) => (StaleReason::Answers, at, 0),
        (_, None) => (StaleReason::Asked, stands_since, grace),
    };
    if now < since.saturating_add(wait) {
        return None;
    }
    let behind_since = answered.into_iter().chain(asked).min().unwrap_or(since);
    // the wait doubles no further for requests that were made before the outage parked their messages
    let is_due = outage.is_some() || seen.requested_again.is_none_or(|it| it.waits_until() <= now);
    Some(Need { key, seen, because, since, behind_since, answered, is_due })
}

/// The dependency whose outage has parked the test session's messages; `None` where it was requested again since: that
/// request's message is in the queue.
fn parked_by(sink: Sink, seen: &SyncState, standing: Standing) -> Option<Dependency> {
    let failing = seen.failing.as_ref().filter(|_| standing == Standing::Parked)?;
    let parked_at = seen.last.finished_at;
    let is_requested = seen.requested_again.is_some_and(|it| it.at >= parked_at);
    Dependency::from_failure(sink, &failing.code).filter(|_| !is_requested)
}

/// Whether the dependency is seen to work since that failure of a sync into `sink`.
fn works(dependency: Dependency, sink: Sink, failed_at: i64, facts: &Facts<'_>) -> bool {
    match dependency {
        Dependency::MongoDb => facts.is_mongodb_up,
        // the states are in it
        Dependency::DynamoDb => true,
        Dependency::BigQuery | Dependency::Sqs => {
            let of_sink = facts.states.iter().filter(|(key, _)| key.sink == sink);
            of_sink.filter_map(|(_, state)| state.worked_at()).any(|at| at > failed_at)
        }
    }
}
