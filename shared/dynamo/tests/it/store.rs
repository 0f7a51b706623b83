//! The store on the DynamoDB server of the local stack.

use std::sync::Arc;

use quiz_domain::Value;
use quiz_domain::reports::ReportTable;
use quiz_dynamo::{DynamoStore, TableNames, WriteLimits};
use quiz_pipeline::ports::{Fence, ReportReader, ReportStore, StoreError};
use quiz_stack::{Stack, unique};
use quiz_suites::store::{LargeItems, delete_all, report_store};
use quiz_suites::unchanged::unchanged_items;

use crate::common::{item, nested, quick};

async fn create_tables(stack: &Stack) -> TableNames {
    let names = TableNames {
        sections: unique("reports"),
        students: unique("reports-v2"),
        form_responses: unique("forms"),
    };
    stack.create_reports_table(&names.sections).await.unwrap();
    stack.create_reports_v2_table(&names.students).await.unwrap();
    stack.create_form_responses_table(&names.form_responses).await.unwrap();
    names
}

async fn store(limits: WriteLimits) -> DynamoStore {
    let stack = Stack::get().await.unwrap();
    DynamoStore::new(stack.dynamodb(), create_tables(stack).await, limits)
}

#[tokio::test]
async fn store_passes_the_suite_of_its_port() {
    let store = store(WriteLimits::default()).await;
    report_store(&store, &unique("session"), LargeItems::Refused).await;
}

#[tokio::test]
async fn unchanged_items_are_not_written() {
    let store = store(WriteLimits::default()).await;
    unchanged_items(Arc::new(store), &unique("session")).await;
}

#[tokio::test]
async fn missing_table_is_named() {
    let stack = Stack::get().await.unwrap();
    let names = TableNames { form_responses: unique("missing"), ..TableNames::default() };
    let store = DynamoStore::new(stack.dynamodb(), names.clone(), quick());
    let (table, missing) = (ReportTable::FormResponses, names.form_responses.as_str());
    let put = store.put(table, vec![item("s", "u", Value::Null)], &Fence::open()).await.unwrap_err();
    let delete = store.delete(table, "s", vec!["u#0".into()], &Fence::open()).await.unwrap_err();
    let look_up = store.stored(table, "s").await.unwrap_err();
    let read = store.user_items(table, "s", "u").await.unwrap_err();
    let failed = [(put, "write"), (delete, "remove old items of"), (look_up, "read"), (read, "read")];
    for (error, action) in failed {
        assert!(matches!(&error, StoreError::Refused { .. }), "{error}");
        let start = format!("cannot {action} table {missing}: there is no such table");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

#[tokio::test]
async fn table_with_wrong_keys_is_refused() {
    let stack = Stack::get().await.unwrap();
    let names = create_tables(stack).await;
    let swapped = TableNames { form_responses: names.sections.clone(), ..names };
    let store = DynamoStore::new(stack.dynamodb(), swapped, quick());
    let table = ReportTable::FormResponses;
    let put = store.put(table, vec![item("s", "u", Value::Null)], &Fence::open()).await.unwrap_err();
    let known = store.stored(table, "s").await;
    let read = store.user_items(table, "s", "u").await.unwrap_err();
    for error in [put, read] {
        assert!(matches!(&error, StoreError::Refused { .. }), "{error}");
        let expected = "its keys must be session_id and user_id-question_position_index";
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(known.unwrap().is_empty(), "no item has this sort key");
}

#[tokio::test]
async fn all_pages_are_cleaned_and_read() {
    let store = store(quick()).await;
    let (table, session) = (ReportTable::FormResponses, unique("session"));
    let text = Value::Text("x".repeat(100_000));
    let items: Vec<_> = (0..30).map(|user| item(&session, &format!("u{user}"), text.clone())).collect();
    assert_eq!(store.put(table, items, &Fence::open()).await.unwrap().written, 30);
    let mut known = store.stored(table, &session).await.unwrap();
    known.keep("u3#0");
    known.keep("u29#0");
    let stale = known.stale(1).map(str::to_owned).collect();
    assert_eq!(store.delete(table, &session, stale, &Fence::open()).await.unwrap(), 28);
    for (user, count) in [("u3", 1), ("u29", 1), ("u2", 0), ("u0", 0)] {
        assert_eq!(store.user_items(table, &session, user).await.unwrap().len(), count, "{user}");
    }
}

#[tokio::test]
async fn refused_items_do_not_affect_the_others() {
    let store = store(quick()).await;
    let (table, session) = (ReportTable::FormResponses, unique("session"));
    let long = "l".repeat(2_000);
    let items = vec![
        item(&session, "before", Value::Null),
        item(&session, "deep", nested(40)),
        item(&session, "deepest", nested(30)),
        item(&session, &long, Value::Null),
        item(&session, "after", Value::Null),
    ];
    let outcome = store.put(table, items, &Fence::open()).await.unwrap();
    let refused: Vec<_> = outcome.refused.iter().map(|refusal| refusal.sort_key.as_str()).collect();
    assert_eq!((outcome.written, refused), (3, vec!["deep#0", &format!("{long}#0")]));
    assert_eq!(delete_all(&store, table, &session).await, 3);
}

#[tokio::test]
async fn user_id_with_separator_is_another_user() {
    let store = store(quick()).await;
    let (table, session) = (ReportTable::FormResponses, unique("session"));
    let items = vec![item(&session, "a", Value::Null), item(&session, "a#b", Value::Null)];
    store.put(table, items, &Fence::open()).await.unwrap();
    let found = store.user_items(table, &session, "a").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["user_id"], "a");
    assert_eq!(store.user_items(table, &session, "").await.unwrap().len(), 0);
    assert_eq!(store.user_items(table, "", "a").await.unwrap().len(), 0);
}
