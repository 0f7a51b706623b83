use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use quiz_events::Sink;
use quiz_sync_state::{Rules, Standing, StateKey, SyncState};

use crate::status::args::StatusArgs;

/// One test in one sink.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: StateKey,
    pub state: SyncState,
    pub standing: Standing,
    /// Since when it stands so; of one that waits: until when. Milliseconds since 1970.
    pub since: i64,
}

/// How many stand so.
pub type Counts = [(Standing, usize); Standing::ALL.len()];

/// What one read of the states tells.
#[derive(Clone, Debug)]
pub struct Overview {
    pub at: Timestamp,
    /// Those that were asked for, worst first, then oldest.
    pub rows: Vec<Row>,
    /// Over all that were read.
    pub counts: Counts,
    /// How many tests were read.
    pub tests: usize,
    /// Named sessions that no sink has a state of.
    pub unknown: Vec<String>,
}

impl Overview {
    pub fn new(read: Vec<(StateKey, SyncState)>, args: &StatusArgs, rules: &Rules, at: Timestamp) -> Self {
        let now = at.as_millisecond();
        let unknown = unknown(&read, &args.sessions);
        let is_known = |key: &StateKey| !unknown.contains(&key.session_id);
        let of_sink = |key: &StateKey| args.sink.is_none_or(|sink| sink == key.sink);
        let rows = read.into_iter().filter(|(key, _)| of_sink(key) && is_known(key));
        let mut rows: Vec<Row> = rows
            .map(|(key, state)| {
                let (standing, since) = state.standing(now, rules);
                Row { key, state, standing, since }
            })
            .collect();
        let counts = Standing::ALL.map(|it| (it, rows.iter().filter(|row| row.standing == it).count()));
        let tests = rows.iter().map(|row| &row.key.session_id).collect::<HashSet<_>>().len();
        rows.retain(|row| is_chosen(row, args, now));
        rows.sort_by(|a, b| (a.standing, a.since, &a.key).cmp(&(b.standing, b.since, &b.key)));
        Self { at, rows, counts, tests, unknown }
    }

    /// Whether anything that was asked for needs a look.
    pub fn has_trouble(&self) -> bool {
        let trouble = [Standing::Parked, Standing::Failed, Standing::Behind];
        self.rows.iter().any(|row| trouble.contains(&row.standing))
    }
}

/// The states to read of these sessions, each once: of both sinks, as one that has none tells something too.
pub fn keys(sessions: &[String]) -> Vec<StateKey> {
    let mut seen = HashSet::new();
    let each = sessions.iter().filter(|session| seen.insert(*session));
    let both = |session: &String| Sink::ALL.map(|sink| StateKey { session_id: session.clone(), sink });
    each.flat_map(both).collect()
}

fn unknown(read: &[(StateKey, SyncState)], sessions: &[String]) -> Vec<String> {
    let known: HashSet<&String> =
        read.iter().filter(|(_, state)| state.revision > 0).map(|(key, _)| &key.session_id).collect();
    let mut unknown: Vec<String> = sessions.iter().filter(|it| !known.contains(it)).cloned().collect();
    unknown.sort();
    unknown.dedup();
    unknown
}

fn is_chosen(row: &Row, args: &StatusArgs, now: i64) -> bool {
    let stands = if args.standings.is_empty() {
        args.all || !args.sessions.is_empty() || row.standing != Standing::Synced
    } else {
        args.standings.contains(&row.standing)
    };
    let age = SignedDuration::from_millis(now.saturating_sub(row.since));
    stands && args.older_than.is_none_or(|limit| age > limit)
}
