//! Which services are down, and which work again: a pure function of the sync states and the time.
//!
//! Each failed try leaves its error code in the state of its test session, and the code names the service that it lacked.
//! So the states together say how many test sessions wait for which service, and since when. A test session that is
//! tried again right now counts as before, as its run has not finished. See docs/decisions/0014-outages.md.

use std::collections::BTreeSet;

use jiff::Timestamp;
use quiz_events::{Outage, OutageOver, Sink};
use quiz_pipeline::Dependency;
use quiz_sync_state::{Failing, Recovered, Rules, RunResult, StateKey, SyncState};

const MINUTE_MS: i64 = 60 * 1_000;
/// A shorter failure is no outage: the next receive heals it.
const SHORTEST_MS: i64 = 5 * MINUTE_MS;
/// A try that failed longer ago says nothing of now. Messages that wait are tried every 15 minutes.
const STALE_MS: i64 = 2 * 60 * MINUTE_MS;
/// For so long each pass says that a service works again: a pass or a notice may be lost.
const RECOVERED_MS: i64 = 2 * 60 * MINUTE_MS;
/// A cause is cut there.
const LONGEST_ERROR: usize = 500;

/// What one pass sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    pub open: Vec<(Dependency, Outage)>,
    pub over: Vec<OutageOver>,
}

impl Outages {
    /// Whether the state's newest try failed for want of a service that is still down.
    #[must_use]
    pub fn explain(&self, key: &StateKey, state: &SyncState) -> bool {
        let lacked = failing(key, state).map(|(dependency, _)| dependency);
        lacked.is_some_and(|lacked| self.open.iter().any(|(open, _)| *open == lacked))
    }
}

/// The outages at `now`, in milliseconds since 1970.
#[must_use]
pub fn outages(states: &[(StateKey, SyncState)], now: i64) -> Outages {
    let mut outages = Outages::default();
    for dependency in Dependency::ALL {
        let late = late(states, dependency, now);
        if late.is_empty() {
            outages.over.extend(over(states, dependency, now));
        } else if let Some(outage) = open(states, dependency, &late, now) {
            outages.open.push((dependency, outage));
        }
    }
    outages
}

/// A test session that lacks a service in one sink.
struct Late<'a> {
    key: &'a StateKey,
    state: &'a SyncState,
    failing: &'a Failing,
}

fn late(states: &[(StateKey, SyncState)], dependency: Dependency, now: i64) -> Vec<Late<'_>> {
    let lacking = states.iter().filter_map(|(key, state)| {
        let (lacked, failing) = failing(key, state)?;
        (lacked == dependency && is_expected(state, now)).then_some(Late { key, state, failing })
    });
    lacking.collect()
}

fn failing<'a>(key: &StateKey, state: &'a SyncState) -> Option<(Dependency, &'a Failing)> {
    let has_failed = matches!(state.last.result, Some(RunResult::Failed | RunResult::Parked));
    let failing = state.failing.as_ref().filter(|_| has_failed)?;
    Some((Dependency::from_failure(key.sink, &failing.code)?, failing))
}

/// Whether another try is to come: reconcile requests what is not synced, and else the messages of a lately failed try
/// come again.
fn is_expected(state: &SyncState, now: i64) -> bool {
    let is_unsynced =
        state.requested_through > 0 && !state.has_synced(state.requested_through, &Rules::default());
    let comes_again =
        state.last.result == Some(RunResult::Failed) && now < state.last.finished_at.saturating_add(STALE_MS);
    is_unsynced || state.progress.is_some() || comes_again
}

fn open(
    states: &[(StateKey, SyncState)],
    dependency: Dependency,
    late: &[Late<'_>],
    now: i64,
) -> Option<Outage> {
    let oldest = late.iter().map(|it| it.failing.since).min()?;
    if now < oldest.saturating_add(SHORTEST_MS) {
        return None;
    }
    let newest = late.iter().max_by_key(|it| it.state.last.finished_at)?;
    let sinks: BTreeSet<Sink> = late.iter().map(|it| it.key.sink).collect();
    let of_sinks = states.iter().filter(|(key, _)| sinks.contains(&key.sink));
    let worked_at = of_sinks.filter_map(|(_, state)| state.worked_at()).max();
    // a test session that has failed for long, for a cause of its own, does not say when the others began to
    let begun = late.iter().map(|it| it.failing.since).filter(|since| Some(*since) >= worked_at).min();
    let parked = sessions(late, |result| result == RunResult::Parked);
    let waiting = sessions(late, |_| true).saturating_sub(parked);
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

/// Test sessions, each once, of which one sink stands so.
fn sessions(late: &[Late<'_>], stands: impl Fn(RunResult) -> bool) -> u64 {
    let stand = late.iter().filter(|it| it.state.last.result.is_some_and(&stands));
    count(stand.map(|it| it.key.session_id.as_str()).collect::<BTreeSet<&str>>().len())
}

/// The newest outage of the service that no test session waits for any more.
fn over(states: &[(StateKey, SyncState)], dependency: Dependency, now: i64) -> Option<OutageOver> {
    let recovered = states.iter().filter_map(|(key, state)| Some((key, state.recovered.as_ref()?)));
    let mut recovered: Vec<_> = recovered
        .filter(|(key, it)| Dependency::from_failure(key.sink, &it.code) == Some(dependency))
        .filter(|(_, it)| now < it.at.saturating_add(RECOVERED_MS))
        .collect();
    recovered.sort_by_key(|(_, it)| std::cmp::Reverse(it.at));
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
/// Failures that do not overlap are different outages, and a short one is none.
fn newest_outage<'a>(recovered: &[(&'a StateKey, &Recovered)]) -> Option<(Vec<&'a StateKey>, i64, i64)> {
    let mut rest = recovered;
    while let Some((_, last)) = rest.first() {
        let mut since = last.since;
        let overlapping = rest.iter().take_while(|(_, it)| {
            let overlaps = it.at >= since;
            since = if overlaps { since.min(it.since) } else { since };
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
