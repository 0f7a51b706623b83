//! The output of `--json`: one object with times in RFC 3339.

use std::collections::BTreeMap;

use jiff::Timestamp;
use quiz_events::{SessionDescription, Sink};
use quiz_sync_state::Standing;
use serde::Serialize;

use crate::status::moments::moment;
use crate::status::overview::{Overview, Row};

#[derive(Serialize)]
pub struct Answer<'a> {
    at: Timestamp,
    tests: Vec<Entry<'a>>,
    /// Matching test sessions that `--limit` left out.
    left_out: usize,
    /// Without `synced` if synced test sessions were not read.
    counts: BTreeMap<&'static str, usize>,
    unknown: &'a [String],
}

#[derive(Serialize)]
struct Entry<'a> {
    session_id: &'a str,
    sink: Sink,
    quiz_id: &'a str,
    test_name: Option<&'a str>,
    standing: &'static str,
    /// While `waiting`: the time at which the follow-up is due.
    since: Option<Timestamp>,
    #[serde(rename = "takers")]
    participants: u64,
    rows_written: u64,
    last_error: Option<&'a str>,
    last_result: Option<&'static str>,
    finished_at: Option<Timestamp>,
    duration_ms: u64,
    read_started_at: Option<Timestamp>,
    requested_through: Option<Timestamp>,
    synced_through: Option<Timestamp>,
    newest_completion: Option<Timestamp>,
    joined: u64,
    generation: i64,
    lease: Option<Lease<'a>>,
    follow_up_due: Option<Timestamp>,
    /// Follow-ups in a row.
    follow_up_depth: u32,
    /// Crashed runs in a row.
    crashed_runs: u32,
    failing: Option<Failing<'a>>,
    session: Option<&'a SessionDescription>,
}

/// Runs that failed in a row.
#[derive(Serialize)]
struct Failing<'a> {
    since: Option<Timestamp>,
    error_code: &'a str,
}

#[derive(Serialize)]
struct Lease<'a> {
    owner: &'a str,
    until: Option<Timestamp>,
}

impl<'a> Answer<'a> {
    pub fn new(overview: &'a Overview, limit: Option<usize>) -> Self {
        let shown = limit.unwrap_or(usize::MAX).min(overview.rows.len());
        Self {
            at: overview.at,
            tests: overview.rows.iter().take(shown).map(|row| entry(row, overview.at)).collect(),
            left_out: overview.rows.len() - shown,
            counts: overview
                .counts
                .iter()
                .filter(|(standing, _)| *standing != Standing::Synced || overview.has_synced)
                .map(|(standing, count)| (standing.name(), *count))
                .collect(),
            unknown: &overview.unknown,
        }
    }
}

fn entry(row: &Row, at: Timestamp) -> Entry<'_> {
    let (state, last) = (&row.state, &row.state.last);
    Entry {
        session_id: &row.key.session_id,
        sink: row.key.sink,
        quiz_id: &state.quiz_id,
        test_name: state.session.as_ref().and_then(|session| session.test_name.as_deref()),
        standing: row.standing.name(),
        since: moment(row.since).filter(|_| state.revision > 0),
        participants: last.participants,
        rows_written: last.rows_written,
        last_error: last.error.as_deref(),
        last_result: last.result.map(quiz_sync_state::RunResult::name),
        finished_at: moment(last.finished_at),
        duration_ms: last.duration_ms,
        read_started_at: moment(last.read_started_at),
        requested_through: moment(state.requested_through),
        synced_through: moment(state.synced_through),
        newest_completion: state.newest_completion.and_then(moment),
        joined: state.joined,
        generation: state.generation,
        lease: state.lease.as_ref().map(|lease| Lease { owner: &lease.owner, until: moment(lease.until) }),
        follow_up_due: state.follow_up.as_ref().and_then(|follow_up| moment(follow_up.due)),
        follow_up_depth: state.follow_up_depth,
        crashed_runs: state.crashed_runs(at.as_millisecond()),
        failing: state
            .failing
            .as_ref()
            .map(|failing| Failing { since: moment(failing.since), error_code: &failing.code }),
        session: state.session.as_ref(),
    }
}
