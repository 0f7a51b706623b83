//! The sync states on the DynamoDB server of the local stack.

use aws_sdk_dynamodb::types::AttributeValue;
use quiz_dynamo::DynamoStates;
use quiz_events::Sink;
use quiz_stack::{Stack, unique};
use quiz_suites::state::sync_states;
use quiz_sync_state::{StateError, StateKey, SyncStates};

#[tokio::test]
async fn table_passes_the_suite_of_its_port() {
    let stack = Stack::get().await.unwrap();
    let table = unique("states");
    stack.create_sync_state_table(&table).await.unwrap();
    sync_states(&DynamoStates::new(stack.dynamodb(), table), &unique("session")).await;
}

#[tokio::test]
async fn states_of_unknown_sinks_are_skipped() {
    let stack = Stack::get().await.unwrap();
    let table = unique("states");
    stack.create_sync_state_table(&table).await.unwrap();
    let put = |sink: &str| {
        let put = stack.dynamodb().put_item().table_name(&table);
        put.item("session_id", AttributeValue::S("a".into()))
            .item("sink", AttributeValue::S(sink.into()))
            .send()
    };
    for sink in ["postgres", "reports", "s3", "warehouse"] {
        put(sink).await.unwrap();
    }
    let all = DynamoStates::new(stack.dynamodb(), table).scan(|_| true).await.unwrap();
    assert_eq!(all.iter().map(|(key, _)| key.sink).collect::<Vec<_>>(), Sink::ALL);
}

#[tokio::test]
async fn missing_table_is_named() {
    let states = DynamoStates::new(Stack::get().await.unwrap().dynamodb(), "nowhere".into());
    let key = StateKey { session_id: "s".into(), sink: Sink::Reports };
    let error = states.get(&key).await.unwrap_err();
    assert!(matches!(error, StateError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("table nowhere"), "{error}");
}
