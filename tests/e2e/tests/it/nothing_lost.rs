//! The promise on the real binaries: events are duplicated and shuffled, requests are throttled and cut, processes are
//! killed and databases are unreachable. At the end the items and rows of both functions equal those of a quiet run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::{self, Document, bson, doc};
use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::warehouse::{self, WarehousePipeline};
use quiz_e2e::{Deployed, PATIENCE, Pipeline, comparable, deploy, run_local};
use quiz_local::{ParquetWarehouse, SqliteStore};
use quiz_sample::{SampleDocuments, sapa};
use quiz_stack::{Action, Delivery, Gate, GateRequest, Stack, TcpGate, eventually, insert};
use quiz_suites::parquet::read_parquet;
use quiz_suites::store::session_items;
use serde_json::{Value, json};

/// The quiz's id is also the test session's id, as in `quiz-etl local`.
const SESSION: &str = sapa::QUIZ_ID;
/// The visibility timeout: messages of a killed process return after this time.
const VISIBILITY: Duration = Duration::from_secs(30);
/// The first run's writes are held from this one on, until the process is killed.
const HELD_FROM: usize = 10;

/// The faults of DynamoDB and the network for sync-reports.
#[derive(Default)]
struct Weather {
    /// Whether the writes are held from [`HELD_FROM`] on.
    holds: AtomicBool,
    writes: AtomicUsize,
    swaps: AtomicUsize,
}

impl Weather {
    fn rule(&self, request: &GateRequest) -> Action {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body["RequestItems"].is_object() {
            let write = self.writes.fetch_add(1, Ordering::SeqCst);
            if write >= HELD_FROM && self.holds.load(Ordering::SeqCst) {
                return Action::Hold;
            }
            match write % 12 {
                1 => throttled(),
                4 => reply(200, &json!({"UnprocessedItems": body["RequestItems"]})),
                7 => Action::Cut,
                9 => Action::CutAfterForwarding,
                _ => Action::Forward,
            }
        } else if body["ConditionExpression"].is_string() {
            match self.swaps.fetch_add(1, Ordering::SeqCst) % 9 {
                0 => Action::CutAfterForwarding,
                4 => throttled(),
                7 => Action::Cut,
                _ => Action::Forward,
            }
        } else {
            Action::Forward
        }
    }
}

fn throttled() -> Action {
    let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    reply(400, &json!({"__type": kind, "message": "too fast"}))
}

fn reply(status: u16, body: &Value) -> Action {
    Action::Reply { status, content_type: "application/x-amz-json-1.0", body: body.to_string() }
}

/// Both functions on one topic and one database. A gate stands before MongoDB, and another one between sync-reports and
/// DynamoDB.
struct FaultFixture {
    stack: &'static Stack,
    reports: Pipeline,
    warehouse: WarehousePipeline,
    database: Database,
    mongo: TcpGate,
    dynamo: Gate,
    weather: Arc<Weather>,
}

impl FaultFixture {
    async fn of(documents: &SampleDocuments) -> Self {
        let stack = Stack::get().await.unwrap();
        let weather = Arc::new(Weather { holds: true.into(), ..Weather::default() });
        let rules = Arc::clone(&weather);
        let dynamo = Gate::start(stack.aws_endpoint(), move |request| rules.rule(request)).unwrap();

        let deployment = deploy(documents, &[]).await;
        let reports = Pipeline::of(&deployment).await;
        let warehouse = WarehousePipeline::of(&deployment).await;
        warehouse.deployed.deliver(Delivery::Envelope).await;
        for function in [&reports.deployed, &warehouse.deployed] {
            function.set_visibility(VISIBILITY).await;
        }
        let (mongo, secret) = quiz_e2e::mongodb_gate(&deployment, None).await;
        let source = ("MONGODB_URI_SECRET_ID", secret.as_str());
        warehouse.deployed.set_environment(&[source]).await;
        reports.deployed.set_environment(&[source, ("AWS_ENDPOINT_URL_DYNAMODB", dynamo.url())]).await;
        let database = stack.mongodb().await.unwrap().database(deployment.name());
        Self { stack, reports, warehouse, database, mongo, dynamo, weather }
    }

    fn functions(&self) -> [&Deployed; 2] {
        [&self.reports.deployed, &self.warehouse.deployed]
    }

    async fn publish(&self, events: &[String]) {
        self.stack.publish_all(&self.reports.deployed.topic, events, &[]).await.unwrap();
    }

    /// Kills sync-reports during its writes. Returns the users whose reports are already written.
    async fn kill_in_mid_write(&self, everyone: usize) -> HashSet<String> {
        eventually(
            "a write that stands still",
            PATIENCE,
            async || Ok((self.dynamo.held() > 0).then_some(())),
        )
        .await
        .unwrap();
        let killed = self.stack.kill_function(&self.reports.deployed.name).unwrap();
        assert!(killed > 0, "no process was killed");
        let items = self.reports.session_items(&self.reports.v1, SESSION).await;
        assert!(!items.is_empty() && items.len() < everyone * 5, "{} items", items.len());
        self.weather.holds.store(false, Ordering::SeqCst);
        // held writes arrive after the death of their sender
        self.dynamo.release();
        items.iter().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
    }

    async fn wait_until_both_miss_mongodb(&self) {
        for function in self.functions() {
            let what = format!("{} to miss MongoDB", function.name);
            eventually(&what, PATIENCE, async || {
                let logged = function.logged().await;
                Ok(logged.iter().any(|line| line["error_code"] == "source_unavailable").then_some(()))
            })
            .await
            .unwrap();
        }
    }

    async fn documents(&self) -> SampleDocuments {
        let mut all = Vec::new();
        for collection in ["quizzes", "questions", "sessions"] {
            let mut found = Vec::new();
            let mut cursor = self.database.collection::<Document>(collection).find(doc! {}).await.unwrap();
            while cursor.advance().await.unwrap() {
                found.push(cursor.deserialize_current().unwrap());
            }
            all.push(found);
        }
        let [quizzes, questions, sessions] = all.try_into().unwrap();
        SampleDocuments { quizzes, questions, sessions }
    }

    /// Asserts that items and rows equal a quiet run over the current documents. Returns their numbers.
    async fn assert_as_of_a_quiet_run(&self) -> (usize, usize) {
        let quiet = run_local(&self.documents().await, false);
        let out = quiet.path().join("out");
        let store = SqliteStore::open_existing(out.join("reports.db")).unwrap();
        let (mut items, mut rows) = (0, 0);
        for (table, name) in [
            (ReportTable::Sections, &self.reports.v1),
            (ReportTable::Students, &self.reports.v2),
            (ReportTable::FormResponses, &self.reports.forms),
        ] {
            let expected = session_items(&store, table, SESSION).await;
            let written = self.reports.session_items(name, SESSION).await;
            let [expected, written] =
                [expected, written].map(|items| items.into_iter().map(comparable).collect::<Vec<_>>());
            assert_eq!(written, expected, "{name}");
            items += written.len();
        }
        for table in WarehouseTable::ALL {
            let file = ParquetWarehouse::new(out.join("warehouse")).file(table, SESSION);
            let expected =
                if file.exists() { warehouse::comparable(read_parquet(&file)) } else { Vec::new() };
            let written = self.warehouse.rows(table, SESSION).await;
            assert_eq!(written, expected, "{}", table.name());
            rows += written.len();
        }
        (items, rows)
    }
}

/// The users with an ended attempt, in the order of their documents.
fn participants(sessions: &[Document]) -> Vec<String> {
    let ended = sessions.iter().filter(|session| session.get_bool("has_quiz_ended").unwrap());
    let users = ended.map(|session| session.get_str("user_id").unwrap().to_owned());
    users.filter(|user| user != sapa::ADMINISTRATOR).collect()
}

fn completions() -> HashMap<String, String> {
    let events = sapa::completion_events().unwrap().into_iter().map(|mut event| {
        event["session_id"] = json!(SESSION);
        (event["user_id"].as_str().unwrap().to_owned(), event.to_string())
    });
    events.collect()
}

/// Counts the outcomes of the messages in the function's log.
fn count_outcomes(logged: &[Value]) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for line in logged {
        let what = match line["message"].as_str() {
            Some("sync finished") => "finished",
            Some("sync failed") => line["error_code"].as_str().unwrap(),
            Some("messages done without a sync of their own") => line["how"].as_str().unwrap(),
            _ => continue,
        };
        *outcomes.entry(what.to_owned()).or_default() += 1;
    }
    outcomes
}

#[tokio::test]
async fn both_functions_end_as_a_quiet_run() {
    let mut random = fastrand::Rng::with_seed(7);
    let completions = completions();
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(110);
    let latecomers = documents.sessions.split_off(100);
    let mut users = participants(&documents.sessions);
    random.shuffle(&mut users);
    let (first, rest) = users.split_at(users.len() / 2);
    let fixture = FaultFixture::of(&documents).await;
    let mut events: Vec<String> =
        first.iter().chain(&first[..15]).map(|user| completions[user].clone()).collect();
    random.shuffle(&mut events);

    let started = Instant::now();
    fixture.publish(&events).await;
    for function in fixture.functions() {
        function.consume(5, 2).await;
    }
    let written = fixture.kill_in_mid_write(users.len()).await;

    fixture.mongo.close().await;
    let removed = rest.iter().find(|user| written.contains(*user)).unwrap();
    let sessions = fixture.database.collection::<Document>("sessions");
    sessions.delete_many(doc! {"user_id": removed}).await.unwrap();
    let now = bson::DateTime::now();
    let other =
        doc! {"session_answers.0.answer": bson!([0]), "session_answers.3.answer": null, "updated_at": now};
    let some_users = doc! {"user_id": {"$in": &first[..3]}};
    let changed = sessions.update_many(some_users, doc! {"$set": other}).await.unwrap();
    assert!(changed.modified_count >= 3);
    let remaining = rest.iter().filter(|user| *user != removed).cloned();
    let again: Vec<String> =
        remaining.chain(participants(&latecomers)).chain(first[..20].iter().cloned()).collect();
    insert(&fixture.database, "sessions", latecomers).await.unwrap();
    let mut events: Vec<String> = again.iter().map(|user| completions[user].clone()).collect();
    events.push(json!({"session_id": SESSION, "reason": "a user was removed"}).to_string());
    random.shuffle(&mut events);
    fixture.publish(&events).await;
    fixture.wait_until_both_miss_mongodb().await;
    fixture.mongo.open().await.unwrap();

    for function in fixture.functions() {
        function.wait().await;
        assert_eq!(function.dead_letters().await, 0, "{}", function.name);
    }
    let seconds = started.elapsed().as_secs();
    let (writes, swaps) =
        (fixture.weather.writes.load(Ordering::SeqCst), fixture.weather.swaps.load(Ordering::SeqCst));
    assert!(writes > HELD_FROM + 12 && swaps > 9, "every fault has occurred");
    let (items, rows) = fixture.assert_as_of_a_quiet_run().await;
    assert!(items > 500 && rows > 1_500, "{items} items and {rows} rows");
    println!("{seconds} s, {writes} writes and {swaps} swaps of sync-reports, {items} items and {rows} rows");
    for function in fixture.functions() {
        println!("{}: {:?}", function.name, count_outcomes(&function.logged().await));
    }
}
