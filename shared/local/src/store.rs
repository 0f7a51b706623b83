//! The report tables in an SQLite file.

mod error;
mod schema;
mod states;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use quiz_domain::reports::{ContentDigest, ReportItem, ReportTable};
use quiz_pipeline::ports::{
    Fence, ItemStream, PutOutcome, Refusal, ReportReader, ReportStore, StoreError, StoredItems,
};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use serde_json::Value;

pub use error::OpenError;

use error::FileError;
use schema::DatabaseKind;

/// Items of one read.
const PAGE: usize = 1_000;
/// How long a call waits for the lock of another process.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// A report store in an SQLite file. Each DynamoDB table is a table with its default name, its keys as columns and the
/// item as JSON text in the column `item`.
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, or creates the file and its folder. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] where the file cannot be written, is locked, is no database, or belongs to another program. Such a
    /// file stays unchanged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|cause| OpenError::Folder { folder: folder.to_owned(), cause })?;
        }
        let failed = |cause| OpenError::new(path.to_owned(), cause);
        let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE).map_err(failed)?;
        refuse_foreign(path, &connection)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        schema::create(&connection).map_err(failed)?;
        states::create(&connection).map_err(failed)?;
        schema::mark(&connection).map_err(failed)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.to_owned() })
    }

    /// Opens an existing report store. Blocks.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and where the file does not exist or lacks a table.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        let failed = |cause| OpenError::new(path.to_owned(), cause);
        let connection = connect(path, OpenFlags::empty()).map_err(failed)?;
        refuse_foreign(path, &connection)?;
        if let Some(table) = schema::missing(&connection).map_err(failed)? {
            return Err(OpenError::NotAStore { path: path.to_owned(), table });
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.to_owned() })
    }

    /// The ids of all test sessions with an item in any table, in alphabetical order.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn sessions(&self) -> Result<Vec<String>, StoreError> {
        let tables =
            ReportTable::ALL.map(|table| format!(r#"SELECT "session_id" FROM "{}""#, table.default_name()));
        let query = format!("{} ORDER BY 1", tables.join(" UNION "));
        self.run("read", ReportTable::Sections, move |connection| {
            connection.prepare_cached(&query)?.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        table: ReportTable,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.blocking(work).await.map_err(|error| error.into_store_error(action, table.default_name()))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, FileError> {
        let connection = Arc::clone(&self.connection);
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|cause| FileError::new(self.path.clone(), cause)),
            Err(cause) => Err(FileError::BrokenDown { path: self.path.clone(), cause }),
        }
    }
}

impl SqliteStore {
    /// Runs the work under the fence; `None` where the lease is over.
    async fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        table: ReportTable,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<Option<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let written = self.run(action, table, work).await?;
        written.ok_or_else(|| StoreError::LeaseOver { table: table.default_name().to_owned() })
    }
}

#[async_trait]
impl ReportStore for SqliteStore {
    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        let session_id = session_id.to_owned();
        self.run("read", table, move |connection| stored(connection, table, &session_id)).await
    }

    async fn put(
        &self,
        table: ReportTable,
        items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let fence = fence.clone();
        self.write("write to", table, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !fence.holds() {
                return Ok(None);
            }
            let mut outcome = PutOutcome::default();
            for item in &items {
                match put(&transaction, table, item)? {
                    None => outcome.written += 1,
                    Some(reason) => {
                        outcome.refused.push(Refusal { sort_key: item.sort_key().to_owned(), reason });
                    }
                }
            }
            transaction.commit()?;
            Ok(Some(outcome))
        })
        .await
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        let (session_id, fence) = (session_id.to_owned(), fence.clone());
        self.write("delete from", table, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !fence.holds() {
                return Ok(None);
            }
            let deleted = delete(&transaction, table, &session_id, &sort_keys)?;
            transaction.commit()?;
            Ok(Some(deleted))
        })
        .await
    }
}

#[async_trait]
impl ReportReader for SqliteStore {
    async fn user_items(
        &self,
        table: ReportTable,
        session_id: &str,
        user_id: &str,
    ) -> Result<Vec<Value>, StoreError> {
        let (name, sort_key) = (table.default_name(), table.sort_key());
        let first = table.user_prefix(user_id);
        let (is_users, last) = match table {
            ReportTable::Students => ("=", first.clone()),
            ReportTable::Sections | ReportTable::FormResponses => ("<", successor(&first)),
        };
        let query = format!(
            r#"SELECT "item" FROM "{name}" WHERE "session_id" = ?1
               AND "{sort_key}" >= ?2 AND "{sort_key}" {is_users} ?3 ORDER BY "{sort_key}""#
        );
        let keys = [session_id.to_owned(), first, last];
        self.run("read", table, move |connection| items(connection, &query, keys)).await
    }

    fn session_items<'a>(&'a self, table: ReportTable, session_id: &'a str) -> ItemStream<'a> {
        let (name, sort_key) = (table.default_name(), table.sort_key());
        let query = format!(
            r#"SELECT "item" FROM "{name}" WHERE "session_id" = ?1 AND "{sort_key}" > ?2
               ORDER BY "{sort_key}" LIMIT {PAGE}"#
        );
        let pages = stream::try_unfold(Some(String::new()), move |after| {
            let query = query.clone();
            async move {
                let Some(after) = after else { return Ok::<_, StoreError>(None) };
                let keys = [session_id.to_owned(), after];
                let page = self.run("read", table, move |connection| items(connection, &query, keys)).await?;
                let last = page.get(PAGE - 1).and_then(|item| item.get(sort_key)?.as_str());
                let next = last.map(str::to_owned);
                Ok(Some((stream::iter(page.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten().boxed()
    }
}

fn refuse_foreign(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let path = path.to_owned();
    match schema::kind(connection) {
        Ok(DatabaseKind::Empty | DatabaseKind::Store) => Ok(()),
        Ok(DatabaseKind::Foreign { table }) => Err(OpenError::Foreign { path, table }),
        Ok(DatabaseKind::Newer { version }) => Err(OpenError::Newer { path, version }),
        Err(cause) => Err(OpenError::new(path, cause)),
    }
}

/// The smallest text after all texts with this prefix, whose last character is a `#`.
fn successor(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    let last = text.pop().and_then(|last| char::from_u32(u32::from(last) + 1));
    text.extend(last);
    text
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Why the item was refused; `None` where it is written.
fn put(
    transaction: &Transaction<'_>,
    table: ReportTable,
    item: &ReportItem,
) -> rusqlite::Result<Option<String>> {
    if item.table() != table {
        return Ok(Some(format!("it is an item of {}", item.table().default_name())));
    }
    let json = match serde_json::to_string(item) {
        Ok(json) => json,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let mut statement = transaction.prepare_cached(&schema::put(table))?;
    let (session_id, sort_key) = (item.session_id(), item.sort_key());
    let written = match item {
        ReportItem::Section(item) => statement.execute(params![session_id, sort_key, json, item.user_id]),
        ReportItem::Student(item) => statement.execute(params![session_id, sort_key, json, item.school]),
        ReportItem::FormResponse(_) => statement.execute(params![session_id, sort_key, json]),
    };
    match written {
        Ok(_) => Ok(None),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::TooBig) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

fn stored(connection: &Connection, table: ReportTable, session_id: &str) -> rusqlite::Result<StoredItems> {
    let (name, sort_key) = (table.default_name(), table.sort_key());
    let query = format!(
        r#"SELECT "{sort_key}", json_extract("item", '$.{}', '$.sync_generation') FROM "{name}"
           WHERE "session_id" = ?1 ORDER BY "{sort_key}""#,
        ContentDigest::ATTRIBUTE
    );
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query([session_id])?;
    let mut stored = StoredItems::default();
    while let Some(row) = rows.next()? {
        let said: String = row.get(1)?;
        let (digest, generation): (Value, Value) = serde_json::from_str(&said).unwrap_or_default();
        let digest = digest.as_str().and_then(ContentDigest::parse);
        stored.add(row.get_ref(0)?.as_str()?, digest, generation.as_i64());
    }
    Ok(stored)
}

fn delete(
    transaction: &Transaction<'_>,
    table: ReportTable,
    session_id: &str,
    sort_keys: &[String],
) -> rusqlite::Result<u64> {
    let (name, sort_key) = (table.default_name(), table.sort_key());
    let delete = format!(r#"DELETE FROM "{name}" WHERE "session_id" = ?1 AND "{sort_key}" = ?2"#);
    let mut delete = transaction.prepare_cached(&delete)?;
    let mut deleted = 0;
    for key in sort_keys {
        deleted += delete.execute([session_id, key])? as u64;
    }
    Ok(deleted)
}

fn items<const N: usize>(
    connection: &Connection,
    query: &str,
    keys: [String; N],
) -> rusqlite::Result<Vec<Value>> {
    let mut statement = connection.prepare_cached(query)?;
    let item = |row: &rusqlite::Row<'_>| {
        let json: String = row.get(0)?;
        let not_json = |cause: serde_json::Error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(cause))
        };
        serde_json::from_str(&json).map_err(not_json)
    };
    statement.query_map(rusqlite::params_from_iter(keys), item)?.collect()
}

#[cfg(test)]
mod tests {
    use quiz_events::Sink;
    use quiz_sync_state::{StateError, StateKey, SyncState, SyncStates};

    use super::SqliteStore;

    #[tokio::test]
    async fn full_disk_is_refused_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports.db");
        let store = SqliteStore::open(&path).unwrap();
        // SQLite reports this page limit as a full disk
        store.connection.lock().unwrap().pragma_update(None, "max_page_count", 1).unwrap();
        let mut refused = None;
        for number in 0..1_000 {
            let key = StateKey { session_id: format!("session {number}"), sink: Sink::Reports };
            if let Err(error) = store.swap(&key, &SyncState::default(), &SyncState::default()).await {
                refused = Some(error);
                break;
            }
        }
        let error = refused.unwrap();
        assert!(matches!(error, StateError::Refused { .. }), "{error}");
        let expected = format!("cannot write {}: no space left on device", path.display());
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}
