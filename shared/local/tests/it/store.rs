//! The SQLite store.

use std::fs;
use std::path::Path;

use quiz_domain::reports::ReportTable;
use quiz_events::Sink;
use quiz_local::{OpenError, SqliteStore};
use quiz_pipeline::ports::{Fence, ReportStore, StoreError};
use quiz_suites::reports::items;
use quiz_suites::state::sync_states;
use quiz_suites::store::session_items;
use quiz_suites::store::{LargeItems, report_store};
use quiz_sync_state::{FollowUp, Lease, StateKey, SyncState, SyncStates};
use rusqlite::Connection;
use tempfile::TempDir;

#[tokio::test]
async fn sqlite_file_is_a_report_store() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("reports.db")).unwrap();
    report_store(&store, "suite", LargeItems::Written).await;
    assert!(store.sessions().await.unwrap().is_empty(), "the suite left something");
}

#[tokio::test]
async fn sqlite_file_holds_sync_states() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("reports.db")).unwrap();
    sync_states(&store, "suite").await;
}

#[tokio::test]
async fn states_of_unknown_sinks_are_skipped() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("reports.db");
    let store = SqliteStore::open(&path).unwrap();
    let key = |session_id: &str| StateKey { session_id: session_id.into(), sink: Sink::Warehouse };
    for session_id in ["a", "b"] {
        let seen = SyncState::default();
        assert!(
            store
                .swap(&key(session_id), &seen, &SyncState { synced_through: 5, ..seen.clone() })
                .await
                .unwrap()
        );
    }
    let later = r#"INSERT INTO "quiz_sync_state" VALUES ('a', 'postgres', 1, '{"session_id":"a","sink":"postgres"}')"#;
    assert_eq!(rusqlite::Connection::open(&path).unwrap().execute(later, []).unwrap(), 1);
    let all = store.scan(|_| true).await.unwrap();
    assert_eq!(all.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), ["a", "b"].map(key));
    assert!(all.iter().all(|(_, state)| state.synced_through == 5));
}

#[tokio::test]
async fn new_process_releases_earlier_leases() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("reports.db")).unwrap();
    let key = StateKey { session_id: "s".into(), sink: Sink::Reports };
    let lease = Lease { owner: "dead".into(), message_id: "m".into(), until: i64::MAX };
    let follow_up = FollowUp { message_id: "n".into(), due: i64::MAX };
    let held = SyncState {
        synced_through: 5,
        lease: Some(lease),
        follow_up: Some(follow_up),
        ..SyncState::default()
    };
    assert!(store.swap(&key, &SyncState::default(), &held).await.unwrap());
    store.release_leases().await.unwrap();
    let released = SyncState { revision: 2, generation: 1, lease: None, follow_up: None, ..held };
    assert_eq!(store.get(&key).await.unwrap(), released);
    assert!(store.swap(&key, &released, &released).await.unwrap());
}

#[tokio::test]
async fn reopened_file_holds_written_items() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/folder/reports.db");
    {
        let store = SqliteStore::open(&path).unwrap();
        store
            .put(ReportTable::Sections, items(ReportTable::Sections, "b/1", 9, 1), &Fence::open())
            .await
            .unwrap();
        store
            .put(ReportTable::Students, items(ReportTable::Students, "a", 3, 1), &Fence::open())
            .await
            .unwrap();
    }
    let store = SqliteStore::open_existing(&path).unwrap();
    assert_eq!(store.sessions().await.unwrap(), ["a", "b/1"]);
    let found = session_items(&store, ReportTable::Sections, "b/1").await;
    let keys: Vec<_> = found.iter().map(|item| item["user_id-section"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 9);
    assert!(keys.is_sorted(), "{keys:?}");
    assert!(session_items(&store, ReportTable::Students, "b/1").await.is_empty());
}

#[tokio::test]
async fn tables_have_dynamodb_keys_as_columns() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("reports.db");
    let store = SqliteStore::open(&path).unwrap();
    for table in ReportTable::ALL {
        store.put(table, items(table, "s", 6, 1), &Fence::open()).await.unwrap();
    }
    let connection = Connection::open(&path).unwrap();
    let text = |query: &str| connection.query_row(query, [], |row| row.get::<_, String>(0)).unwrap();
    let key = r#"SELECT "user_id-section" FROM student_quiz_reports WHERE user_id = 'u1' ORDER BY 1"#;
    assert_eq!(text(key), "u1#Physics");
    assert_eq!(text("SELECT school FROM student_quiz_reports_v2 WHERE user_id = 'u1'"), "JNV पुणे");
    let key = r#"SELECT json_extract("item", '$.user_id') FROM form_question_responses
        WHERE "user_id-question_position_index" = 'u1#0'"#;
    assert_eq!(text(key), "u1");
}

#[tokio::test]
async fn an_item_of_another_table_is_refused() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("reports.db")).unwrap();
    let outcome = store
        .put(ReportTable::Students, items(ReportTable::Sections, "s", 2, 1), &Fence::open())
        .await
        .unwrap();
    assert_eq!((outcome.written, outcome.refused.len()), (0, 2));
}

#[test]
fn open_error_names_file_and_cause() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let existing = |name: &str| SqliteStore::open_existing(path(name)).err().unwrap();
    let created = |path: &Path| SqliteStore::open(path).err().unwrap();

    assert!(matches!(existing("none.db"), OpenError::Missing(_)));
    assert!(existing("none.db").to_string().starts_with("no report store at /"));

    fs::write(path("text.db"), "a text ".repeat(1_000)).unwrap();
    assert!(matches!(created(&path("text.db")), OpenError::NotADatabase(_)));
    assert!(matches!(existing("text.db"), OpenError::NotADatabase(_)));

    fs::write(path("empty.db"), "").unwrap();
    assert!(matches!(existing("empty.db"), OpenError::NotAStore { .. }));

    // below a regular file: denied to every user, including root
    assert!(matches!(created(&path("text.db/below/reports.db")), OpenError::Folder { .. }));
    assert!(matches!(created(Path::new("/proc/reports.db")), OpenError::Denied { .. }));
    assert!(matches!(created(folder.path()), OpenError::Denied { .. }));
}

#[test]
fn foreign_database_is_refused_and_kept() {
    let folder = TempDir::new().unwrap();
    let made = |name: &str, statements: &str| {
        let path = folder.path().join(name);
        Connection::open(&path).unwrap().execute_batch(statements).unwrap();
        path
    };
    let refused = |path: &Path| {
        let before = fs::read(path).unwrap();
        let errors = [SqliteStore::open(path), SqliteStore::open_existing(path)]
            .map(|opened| opened.err().unwrap().to_string());
        assert_eq!(fs::read(path).unwrap(), before);
        assert_eq!(errors[0], errors[1]);
        errors[0].replace(&path.display().to_string(), "FILE")
    };
    let next = "choose another folder or move the file away";
    let shop = made("shop.db", "CREATE TABLE orders (id); CREATE TABLE student_quiz_reports (id);");
    assert_eq!(
        refused(&shop),
        format!("FILE is a database of another program, with the table \"orders\"; {next}")
    );
    let marked = made("marked.db", "PRAGMA application_id = 7;");
    assert_eq!(refused(&marked), format!("FILE is a database of another program; {next}"));
    let later = folder.path().join("later.db");
    drop(SqliteStore::open(&later).unwrap());
    Connection::open(&later).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let newer =
        "FILE was written by a later quiz-etl (version 2 of its tables); use that release, or another folder";
    assert_eq!(refused(&later), newer);
}

#[test]
fn database_of_earlier_release_opens() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("reports.db");
    for statements in ["", "DROP TABLE quiz_sync_state", "CREATE TABLE notes (text)"] {
        drop(SqliteStore::open(&path).unwrap());
        let earlier = format!("PRAGMA application_id = 0; PRAGMA user_version = 0; {statements}");
        Connection::open(&path).unwrap().execute_batch(&earlier).unwrap();
        assert!(SqliteStore::open_existing(&path).is_ok(), "{statements}");
    }
    assert!(SqliteStore::open(&path).is_ok());
    let mark = Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    assert_eq!(mark, Ok(i32::from_be_bytes(*b"qetl")));
    // a store whose first process was killed while it made the tables
    let begun = folder.path().join("begun.db");
    let table = "CREATE TABLE quiz_sync_state (session_id, sink, revision, item)";
    Connection::open(&begun).unwrap().execute_batch(table).unwrap();
    assert!(SqliteStore::open(&begun).is_ok());
}

#[tokio::test]
async fn missing_table_is_refused_without_retry() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("reports.db");
    let store = SqliteStore::open(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("DROP TABLE student_quiz_reports").unwrap();
    let error = store
        .put(ReportTable::Sections, items(ReportTable::Sections, "s", 1, 1), &Fence::open())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot write to table student_quiz_reports: "), "{error}");
}
