//! MongoDB is down while students complete a new test session. The messages wait in both queues for more receives than a
//! missing document allows. The states name the waiting test session and the cause. All syncs succeed after the outage.

use std::sync::Arc;
use std::time::Duration;

use quiz_dynamo::DynamoStates;
use quiz_e2e::warehouse::WarehousePipeline;
use quiz_e2e::{Deployed, PATIENCE, Pipeline, deploy, mongodb_gate};
use quiz_events::Sink;
use quiz_pipeline::SHORT_PATIENCE;
use quiz_sample::sapa;
use quiz_stack::{Delivery, Deployment, eventually};
use quiz_sync_state::{RunResult, StateKey, SyncState, SyncStates};
use serde_json::Value;

/// The longest wait between two tries: seconds in this test, minutes in a deployment.
const LONGEST_WAIT: (&str, &str) = ("RETRY_LONGEST_SECONDS", "2");
const STUDENTS: usize = 5;

async fn state(deployment: &Deployment, deployed: &Deployed, sink: Sink) -> SyncState {
    let states = DynamoStates::new(deployed.stack.dynamodb(), deployment.table("quiz_sync_state"));
    let key = StateKey { session_id: sapa::SESSION_ID.to_owned(), sink };
    states.get(&key).await.unwrap()
}

/// The highest number of returns of one message.
fn most_waits(logged: &[Value]) -> u64 {
    let waits = logged.iter().filter(|line| line["message"] == "message waits");
    waits.filter_map(|line| line["receive_count"].as_u64()).max().unwrap_or_default()
}

#[tokio::test]
async fn messages_wait_out_an_outage_of_mongodb() {
    let documents = sapa::documents().unwrap();
    let deployment: Arc<Deployment> = deploy(&documents, &[]).await;
    let reports = Pipeline::of(&deployment).await;
    let warehouse = WarehousePipeline::of(&deployment).await;
    let (mongodb, secret) = mongodb_gate(&deployment, Some(Duration::from_secs(1))).await;
    let functions = [(&reports.deployed, Sink::Reports), (&warehouse.deployed, Sink::Warehouse)];
    for (function, _) in functions {
        function.deliver(Delivery::Raw).await;
        function.set_environment(&[("MONGODB_URI_SECRET_ID", secret.as_str()), LONGEST_WAIT]).await;
    }

    mongodb.close().await;
    let completions = sapa::completion_events().unwrap();
    let events: Vec<String> = completions.iter().take(STUDENTS).map(Value::to_string).collect();
    let stack = reports.deployed.stack;
    stack.publish_all(&reports.deployed.topic, &events, &[]).await.unwrap();
    for (function, _) in functions {
        function.consume(10, 2).await;
    }
    for (function, sink) in functions {
        let what = format!("more tries of {}", function.name);
        eventually(&what, PATIENCE, async || {
            let waits = most_waits(&function.logged().await);
            Ok((waits > u64::from(SHORT_PATIENCE) + 1).then_some(()))
        })
        .await
        .unwrap();
        assert_eq!(function.dead_letters().await, 0, "{}", function.name);
        let state = state(&deployment, function, sink).await;
        assert!(state.requested_through > 0, "the request is stored though MongoDB is down");
        assert_eq!(state.last.result, Some(RunResult::Failed));
        let failing = state.failing.unwrap();
        assert_eq!(failing.code, "source_unavailable");
        assert!(failing.since < state.last.finished_at, "since the first of the tries");
    }

    mongodb.open().await.unwrap();
    for (function, sink) in functions {
        function.wait().await;
        assert_eq!(function.dead_letters().await, 0, "{}", function.name);
        let state = state(&deployment, function, sink).await;
        assert_eq!((state.last.result, state.failing), (Some(RunResult::Finished), None));
        assert!(state.last.participants > 0);
    }
}
