//! Finds the services that are down or work again: a pure function of the sync states and the time.
//!
//! Each failed sync leaves its error code in the state of its test session, and the code names the service that failed.
//! So the states together show how many test sessions wait for which service, and since when. A test session whose next
//! sync is running counts as before, until that sync ends. See docs/decisions/0014-outages.md.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use quiz_events::{Outage, OutageOver, Sink};
use quiz_pipeline::Dependency;
use quiz_sync_state::{Failing, Recovered, Rules, RunResult, StateKey, SyncState};

const MINUTE_MS: i64 = 60 * 1_000;
/// A shorter failure is no outage: the next receive of the message heals it.
const SHORTEST_MS: i64 = 5 * MINUTE_MS;
/// An older failure does not count: a waiting message is retried at least every 15 minutes.
const STALE_MS: i64 = 2 * 60 * MINUTE_MS;
/// Passes report a recovery for this long, because a pass or a notice may be lost.
pub(crate) const RECOVERED_MS: i64 = 2 * 60 * MINUTE_MS;
/// Longer error texts are cut, in characters.
const LONGEST_ERROR: usize = 500;

/// The services that are down or work again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    pub open: Vec<(Dependency, Outage)>,
    pub over: Vec<OutageOver>,
}

impl Outages {
    /// Whether the newest sync failed because of a service that is still down.
    #[must_use]
    pub fn explain(&self, key: &StateKey, state: &SyncState) -> bool {
        let failed = failed_dependency(key, state).map(|(dependency, _)| dependency);
        failed.is_some_and(|failed| self.open.iter().any(|(open, _)| *open == failed))
    }
}

/// The newest time at which each sink is known to have worked, in ms since 1970.
pub type WorkedAt = BTreeMap<Sink, i64>;

/// Adds the times at which the sinks of these states have worked.
pub fn note_work(worked_at: &mut WorkedAt, states: &[(StateKey, SyncState)]) {
    for (key, state) in states {
        if let Some(at) = state.worked_at() {
            let newest = worked_at.entry(key.sink).or_insert(at);
            *newest = at.max(*newest);
        }
    }
}

/// The outages at `now`, in milliseconds since 1970. `states` has at least the unfinished states.
#[must_use]
pub fn find_outages(states: &[(StateKey, SyncState)], worked_at: &WorkedAt, now: i64) -> Outages {
    let mut outages = Outages::default();
    for dependency in Dependency::ALL {
        let waiting = waiting_states(states, dependency, now);
        if waiting.is_empty() {
            outages.over.extend(recovery(states, dependency, now));
        } else if let Some(outage) = open_outage(worked_at, dependency, &waiting, now) {
            outages.open.push((dependency, outage));
        }
    }
    outages
}

/// A state whose sync waits for a service.
struct WaitingState<'a> {
    key: &'a StateKey,
    state: &'a SyncState,
    failing: &'a Failing,
}

fn waiting_states(
    states: &[(StateKey, SyncState)],
    dependency: Dependency,
    now: i64,
) -> Vec<WaitingState<'_>> {
    let waiting = states.iter().filter_map(|(key, state)| {
        let (failed, failing) = failed_dependency(key, state)?;
        (failed == dependency && is_retried(state, now)).then_some(WaitingState { key, state, failing })
    });
    waiting.collect()
}

fn failed_dependency<'a>(key: &StateKey, state: &'a SyncState) -> Option<(Dependency, &'a Failing)> {
    let has_failed = matches!(state.last.result, Some(RunResult::Failed | RunResult::Parked));
    let failing = state.failing.as_ref().filter(|_| has_failed)?;
    Some((Dependency::from_failure(key.sink, &failing.code)?, failing))
}

/// Whether another sync follows: reconcile requests stale test sessions, and the queue delivers the messages of a recent
/// failure again.
fn is_retried(state: &SyncState, now: i64) -> bool {
    let is_unsynced =
        state.requested_through > 0 && !state.has_synced(state.requested_through, &Rules::default());
    let is_redelivered =
        state.last.result == Some(RunResult::Failed) && now < state.last.finished_at.saturating_add(STALE_MS);
    is_unsynced || state.progress.is_some() || is_redelivered
}

fn open_outage(
    worked_at: &WorkedAt,
    dependency: Dependency,
    waiting: &[WaitingState<'_>],
    now: i64,
) -> Option<Outage> {
    let oldest = waiting.iter().map(|waiting| waiting.failing.since).min()?;
    if now < oldest.saturating_add(SHORTEST_MS) {
        return None;
    }
    let newest = waiting.iter().max_by_key(|waiting| waiting.state.last.finished_at)?;
    let sinks: BTreeSet<Sink> = waiting.iter().map(|waiting| waiting.key.sink).collect();
    let worked_at = sinks.iter().filter_map(|sink| worked_at.get(sink)).max().copied();
    // a test session that failed before the service last worked has a cause of its own and does not date the outage
    let failing_since = waiting.iter().map(|waiting| waiting.failing.since);
    let begun = failing_since.filter(|since| Some(*since) >= worked_at).min();
    let parked = count_sessions(waiting, |result| result == RunResult::Parked);
    let waiting = count_sessions(waiting, |_| true).saturating_sub(parked);
    Some(Outage {
        dependency: dependency.name().to_owned(),
        since: time(begun.unwrap_or(oldest)),
        waiting,
        parked,
        sinks: sinks.into_iter().collect(),
        error_code: newest.failing.code.clone(),
        error: newest.state.last.error.iter().flat_map(|error| error.chars()).take(LONGEST_ERROR).collect(),
        failed_at: time(newest.state.last.finished_at),
        worked_at: worked_at.map(time),
    })
}

/// Counts the test sessions with such a result in a sink, each once.
fn count_sessions(waiting: &[WaitingState<'_>], is_counted: impl Fn(RunResult) -> bool) -> u64 {
    let counted = waiting.iter().filter(|waiting| waiting.state.last.result.is_some_and(&is_counted));
    count(counted.map(|waiting| waiting.key.session_id.as_str()).collect::<BTreeSet<&str>>().len())
}

/// The end of the service's newest outage. No test session waits for the service any more.
fn recovery(states: &[(StateKey, SyncState)], dependency: Dependency, now: i64) -> Option<OutageOver> {
    let recovered = states.iter().filter_map(|(key, state)| Some((key, state.recovered.as_ref()?)));
    let mut recovered: Vec<_> = recovered
        .filter(|(key, healed)| Dependency::from_failure(key.sink, &healed.code) == Some(dependency))
        .filter(|(_, healed)| now < healed.at.saturating_add(RECOVERED_MS))
        .collect();
    recovered.sort_by_key(|(_, healed)| std::cmp::Reverse(healed.at));
    let (keys, since, until) = newest_outage(&recovered)?;
    let synced: BTreeSet<&str> = keys.iter().map(|key| key.session_id.as_str()).collect();
    let sinks: BTreeSet<Sink> = keys.iter().map(|key| key.sink).collect();
    Some(OutageOver {
        dependency: dependency.name().to_owned(),
        since: time(since),
        until: time(until),
        synced: count(synced.len()),
        sinks: sinks.into_iter().collect(),
    })
}

/// The test sessions of the newest outage, with its begin and its end. `recovered` is sorted by the end, the newest first.
/// Failures that do not overlap belong to different outages. A failure shorter than [`SHORTEST_MS`] is no outage.
fn newest_outage<'a>(recovered: &[(&'a StateKey, &Recovered)]) -> Option<(Vec<&'a StateKey>, i64, i64)> {
    let mut rest = recovered;
    while let Some((_, last)) = rest.first() {
        let mut since = last.since;
        let overlapping = rest.iter().take_while(|(_, healed)| {
            let overlaps = healed.at >= since;
            since = if overlaps { since.min(healed.since) } else { since };
            overlaps
        });
        let keys: Vec<&StateKey> = overlapping.map(|(key, _)| *key).collect();
        if last.at.saturating_sub(since) >= SHORTEST_MS {
            return Some((keys, since, last.at));
        }
        rest = rest.get(keys.len()..)?;
    }
    None
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
