use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use quiz_events::{Cause, Sink};
use quiz_sync_state::{Record, StateError, StateKey, SyncState, SyncStates};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::SqliteStore;

/// The name of a request for all states in its error.
const EVERY: &str = "(all)";
pub(super) const TABLE_NAME: &str = "quiz_sync_state";
const TABLE: &str = r#"CREATE TABLE IF NOT EXISTS "quiz_sync_state" (
    "session_id" TEXT NOT NULL, "sink" TEXT NOT NULL, "revision" INTEGER NOT NULL, "item" TEXT NOT NULL,
    PRIMARY KEY ("session_id", "sink")) STRICT"#;
const READ: &str = r#"SELECT "item" FROM "quiz_sync_state" WHERE "session_id" = ?1 AND "sink" = ?2"#;
const REVISION: &str = r#"SELECT "revision" FROM "quiz_sync_state" WHERE "session_id" = ?1 AND "sink" = ?2"#;
const STORE: &str = r#"INSERT OR REPLACE INTO "quiz_sync_state" ("session_id", "sink", "revision", "item")
    VALUES (?1, ?2, ?3, ?4)"#;
const ALL: &str = r#"SELECT "sink", "item" FROM "quiz_sync_state" ORDER BY "session_id", "sink""#;

pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLE)
}

/// Clears the lease and the pending messages of a state.
const RELEASE: &str = r#"UPDATE "quiz_sync_state" SET "revision" = "revision" + 1, "item" = json_set(
    json_remove("item", '$.lease_owner', '$.lease_message_id', '$.lease_until', '$.follow_up_message_id',
        '$.follow_up_due'), '$.revision', "revision" + 1,
    '$.generation', json_extract("item", '$.generation') + 1)"#;

impl SqliteStore {
    /// Reads all states, one after the other, and keeps those for which `keep` is true, sorted by key. A local file has
    /// few states, so no index finds them.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be read.
    pub async fn scan(
        &self,
        keep: impl Fn(&SyncState) -> bool + Send + 'static,
    ) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let kept = self.blocking(move |connection| {
            let mut read = connection.prepare_cached(ALL)?;
            let mut rows = read.query([])?;
            let (mut states, mut unknown) = (Vec::new(), BTreeSet::new());
            while let Some(row) = rows.next()? {
                let sink: String = row.get(0)?;
                if sink.parse::<Sink>().is_err() {
                    unknown.insert(sink);
                    continue;
                }
                match record(&row.get::<_, String>(1)?, EVERY) {
                    Ok(record) if keep(&record.state) => states.push((record.key, record.state)),
                    Ok(_) => {}
                    Err(error) => return Ok(Err(error)),
                }
            }
            if !unknown.is_empty() {
                tracing::warn!(sinks = ?unknown, "sync states of unknown sinks skipped");
            }
            Ok(Ok(states))
        });
        kept.await.map_err(|error| error.into_state_error("read", EVERY))?
    }

    /// Releases all leases and follow-ups, for a process whose queues are in memory: the messages of an earlier process
    /// are lost with that process.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be written.
    pub async fn release_leases(&self) -> Result<(), StateError> {
        let released = self.blocking(|connection| connection.execute(RELEASE, []).map(|_| ())).await;
        released.map_err(|error| error.into_state_error("release", EVERY))
    }
}

#[async_trait]
impl SyncStates for SqliteStore {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        let (session_id, sink) = (key.session_id.clone(), key.sink);
        let item = self.blocking(move |connection| {
            let mut read = connection.prepare_cached(READ)?;
            read.query_row([&session_id, sink.as_str()], |row| row.get::<_, String>(0)).optional()
        });
        let Some(item) = item.await.map_err(|error| error.into_state_error("read", &key.session_id))? else {
            return Ok(SyncState::default());
        };
        Ok(record(&item, &key.session_id)?.state)
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        let revision = seen.revision.saturating_add(1);
        let numbers = i64::try_from(seen.revision).and_then(|seen| Ok((seen, i64::try_from(revision)?)));
        let (seen, stored_revision) = numbers.map_err(|error| unavailable("store", key, error.into()))?;
        let (session_id, sink) = (key.session_id.clone(), key.sink.as_str());
        let record = Record { key: key.clone(), state: SyncState { revision, ..next.clone() } };
        let item = serde_json::to_string(&record).map_err(|error| unavailable("store", key, error.into()))?;
        let swapped = self.blocking(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let keys = [session_id.as_str(), sink];
            let stored: Option<i64> =
                transaction.prepare_cached(REVISION)?.query_row(keys, |row| row.get(0)).optional()?;
            if stored.unwrap_or_default() != seen {
                return Ok(false);
            }
            transaction.prepare_cached(STORE)?.execute((&session_id, sink, stored_revision, item))?;
            transaction.commit()?;
            Ok(true)
        });
        swapped.await.map_err(|error| error.into_state_error("store", &key.session_id))
    }

    async fn get_unfinished(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        self.scan(SyncState::is_unfinished).await
    }

    async fn get_by_quiz(&self, quiz_ids: &[String]) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let wanted: HashSet<String> = quiz_ids.iter().cloned().collect();
        self.scan(move |state| wanted.contains(&state.quiz_id)).await
    }
}

fn record(item: &str, session_id: &str) -> Result<Record, StateError> {
    serde_json::from_str(item).map_err(|error| StateError::Refused {
        action: "read",
        session_id: session_id.to_owned(),
        cause: error.into(),
    })
}

fn unavailable(action: &'static str, key: &StateKey, cause: Cause) -> StateError {
    StateError::Unavailable { action, session_id: key.session_id.clone(), cause }
}
