use async_trait::async_trait;
use quiz_events::Cause;
use quiz_sync_state::{Record, StateError, StateKey, SyncState, SyncStates};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::SqliteStore;

pub(super) const TABLE_NAME: &str = "quiz_sync_state";
const TABLE: &str = r#"CREATE TABLE IF NOT EXISTS "quiz_sync_state" (
    "session_id" TEXT NOT NULL, "sink" TEXT NOT NULL, "revision" INTEGER NOT NULL, "item" TEXT NOT NULL,
    PRIMARY KEY ("session_id", "sink")) STRICT"#;
const READ: &str = r#"SELECT "item" FROM "quiz_sync_state" WHERE "session_id" = ?1 AND "sink" = ?2"#;
const REVISION: &str = r#"SELECT "revision" FROM "quiz_sync_state" WHERE "session_id" = ?1 AND "sink" = ?2"#;
const STORE: &str = r#"INSERT OR REPLACE INTO "quiz_sync_state" ("session_id", "sink", "revision", "item")
    VALUES (?1, ?2, ?3, ?4)"#;
const ALL: &str = r#"SELECT "item" FROM "quiz_sync_state" ORDER BY "session_id", "sink""#;

pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLE)
}

/// No lease is held, and no message is on its way.
const RELEASE: &str = r#"UPDATE "quiz_sync_state" SET "revision" = "revision" + 1, "item" = json_set(
    json_remove("item", '$.lease_owner', '$.lease_message_id', '$.lease_until', '$.follow_up_message_id',
        '$.follow_up_due'), '$.revision', "revision" + 1,
    '$.generation', json_extract("item", '$.generation') + 1)"#;

impl SqliteStore {
    /// Takes back all leases and follow-ups: for a process whose queues are in memory, and begin empty. The messages
    /// that an earlier one counted on are gone with it.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be written.
    pub async fn release_leases(&self) -> Result<(), StateError> {
        let released = self.blocking(|connection| connection.execute(RELEASE, []).map(|_| ())).await;
        let all = StateKey { session_id: "(all)".to_owned(), sink: String::new() };
        released.map_err(|error| error.of_state("release", &all))
    }
}

#[async_trait]
impl SyncStates for SqliteStore {
    async fn get(&self, key: &StateKey) -> Result<SyncState, StateError> {
        let named = key.clone();
        let item = self.blocking(move |connection| {
            let mut read = connection.prepare_cached(READ)?;
            read.query_row([&named.session_id, &named.sink], |row| row.get::<_, String>(0)).optional()
        });
        let Some(item) = item.await.map_err(|error| error.of_state("read", key))? else {
            return Ok(SyncState::default());
        };
        Ok(record(&item, key)?.into_state())
    }

    async fn swap(&self, key: &StateKey, seen: &SyncState, next: &SyncState) -> Result<bool, StateError> {
        let revision = seen.revision.saturating_add(1);
        let numbers = i64::try_from(seen.revision).and_then(|seen| Ok((seen, i64::try_from(revision)?)));
        let (seen, stored_revision) = numbers.map_err(|error| unavailable("store", key, error.into()))?;
        let named = key.clone();
        let record = Record::new(key, SyncState { revision, ..next.clone() });
        let item = serde_json::to_string(&record).map_err(|error| unavailable("store", key, error.into()))?;
        let swapped = self.blocking(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let keys = [&named.session_id, &named.sink];
            let stored: Option<i64> =
                transaction.prepare_cached(REVISION)?.query_row(keys, |row| row.get(0)).optional()?;
            if stored.unwrap_or_default() != seen {
                return Ok(false);
            }
            transaction.prepare_cached(STORE)?.execute((
                &named.session_id,
                &named.sink,
                stored_revision,
                item,
            ))?;
            transaction.commit()?;
            Ok(true)
        });
        swapped.await.map_err(|error| error.of_state("store", key))
    }

    async fn all(&self) -> Result<Vec<(StateKey, SyncState)>, StateError> {
        let items = self.blocking(|connection| {
            let mut read = connection.prepare_cached(ALL)?;
            read.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        let every = StateKey { session_id: "(all)".to_owned(), sink: String::new() };
        let items = items.await.map_err(|error| error.of_state("read", &every))?;
        items.iter().map(|item| record(item, &every).map(Record::into_keyed)).collect()
    }
}

fn record(item: &str, key: &StateKey) -> Result<Record, StateError> {
    serde_json::from_str(item).map_err(|error| StateError::Refused {
        action: "read",
        session_id: key.session_id.clone(),
        cause: error.into(),
    })
}

fn unavailable(action: &'static str, key: &StateKey, cause: Cause) -> StateError {
    StateError::Unavailable { action, session_id: key.session_id.clone(), cause }
}
