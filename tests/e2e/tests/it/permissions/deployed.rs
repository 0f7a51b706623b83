//! Compares the AWS requests of the deployed functions with the permissions of their deployed roles.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};
use mongodb::bson::{Bson, DateTime, Document, doc};
use quiz_dynamo::DynamoStates;
use quiz_e2e::{Deployed, PATIENCE, deploy, quizzes};
use quiz_events::Sink;
use quiz_stack::{Action, Deployment, Gate, GateRequest, Stack, eventually};
use quiz_sync_state::{Lease, StateKey, SyncState, SyncStates};
use serde_json::{Value, json};

use crate::permissions::calls::{self, DISCORD, FUNCTIONS, RECONCILE, REPORTS, WAREHOUSE};
use crate::permissions::requests::{RequestedAction, decoded, requested_actions};
use crate::permissions::roles::texts;

/// The endpoint variables that send a function's requests through a gate, one for each AWS service.
const ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_SQS",
];

/// Longer than the test, so that a second request for a test session is deferred by a message to the function's queue.
const INTERVAL: (&str, &str) = ("SyncIntervalSeconds", "900");

/// A function and all its AWS requests.
struct Watched {
    name: &'static str,
    gate: Gate,
    allowed: BTreeSet<RequestedAction>,
}

impl Watched {
    /// Refuses the secret of a function with a queue, until the function has returned a message.
    async fn start(stack: &Stack, deployment: &Deployment, name: &'static str) -> Self {
        let refuses = AtomicBool::new(name != RECONCILE);
        let rule = move |request: &GateRequest| {
            let target = request.headers.get("x-amz-target");
            let is =
                |action: &str| target.is_some_and(|target| target.as_bytes().ends_with(action.as_bytes()));
            if is(".ChangeMessageVisibility") {
                refuses.store(false, Ordering::SeqCst);
            }
            let is_refused = is(".GetSecretValue") && refuses.load(Ordering::SeqCst);
            if is_refused { denied() } else { Action::Forward }
        };
        let gate = Gate::start(stack.aws_endpoint(), rule).unwrap();
        deployment.set_environment(name, &ENDPOINTS.map(|variable| (variable, gate.url()))).await.unwrap();
        let allowed = allowed(stack, &deployment.function(name), name).await;
        Self { name, gate, allowed }
    }

    fn requested(&self) -> BTreeSet<RequestedAction> {
        self.gate.requests().iter().flat_map(requested_actions).collect()
    }

    /// Waits until the function has requested this action.
    async fn wait_for(&self, action: &str) {
        let what = format!("{action} of {}", self.name);
        let is_requested =
            async || Ok(self.requested().iter().any(|(requested, _)| requested == action).then_some(()));
        eventually(&what, PATIENCE, is_requested).await.unwrap();
    }

    /// Waits until the function has used each permission of its calls, and asserts that AWS would deny no request.
    async fn wait_for_all(&self) {
        let called = calls::of(self.name);
        let useful: BTreeSet<&RequestedAction> =
            self.allowed.iter().filter(|(action, _)| called.contains(action)).collect();
        let what = format!("all calls of {}", self.name);
        let denied = eventually(&what, PATIENCE, async || {
            let requested = self.requested();
            let denied: Vec<RequestedAction> = requested.difference(&self.allowed).cloned().collect();
            let unused: Vec<_> = useful.iter().filter(|action| !requested.contains(**action)).collect();
            if unused.is_empty() {
                return Ok(Some(denied));
            }
            Err(anyhow!("not requested: {unused:#?}, and AWS would deny: {denied:#?}"))
        });
        let denied = denied.await.unwrap();
        assert!(denied.is_empty(), "AWS would deny {}: {denied:#?}", self.name);
    }
}

fn denied() -> Action {
    let body = json!({"__type": "AccessDeniedException", "Message": "not yet"}).to_string();
    Action::Reply { status: 400, content_type: "application/x-amz-json-1.1", body }
}

/// The permissions of a deployed function's role.
async fn allowed(stack: &Stack, function: &str, policy: &str) -> BTreeSet<RequestedAction> {
    let configured =
        stack.lambda().get_function_configuration().function_name(function).send().await.unwrap();
    let role = configured.role.unwrap();
    let document = role_policy(stack, role.rsplit('/').next().unwrap(), policy).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in document["Statement"].as_array().unwrap() {
        for action in texts(&statement["Action"]) {
            let resources = texts(&statement["Resource"]).into_iter();
            allowed.extend(resources.map(|resource| (action.to_owned(), resource.to_owned())));
        }
    }
    allowed
}

/// Reads a policy from IAM's interface, which answers in XML.
fn role_policy(stack: &Stack, role: &str, policy: &str) -> Result<Value> {
    let server = stack.aws_endpoint().trim_start_matches("http://").trim_end_matches('/');
    let body = format!("Action=GetRolePolicy&Version=2010-05-08&RoleName={role}&PolicyName={policy}");
    let mut stream = TcpStream::connect(server)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, \
         Signature=none\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let document = answer.split("<PolicyDocument>").nth(1).and_then(|text| text.split('<').next());
    Ok(serde_json::from_str(&decoded(document.ok_or_else(|| anyhow!("no policy of {role}: {answer}"))?))?)
}

/// The quizzes of [`quizzes::documents`] by their ids; the first is a form.
fn quiz(number: usize) -> String {
    format!("{number:024x}")
}

/// The quiz with enough students for a snapshot.
const CROWDED: usize = 4;

/// More attempts at the crowded quiz: ended long ago and well-formed, with one skipped question.
fn crowd(sessions: &[Document]) -> Vec<Document> {
    let is_crowded = |session: &&Document| session.get_str("quiz_id").is_ok_and(|id| id == quiz(CROWDED));
    let one = sessions.iter().find(is_crowded).unwrap();
    let skipped = doc! {"answer": Bson::Null, "visited": true, "time_spent": 5};
    let copy = |number: usize| {
        let mut session = one.clone();
        let answer = session.get_array_mut("session_answers").unwrap()[0].as_document_mut().unwrap();
        answer.extend(skipped.clone());
        session.insert("has_quiz_ended", true);
        session.insert("_id", format!("{:024x}", 0xc0_0000 + number));
        session.insert("user_id", format!("one of a crowd {number}"));
        session.insert("updated_at", DateTime::from_millis(1_714_451_400_000));
        session
    };
    (0..500).map(copy).collect()
}

struct PermissionsFixture {
    stack: &'static Stack,
    deployment: Arc<Deployment>,
}

impl PermissionsFixture {
    async fn publish(&self, topic: &str, messages: &[String]) {
        self.stack.publish_all(&self.deployment.topic(topic), messages, &[]).await.unwrap();
    }

    /// Waits until both sinks have the test session.
    async fn synced(&self, session_id: &str) {
        let states = DynamoStates::new(self.stack.dynamodb(), self.deployment.table("quiz_sync_state"));
        for sink in Sink::ALL {
            let key = StateKey { session_id: session_id.to_owned(), sink };
            let what = format!("{session_id} in {sink}");
            let synced = async || {
                let state = states.get(&key).await?;
                if state.synced_through > 0 { Ok(Some(())) } else { Err(anyhow!("{state:?}")) }
            };
            eventually(&what, PATIENCE, synced).await.unwrap();
        }
    }

    /// Stores the state of a crashed run.
    async fn plant_lost_run(&self, session_id: &str, sink: Sink) {
        let states = DynamoStates::new(self.stack.dynamodb(), self.deployment.table("quiz_sync_state"));
        let key = StateKey { session_id: session_id.to_owned(), sink };
        let lease = Lease { owner: "lost".to_owned(), message_id: "lost".to_owned(), until: 1 };
        let lost = SyncState { quiz_id: session_id.to_owned(), lease: Some(lease), ..SyncState::default() };
        assert!(states.swap(&key, &SyncState::default(), &lost).await.unwrap());
    }

    /// Updates the answers of a synced test session without an event.
    async fn answer_anew(&self, quiz_id: &str) {
        let database = self.stack.mongodb().await.unwrap().database(self.deployment.name());
        let sessions = database.collection::<Document>("sessions");
        let now = doc! {"$set": {"updated_at": DateTime::now()}};
        let updated = sessions.update_many(doc! {"quiz_id": quiz_id}, now).await.unwrap();
        assert!(updated.modified_count > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployed_functions_use_exactly_their_permissions() {
    let mut documents = quizzes::documents();
    documents.sessions.extend(crowd(&documents.sessions));
    let deployment = deploy(&documents, &[INTERVAL]).await;
    let stack = Stack::get().await.unwrap();
    let mut watched = Vec::new();
    for name in FUNCTIONS {
        watched.push(Watched::start(stack, &deployment, name).await);
    }
    let is_dead = Arc::new(AtomicBool::new(false));
    let webhook = Arc::clone(&is_dead);
    let discord = Gate::start(deployment.discord.url(), move |_| {
        let body = json!({"message": "Unknown Webhook", "code": 10015}).to_string();
        let gone = Action::Reply { status: 404, content_type: "application/json", body };
        if webhook.load(Ordering::SeqCst) { gone } else { Action::Forward }
    });
    let discord = discord.unwrap();
    deployment.set_environment(DISCORD, &[("DISCORD_ENDPOINT", discord.url())]).await.unwrap();
    deployment.set_environment(RECONCILE, &[("RECONCILE_SETTLE_SECONDS", "0")]).await.unwrap();
    deployment.set_environment(REPORTS, &[("QUIZ_ETL_COMMIT", "c0ffee")]).await.unwrap();
    for (function, queue) in [(REPORTS, "reports"), (WAREHOUSE, "warehouse"), (DISCORD, "notices")] {
        Deployed::of(&deployment, function, queue).await.consume(10, 2).await;
    }
    let fixture = PermissionsFixture { stack, deployment };
    let function = |name: &str| watched.iter().find(|function| function.name == name).unwrap();

    // the functions cannot read the secret yet, so they return these messages
    fixture.publish("events", &[quiz(2)]).await;
    fixture.publish("notices", &["a word".to_owned()]).await;
    for name in [REPORTS, WAREHOUSE, DISCORD] {
        function(name).wait_for("sqs:ChangeMessageVisibility").await;
    }
    // a form, a quiz, a crowded quiz, and an invalid id that is parked
    fixture.publish("events", &[quiz(0), quiz(1), quiz(CROWDED), "not an id".to_owned()]).await;
    fixture.synced(&quiz(0)).await;
    fixture.synced(&quiz(1)).await;
    fixture.synced(&quiz(CROWDED)).await;
    // one batch with a crashed test session: the other message is deleted before the crashed session runs
    for (function, sink, queue) in
        [(REPORTS, Sink::Reports, "reports"), (WAREHOUSE, Sink::Warehouse, "warehouse")]
    {
        fixture.plant_lost_run(&quiz(5), sink).await;
        let deployed = Deployed::of(&fixture.deployment, function, queue).await;
        deployed.pause().await;
        stack.send_all(&deployed.queue.url, &[quiz(3), quiz(5)]).await.unwrap();
        deployed.consume(10, 2).await;
    }
    fixture.synced(&quiz(5)).await;
    // a second request within the interval, and a stale test session without an event
    fixture.publish("events", &[quiz(0)]).await;
    fixture.answer_anew(&quiz(1)).await;
    let pass =
        stack.invoke(&fixture.deployment.function(RECONCILE), &json!({"lookback_hours": 24})).await.unwrap();
    assert_eq!(pass["requested"], 1, "{pass}");
    // the first two passes make an index each; the third uses both
    for _ in 0..2 {
        stack.invoke(&fixture.deployment.function(RECONCILE), &json!({"lookback_hours": 24})).await.unwrap();
    }
    // a notice that is sent, and a notice that can never be sent
    function(DISCORD).wait_for("dynamodb:PutItem").await;
    is_dead.store(true, Ordering::SeqCst);
    fixture.publish("notices", &["another word".to_owned()]).await;

    for function in &watched {
        function.wait_for_all().await;
    }
}
