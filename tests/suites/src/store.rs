//! The suite of [`ReportStore`] and [`ReportReader`].

use std::collections::BTreeMap;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_pipeline::ports::Fence;
use quiz_pipeline::ports::{ReportReader, ReportStore, StoreError};
use serde_json::Value;

use crate::reports::{items, large_item};

/// How the store handles an item of more than 400 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LargeItems {
    Written,
    Refused,
}

/// A store whose items can be read back.
pub trait Reports: ReportStore + ReportReader {}

impl<S: ReportStore + ReportReader> Reports for S {}

/// Asserts the promises of the port. The tables may hold items of other test sessions. The suite owns the test sessions
/// whose ids begin with `session`, and deletes their items at the end.
pub async fn report_store(store: &dyn Reports, session: &str, large: LargeItems) {
    for table in ReportTable::ALL {
        items_of_any_number_are_written(store, session, table).await;
        item_replaces_item_with_same_keys(store, session, table).await;
        user_reads_only_own_items(store, session, table).await;
        session_items_are_complete_and_sorted(store, session, table).await;
        stored_digests_are_listed(store, session, table).await;
        unwanted_items_are_deleted(store, session, table).await;
        concurrent_puts_write_all_items(store, session, table).await;
        expired_lease_blocks_writes(store, session, table).await;
    }
    large_item_spares_other_items(store, session, large).await;
}

async fn items_of_any_number_are_written(store: &dyn Reports, session: &str, table: ReportTable) {
    for count in [0, 1, 25, 26, 130] {
        let session = format!("{session}-{count}-items");
        put(store, table, items(table, &session, count, 1)).await;
        assert_holds(store, table, &session, &items(table, &session, count, 1)).await;
        clear(store, table, &session, count).await;
    }
}

async fn item_replaces_item_with_same_keys(store: &dyn Reports, session: &str, table: ReportTable) {
    let session = format!("{session}-replaced");
    put(store, table, items(table, &session, 30, 1)).await;
    put(store, table, items(table, &session, 30, 2)).await;
    assert_holds(store, table, &session, &items(table, &session, 30, 2)).await;
    clear(store, table, &session, 30).await;
}

async fn user_reads_only_own_items(store: &dyn Reports, session: &str, table: ReportTable) {
    let (session, other) = (format!("{session}-users"), format!("{session}-users-other"));
    put(store, table, items(table, &session, 36, 1)).await;
    put(store, table, items(table, &other, 36, 1)).await;
    for user in ["u1", "u10", "u11"] {
        let found = store.user_items(table, &session, user).await.unwrap();
        let expected = if table == ReportTable::Students { 1 } else { 3 };
        assert_eq!(found.len(), expected, "items of {user}");
        assert!(found.iter().all(|item| item["user_id"] == user && item["session_id"] == *session));
        let keys: Vec<_> = found.iter().map(|item| sort_key(table, item)).collect();
        assert!(keys.is_sorted(), "not by sort key: {keys:?}");
    }
    for user in ["u", "U1", "u1#", "unknown user"] {
        let found = store.user_items(table, &session, user).await.unwrap();
        assert!(found.is_empty(), "{user} has items of others");
    }
    assert!(store.user_items(table, "no such session", "u1").await.unwrap().is_empty());
    clear(store, table, &session, 36).await;
    clear(store, table, &other, 36).await;
}

/// All items of a session, by sort key.
pub async fn session_items(store: &dyn ReportReader, table: ReportTable, session_id: &str) -> Vec<Value> {
    store.session_items(table, session_id).try_collect().await.unwrap()
}

async fn session_items_are_complete_and_sorted(store: &dyn Reports, session: &str, table: ReportTable) {
    const COUNT: usize = 1_030;
    let (session, other) = (format!("{session}-whole"), format!("{session}-whole-other"));
    put(store, table, items(table, &session, COUNT, 1)).await;
    put(store, table, items(table, &other, 3, 1)).await;
    let found = session_items(store, table, &session).await;
    let mut expected: Vec<String> =
        items(table, &session, COUNT, 1).iter().map(|item| item.sort_key().to_owned()).collect();
    expected.sort();
    let keys: Vec<String> = found.iter().map(|item| sort_key(table, item)).collect();
    assert_eq!(keys, expected);
    assert!(found.iter().all(|item| item["session_id"] == *session));
    for unknown in ["no such session", ""] {
        assert!(session_items(store, table, unknown).await.is_empty());
    }
    clear(store, table, &session, COUNT).await;
    clear(store, table, &other, 3).await;
}

async fn stored_digests_are_listed(store: &dyn Reports, session: &str, table: ReportTable) {
    const COUNT: usize = 1_030;
    let (session, other) = (format!("{session}-known"), format!("{session}-known-other"));
    let session_items_written = items(table, &session, COUNT, 7);
    put(store, table, session_items_written.clone()).await;
    put(store, table, items(table, &other, 3, 7)).await;
    let mut known = store.stored(table, &session).await.unwrap();
    assert_eq!(known.len(), COUNT);
    for item in &session_items_written {
        let digest = item.content_digest().unwrap();
        let writer = known.written_by(item.sort_key(), digest, 7);
        assert_eq!(writer, Some(7), "{} is not known", item.sort_key());
        let writer = known.written_by(item.sort_key(), digest, 6);
        assert_eq!(writer, None, "an earlier run claims the item");
    }
    let (one, another) = (&session_items_written[0], &session_items_written[1]);
    let content = another.content_digest().unwrap();
    assert_eq!(known.written_by(one.sort_key(), content, 7), None, "other content");
    known.keep(one.sort_key());
    assert_eq!((known.stale(7).count(), known.stale(6).count()), (COUNT - 1, 0));
    for unknown in ["no such session", ""] {
        assert!(store.stored(table, unknown).await.unwrap().is_empty());
    }
    clear(store, table, &session, COUNT).await;
    clear(store, table, &other, 3).await;
}

async fn unwanted_items_are_deleted(store: &dyn Reports, session: &str, table: ReportTable) {
    let (session, other) = (format!("{session}-kept"), format!("{session}-kept-other"));
    let (session_items_written, other_items) = (items(table, &session, 90, 1), items(table, &other, 5, 1));
    put(store, table, session_items_written.clone()).await;
    put(store, table, other_items.clone()).await;
    assert_eq!(store.delete(table, &session, Vec::new(), &Fence::open()).await.unwrap(), 0);
    let (kept, stale): (Vec<_>, Vec<_>) =
        session_items_written.into_iter().enumerate().partition(|(at, _)| at % 3 == 0);
    let keys: Vec<String> = stale.iter().map(|(_, item)| item.sort_key().to_owned()).collect();
    let deleted = store.delete(table, &session, keys, &Fence::open()).await.unwrap();
    assert_eq!(deleted, stale.len() as u64);
    let kept: Vec<ReportItem> = kept.into_iter().map(|(_, item)| item).collect();
    assert_holds(store, table, &session, &kept).await;
    for (_, item) in stale {
        assert!(stored(store, &item).await.is_none(), "{} is still stored", item.sort_key());
    }
    clear(store, table, &session, kept.len()).await;
    assert_holds(store, table, &other, &other_items).await;
    clear(store, table, &other, other_items.len()).await;
}

async fn concurrent_puts_write_all_items(store: &dyn Reports, session: &str, table: ReportTable) {
    let session = format!("{session}-concurrent");
    let all = items(table, &session, 120, 1);
    join_all(all.chunks(15).map(|chunk| put(store, table, chunk.to_vec()))).await;
    assert_holds(store, table, &session, &all).await;
    clear(store, table, &session, all.len()).await;
}

async fn expired_lease_blocks_writes(store: &dyn Reports, session: &str, table: ReportTable) {
    let session = format!("{session}-fenced");
    let all = items(table, &session, 30, 1);
    put(store, table, all.clone()).await;
    let over = Fence::open();
    over.revoke();
    let newer = store.put(table, items(table, &session, 30, 2), &over).await.unwrap_err();
    let keys = vec![all[0].sort_key().to_owned()];
    let deleted = store.delete(table, &session, keys, &over).await.unwrap_err();
    for error in [newer, deleted] {
        assert!(matches!(error, StoreError::LeaseOver { .. }) && error.is_retryable(), "{error}");
    }
    assert_holds(store, table, &session, &all).await;
    clear(store, table, &session, all.len()).await;
}

async fn large_item_spares_other_items(store: &dyn Reports, session: &str, large: LargeItems) {
    let (table, session) = (ReportTable::FormResponses, format!("{session}-large"));
    let neighbours = items(table, &session, 30, 1);
    let mut all = neighbours.clone();
    all.insert(12, large_item(&session));
    let outcome = store.put(table, all, &Fence::open()).await.unwrap();
    let found = stored(store, &large_item(&session)).await;
    match large {
        LargeItems::Written => {
            assert_eq!((outcome.written, outcome.refused.len()), (31, 0));
            assert!(found.is_some(), "the large item is lost");
        }
        LargeItems::Refused => {
            let refused: Vec<_> = outcome.refused.iter().map(|item| item.sort_key.as_str()).collect();
            assert_eq!((outcome.written, refused), (30, vec!["large#0"]));
            assert!(!outcome.refused[0].reason.is_empty(), "a refusal without reason");
            assert!(found.is_none(), "a refused item is stored");
        }
    }
    assert_holds(store, table, &session, &neighbours).await;
    delete_all(store, table, &session).await;
}

async fn put(store: &dyn Reports, table: ReportTable, items: Vec<ReportItem>) {
    let count = items.len() as u64;
    let outcome = store.put(table, items, &Fence::open()).await.unwrap();
    assert_eq!(outcome.refused, [], "items refused by {}", table.default_name());
    assert_eq!(outcome.written, count, "items written to {}", table.default_name());
}

/// Deletes all items of a test session and asserts their number.
async fn clear(store: &dyn Reports, table: ReportTable, session: &str, count: usize) {
    let deleted = delete_all(store, table, session).await;
    assert_eq!(deleted, count as u64, "items of {session} in {}", table.default_name());
}

/// Deletes all items of a test session and returns their number.
pub async fn delete_all(store: &dyn ReportStore, table: ReportTable, session: &str) -> u64 {
    let stored = store.stored(table, session).await.unwrap();
    let keys = stored.stale(i64::MAX).map(str::to_owned).collect();
    store.delete(table, session, keys, &Fence::open()).await.unwrap()
}

/// Asserts that each item is stored unchanged, and that its user has no other items.
async fn assert_holds(store: &dyn Reports, table: ReportTable, session: &str, expected: &[ReportItem]) {
    let mut by_user: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for item in expected {
        let json = serde_json::to_value(item).unwrap();
        let user = json["user_id"].as_str().unwrap().to_owned();
        by_user.entry(user).or_default().insert(item.sort_key().to_owned(), json);
    }
    let found = stream::iter(by_user).map(|(user, expected)| async move {
        let found = store.user_items(table, session, &user).await.unwrap();
        (user, found, expected)
    });
    let found: Vec<_> = found.buffer_unordered(8).collect().await;
    for (user, found, expected) in found {
        assert_eq!(found.len(), expected.len(), "items of {user} in {}", table.default_name());
        for (found, (key, expected)) in found.iter().zip(&expected) {
            assert!(same(found, expected), "{key}: stored is {found}, written was {expected}");
        }
    }
}

async fn stored(store: &dyn Reports, item: &ReportItem) -> Option<Value> {
    let json = serde_json::to_value(item).unwrap();
    let user = json["user_id"].as_str().unwrap();
    let found = store.user_items(item.table(), item.session_id(), user).await.unwrap();
    found.into_iter().find(|found| sort_key(item.table(), found) == item.sort_key())
}

fn sort_key(table: ReportTable, item: &Value) -> String {
    item[table.sort_key()].as_str().unwrap().to_owned()
}

/// Equal as JSON, where `2` and `2.0` are the same number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(one, other)| same(one, other))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, one)| b.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}
