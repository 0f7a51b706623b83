//! The sync states against a real server of the local stack.

use quiz_dynamo::DynamoStates;
use quiz_stack::{Stack, unique};
use quiz_suites::state::sync_states;
use quiz_sync_state::{StateError, StateKey, SyncStates};

#[tokio::test]
async fn a_table_holds_sync_states() {
    let stack = Stack::get().await.unwrap();
    let table = unique("states");
    stack.create_sync_state_table(&table).await.unwrap();
    sync_states(&DynamoStates::new(stack.dynamodb(), table), &unique("session")).await;
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let states = DynamoStates::new(Stack::get().await.unwrap().dynamodb(), "nowhere".into());
    let key = StateKey { session_id: "s".into(), sink: "reports".into() };
    let error = states.get(&key).await.unwrap_err();
    assert!(matches!(error, StateError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("table nowhere"), "{error}");
}
