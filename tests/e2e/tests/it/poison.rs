//! A test session whose sync ends the function's process, on the real binary: the other messages of its batch are synced,
//! and the poison is parked with the cause. `quiz-local`'s tests `crashes` count the receives.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow};
use quiz_dynamo::DynamoStates;
use quiz_e2e::{PATIENCE, Pipeline, deploy, quizzes};
use quiz_events::Sink;
use quiz_stack::{Action, Gate, GateRequest, Stack, eventually};
use quiz_sync_state::{Lease, MOST_CRASHES, StateKey, SyncState, SyncStates};
use serde_json::{Value, json};

const QUIZ: &str = "000000000000000000000001";
const GOOD: usize = 9;
/// Long enough to change the states of a killed process before its messages return.
const VISIBILITY: Duration = Duration::from_secs(30);

fn session_id(name: &str) -> String {
    format!("{name}_{QUIZ}")
}

struct PoisonFixture {
    stack: &'static Stack,
    reports: Pipeline,
    states: DynamoStates,
    kills: Arc<Mutex<BTreeSet<String>>>,
    _dynamo: Gate,
}

impl PoisonFixture {
    /// Kills the function at each write of a report of the poison.
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let deployment = deploy(&quizzes::documents(), &[]).await;
        let reports = Pipeline::of(&deployment).await;
        reports.deployed.set_visibility(VISIBILITY).await;
        let kills = Arc::new(Mutex::new(BTreeSet::new()));
        let (name, counted) = (reports.deployed.name.clone(), Arc::clone(&kills));
        let rule = move |request: &GateRequest| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let writes = body["RequestItems"].is_object();
            if !writes || !body.to_string().contains(&session_id("poison")) {
                return Action::Forward;
            }
            // one run has several concurrent writes
            let run = body.to_string().split("sync_generation").nth(1).unwrap().chars().take(40).collect();
            counted.lock().unwrap().insert(run);
            stack.kill_function(&name).unwrap();
            Action::Cut
        };
        let dynamo = Gate::start(stack.aws_endpoint(), rule).unwrap();
        reports.deployed.set_environment(&[("AWS_ENDPOINT_URL_DYNAMODB", dynamo.url())]).await;
        let states = DynamoStates::new(stack.dynamodb(), deployment.table("quiz_sync_state"));
        Self { stack, reports, states, kills, _dynamo: dynamo }
    }

    async fn state(&self, name: &str) -> SyncState {
        let key = StateKey { session_id: session_id(name), sink: Sink::Reports };
        self.states.get(&key).await.unwrap()
    }

    async fn change(&self, name: &str, change: impl Fn(&mut SyncState)) {
        let key = StateKey { session_id: session_id(name), sink: Sink::Reports };
        loop {
            let seen = self.states.get(&key).await.unwrap();
            let mut next = seen.clone();
            change(&mut next);
            if self.states.swap(&key, &seen, &next).await.unwrap() {
                return;
            }
        }
    }

    fn kills(&self) -> usize {
        self.kills.lock().unwrap().len()
    }

    /// Waits for `probe`. After each kill of the function its leases are made to expire, as they would a minute later.
    async fn wait_expiring_leases<T>(&self, what: &str, probe: impl AsyncFn() -> Result<Option<T>>) -> T {
        let mut seen = 0;
        eventually(what, PATIENCE, async || {
            if self.kills() > seen {
                seen = self.kills();
                self.end_leases().await;
            }
            probe().await
        })
        .await
        .unwrap()
    }

    async fn end_leases(&self) {
        for name in good().chain(["poison".to_owned()]) {
            if self.state(&name).await.lease.is_some() {
                let over = |lease: &mut Lease| lease.until = 1;
                self.change(&name, |state| state.lease.iter_mut().for_each(over)).await;
            }
        }
    }

    async fn left_in_queue(&self) -> u64 {
        let depth = self.stack.queue_depth(&self.reports.queue.url).await.unwrap();
        depth.visible + depth.in_flight + depth.delayed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_session_is_parked_and_neighbours_sync() {
    let fixture = PoisonFixture::new().await;
    let mut messages: Vec<String> = good().map(|name| session_id(&name)).collect();
    // one of the first test sessions of the batch
    messages.insert(1, session_id("poison"));
    let messages: Vec<String> = messages.iter().map(|id| json!({"session_id": id}).to_string()).collect();
    fixture.stack.send_all(&fixture.reports.queue.url, &messages).await.unwrap();
    fixture.reports.deployed.consume(10, 2).await;

    fixture.wait_expiring_leases("the first kill", async || Ok((fixture.kills() > 0).then_some(()))).await;
    assert_eq!(fixture.left_in_queue().await, 10, "all messages come back");
    let synced = async || {
        for name in good() {
            let state = fixture.state(&name).await;
            if state.synced_through == 0 {
                return Err(anyhow!("{name}: {state:?}"));
            }
        }
        Ok(Some(()))
    };
    fixture.wait_expiring_leases("the good ones to be synced", synced).await;
    // as after more crashes
    fixture.change("poison", |state| state.crashed_runs = MOST_CRASHES - 1).await;
    let parked = async || {
        let parked = fixture.stack.drain(&fixture.reports.queue.dlq_url).await?;
        Ok(parked.first().map(|message| message.message_attributes().unwrap()["error_code"].clone()))
    };
    let cause = fixture.wait_expiring_leases("the poison to be parked", parked).await;
    assert_eq!(cause.string_value(), Some("runs_crash"));
    fixture.reports.deployed.wait().await;
    println!("killed {} times", fixture.kills());
}

fn good() -> impl Iterator<Item = String> {
    (0..GOOD).map(|number| format!("good-{number}"))
}
