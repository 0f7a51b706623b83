//! The indexes of the sync states, on the DynamoDB server of the local stack.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures::{StreamExt, stream};
use quiz_dynamo::{DynamoStates, IndexProgress};
use quiz_events::Sink;
use quiz_stack::{Action, Gate, Stack, unique};
use quiz_suites::state::sync_states;
use quiz_sync_state::{StateKey, SyncState, SyncStates};
use tokio::time::Instant;

use crate::common::client;

struct IndexFixture {
    stack: &'static Stack,
    table: String,
    states: DynamoStates,
}

impl IndexFixture {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let table = unique("states");
        stack.create_sync_state_table(&table).await.unwrap();
        let states = DynamoStates::new(stack.dynamodb(), table.clone());
        Self { stack, table, states }
    }

    /// Stores states as an older version did: without the attribute `unfinished`.
    async fn plant_old(&self, states: impl Iterator<Item = (String, i64, String)>) {
        let put = |(session_id, synced_through, padding): (String, i64, String)| {
            let (text, number) = (
                |text: &str| AttributeValue::S(text.to_owned()),
                |number: i64| AttributeValue::N(number.to_string()),
            );
            let item = HashMap::from([
                ("quiz_id".to_owned(), text(&session_id)),
                ("session_id".to_owned(), text(&session_id)),
                ("sink".to_owned(), text("reports")),
                ("revision".to_owned(), number(1)),
                ("requested_through".to_owned(), number(1_000)),
                ("synced_through".to_owned(), number(synced_through)),
                ("padding".to_owned(), text(&padding)),
            ]);
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let writes: Vec<WriteRequest> = states.map(put).collect();
        let dynamodb = &self.stack.dynamodb();
        let write = |writes: Vec<WriteRequest>| async move {
            dynamodb.batch_write_item().request_items(&self.table, writes).send().await.unwrap();
        };
        stream::iter(writes.chunks(25).map(<[_]>::to_vec)).for_each_concurrent(4, write).await;
    }

    async fn prepare(&self) -> Vec<IndexProgress> {
        let mut progress = Vec::new();
        while progress.last() != Some(&IndexProgress::Ready) {
            progress.push(self.states.prepare_indexes(Instant::now()).await.unwrap());
            assert!(progress.len() < 20, "{progress:?}");
        }
        progress
    }

    async fn unfinished(&self) -> Vec<(String, u64)> {
        let found = self.states.get_unfinished().await.unwrap();
        found.into_iter().map(|(key, state)| (key.session_id, state.revision)).collect()
    }

    /// The operations that `work` calls, with their counts.
    async fn count(&self, work: impl AsyncFn(&DynamoStates)) -> HashMap<String, usize> {
        let gate = Gate::start(self.stack.aws_endpoint(), |_| Action::Forward).unwrap();
        work(&DynamoStates::new(client(gate.url()), self.table.clone())).await;
        let mut counts = HashMap::new();
        for request in gate.requests() {
            let target = request.headers.get("x-amz-target").unwrap().to_str().unwrap();
            *counts.entry(target.rsplit('.').next().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }
}

const SYNCED: i64 = 9_000;
const STALE: i64 = 500;

#[tokio::test]
async fn indexed_table_passes_the_suite_of_its_port() {
    let fixture = IndexFixture::new().await;
    fixture.prepare().await;
    sync_states(&fixture.states, &unique("session")).await;
}

#[tokio::test]
async fn states_of_older_versions_are_indexed_once() {
    let fixture = IndexFixture::new().await;
    // more than two pages of a scan, which are 1 MB each
    let padding = "x".repeat(300_000);
    let old = |at: i32| (format!("s{at:02}"), if at % 5 == 0 { STALE } else { SYNCED }, padding.clone());
    fixture.plant_old((0..10).map(old)).await;
    let (found, again) = ([("s00", 1), ("s05", 1)], [("s00", 2), ("s05", 2)]);
    let named = |states: [(&str, u64); 2]| states.map(|(id, revision)| (id.to_owned(), revision)).to_vec();
    assert_eq!(fixture.unfinished().await, named(found), "readers scan the table without an index");

    let progress = fixture.prepare().await;
    assert_eq!(progress[..2], [IndexProgress::Building; 2], "one index in each call");
    let interrupted = progress.iter().filter(|progress| **progress == IndexProgress::Indexing).count();
    assert!(interrupted >= 2, "each call goes on where the last one stopped: {progress:?}");
    assert_eq!(fixture.unfinished().await, named(again), "each is stored once");
    assert_eq!(fixture.prepare().await, [IndexProgress::Ready]);
    assert_eq!(fixture.unfinished().await, named(again));
    let state = fixture.states.get_by_quiz(&["s01".to_owned()]).await.unwrap();
    assert_eq!(state[0].1.revision, 1, "a finished state stays as it is");
    let counts = fixture
        .count(async |states| {
            assert_eq!(states.prepare_indexes(Instant::now()).await.unwrap(), IndexProgress::Ready);
        })
        .await;
    assert_eq!(
        counts,
        [("DescribeTable", 1), ("GetItem", 1)].map(|(name, count)| (name.to_owned(), count)).into()
    );
}

#[tokio::test]
async fn requests_do_not_grow_with_history() {
    let fixture = IndexFixture::new().await;
    fixture.prepare().await;
    let plant = async |numbers: std::ops::Range<i32>| {
        fixture.plant_old(numbers.map(|at| (format!("s{at}"), SYNCED, String::new()))).await;
    };
    plant(0..100).await;
    for at in 0..50 {
        let key = StateKey { session_id: format!("stale {at}"), sink: Sink::Warehouse };
        let stale = SyncState { quiz_id: format!("s{at}"), requested_through: 5, ..SyncState::default() };
        assert!(fixture.states.swap(&key, &SyncState::default(), &stale).await.unwrap());
    }
    let read = async |states: &DynamoStates| {
        assert_eq!(states.get_unfinished().await.unwrap().len(), 50);
        let quizzes: Vec<String> = (0..10).map(|at| format!("s{at}")).collect();
        assert_eq!(states.get_by_quiz(&quizzes).await.unwrap().len(), 20);
    };
    let few = fixture.count(read).await;
    plant(100..5_000).await;
    let many = fixture.count(read).await;
    assert_eq!(few, many);
    assert_eq!((many["Query"], many["BatchGetItem"], many.get("Scan")), (26, 2, None));
}

#[tokio::test]
async fn lost_index_is_made_again() {
    let fixture = IndexFixture::new().await;
    fixture.prepare().await;
    fixture.plant_old([("a".to_owned(), SYNCED, String::new())].into_iter()).await;
    let key = StateKey { session_id: "b".into(), sink: Sink::Reports };
    let stale = SyncState { quiz_id: "b".into(), requested_through: 5, ..SyncState::default() };
    assert!(fixture.states.swap(&key, &SyncState::default(), &stale).await.unwrap());
    for index in ["unfinished", "by_quiz"] {
        delete_index(&fixture, index).await;
    }
    let quizzes = ["a", "b"].map(str::to_owned);
    assert_eq!(fixture.unfinished().await.len(), 1);
    assert_eq!(fixture.states.get_by_quiz(&quizzes).await.unwrap().len(), 2);
    assert_eq!(
        fixture.prepare().await,
        [IndexProgress::Building, IndexProgress::Building, IndexProgress::Ready]
    );
    assert_eq!(fixture.unfinished().await.len(), 1);
    assert_eq!(fixture.states.get_by_quiz(&quizzes).await.unwrap().len(), 2);
}

async fn delete_index(fixture: &IndexFixture, index: &str) {
    use aws_sdk_dynamodb::types::{DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(index).build().unwrap();
    let update = GlobalSecondaryIndexUpdate::builder().delete(delete).build();
    let request = fixture.stack.dynamodb().update_table().table_name(&fixture.table);
    request.global_secondary_index_updates(update).send().await.unwrap();
}
