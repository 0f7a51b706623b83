use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use quiz_events::Sink;
use quiz_sync_state::{Rules, Standing, StateKey, SyncState};

use crate::status::args::StatusArgs;

/// One test session in one sink.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: StateKey,
    pub state: SyncState,
    pub standing: Standing,
    /// The start of the standing, or the due time of a waiting follow-up. Milliseconds since 1970.
    pub since: i64,
}

/// The number of rows with each standing.
pub type Counts = [(Standing, usize); Standing::ALL.len()];

/// The result of one read of the sync states.
#[derive(Clone, Debug)]
pub struct Overview {
    pub at: Timestamp,
    /// The chosen rows, worst first, then oldest.
    pub rows: Vec<Row>,
    /// Over all rows, chosen or not.
    pub counts: Counts,
    /// Whether synced test sessions were read.
    pub has_synced: bool,
    /// The number of test sessions over all rows.
    pub tests: usize,
    /// Sessions on the command line without a state in any sink.
    pub unknown: Vec<String>,
}

impl Overview {
    pub fn new(read: Vec<(StateKey, SyncState)>, args: &StatusArgs, rules: &Rules, at: Timestamp) -> Self {
        let now = at.as_millisecond();
        let unknown = unknown(&read, &args.sessions);
        let is_known = |key: &StateKey| !unknown.contains(&key.session_id);
        let is_in_sink = |key: &StateKey| args.sink.is_none_or(|sink| sink == key.sink);
        let rows = read.into_iter().filter(|(key, _)| is_in_sink(key) && is_known(key));
        let mut rows: Vec<Row> = rows
            .map(|(key, state)| {
                let (standing, since) = state.standing(now, rules);
                Row { key, state, standing, since }
            })
            .collect();
        let has_synced = args.reads_synced();
        rows.retain(|row| has_synced || row.standing != Standing::Synced);
        let counts = Standing::ALL
            .map(|standing| (standing, rows.iter().filter(|row| row.standing == standing).count()));
        let tests = rows.iter().map(|row| &row.key.session_id).collect::<HashSet<_>>().len();
        rows.retain(|row| is_chosen(row, args, now));
        rows.sort_by(|a, b| (a.standing, a.since, &a.key).cmp(&(b.standing, b.since, &b.key)));
        Self { at, rows, counts, has_synced, tests, unknown }
    }

    /// Whether a chosen row is parked, failed or behind.
    pub fn has_trouble(&self) -> bool {
        let trouble = [Standing::Parked, Standing::Failed, Standing::Behind];
        self.rows.iter().any(|row| trouble.contains(&row.standing))
    }
}

/// The keys of these sessions in both sinks, without duplicates. A missing state is information too.
pub fn keys(sessions: &[String]) -> Vec<StateKey> {
    let mut seen = HashSet::new();
    let each = sessions.iter().filter(|session| seen.insert(*session));
    let both = |session: &String| Sink::ALL.map(|sink| StateKey { session_id: session.clone(), sink });
    each.flat_map(both).collect()
}

fn unknown(read: &[(StateKey, SyncState)], sessions: &[String]) -> Vec<String> {
    let known: HashSet<&String> =
        read.iter().filter(|(_, state)| state.revision > 0).map(|(key, _)| &key.session_id).collect();
    let mut unknown: Vec<String> =
        sessions.iter().filter(|session| !known.contains(session)).cloned().collect();
    unknown.sort();
    unknown.dedup();
    unknown
}

fn is_chosen(row: &Row, args: &StatusArgs, now: i64) -> bool {
    let has_standing = if args.standings.is_empty() {
        args.all || !args.sessions.is_empty() || row.standing != Standing::Synced
    } else {
        args.standings.contains(&row.standing)
    };
    let age = SignedDuration::from_millis(now.saturating_sub(row.since));
    has_standing && args.older_than.is_none_or(|limit| age > limit)
}
