//! `quiz-etl erase` on the whole deployed pipeline: a student is gone from every store, and the others keep their reports.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use quiz_domain::rows::WarehouseTable;
use quiz_dynamo::DynamoStates;
use quiz_e2e::{Item, PATIENCE, binaries, binary, deployment_options};
use quiz_events::Sink;
use quiz_stack::{Action, BigQuery, Deployment, Gate, Stack, eventually, insert, signal, unique};
use quiz_sync_state::{Lease, StateKey, SyncState, SyncStates};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

/// The student to erase, with the highest marks of three.
const STUDENT: &str = "pupil-20240001";
const OTHERS: [&str; 2] = ["pupil-20240002", "pupil-20240003"];
const ASSESSMENT: &str = "66f1000000000000000000aa";
const FORM: &str = "66f1000000000000000000bb";
/// Only the student has an attempt at it.
const ALONE: &str = "66f1000000000000000000dd";
const QUIZZES: [&str; 3] = [ASSESSMENT, FORM, ALONE];
/// Items of v1, v2 and the form, then rows of sections, questions and forms.
const OF_STUDENT: [usize; 6] = [6, 2, 2, 6, 4, 2];
const OF_OTHER: [usize; 6] = [3, 1, 2, 3, 2, 2];
const TABLES: [&str; 3] = ["student_quiz_reports", "student_quiz_reports_v2", "form_question_responses"];

fn session(quiz_id: &str) -> String {
    format!("Group_{quiz_id}")
}

fn quiz(quiz_id: &str, quiz_type: &str) -> Document {
    let question = |position: i32, subject: &str| {
        doc! {
            "_id": format!("{quiz_id}-{position}"), "question_set_id": format!("{quiz_id}-s"),
            "type": "numerical-integer", "correct_answer": 4, "text": "2+2", "metadata": {"subject": subject},
        }
    };
    doc! {
        "_id": quiz_id, "title": "Sums", "metadata": {"quiz_type": quiz_type},
        "question_sets": [{
            "_id": format!("{quiz_id}-s"), "title": "Sums",
            "questions": [question(0, "Physics"), question(1, "Chemistry")],
        }],
    }
}

/// An attempt; the student has two right answers, the others one and none.
fn attempt(quiz_id: &str, user: &str) -> Document {
    let right = [STUDENT, OTHERS[0]].contains(&user);
    let answers = [if right { 4 } else { 5 }, if user == STUDENT { 4 } else { 5 }];
    let answer =
        |position: usize| doc! {"question_id": format!("{quiz_id}-{position}"), "answer": answers[position]};
    doc! {
        "_id": format!("{quiz_id}-{user}"), "user_id": user, "quiz_id": quiz_id, "has_quiz_ended": true,
        "created_at": "2024-04-30T04:30:00", "updated_at": DateTime::now(),
        "session_answers": [answer(0), answer(1)],
    }
}

struct Synced {
    stack: &'static Stack,
    pipeline: Deployment,
    database: Database,
    bigquery: BigQuery,
}

impl Synced {
    /// Deploys the pipeline and syncs both test sessions.
    async fn new(parameters: &[(&str, &str)]) -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("erase");
        let mut all = vec![("SyncIntervalSeconds", "0")];
        all.extend_from_slice(parameters);
        let binaries = binaries();
        let options = deployment_options(&binaries, &all, true);
        let pipeline = Deployment::create(stack, &name, &options).await.unwrap();
        let database = stack.mongodb().await.unwrap().database(&name);
        let quizzes = vec![quiz(ASSESSMENT, "assessment"), quiz(FORM, "form"), quiz(ALONE, "assessment")];
        insert(&database, "quizzes", quizzes).await.unwrap();
        let users = [STUDENT, OTHERS[0], OTHERS[1]];
        let attempts = [ASSESSMENT, FORM].iter().flat_map(|quiz| users.map(|user| attempt(quiz, user)));
        let mut attempts: Vec<Document> = attempts.collect();
        attempts.push(attempt(ALONE, STUDENT));
        insert(&database, "sessions", attempts).await.unwrap();
        let bigquery = stack.bigquery(&pipeline.variable("BIGQUERY_DATASET")).await.unwrap();
        let synced = Self { stack, pipeline, database, bigquery };
        let sessions = QUIZZES.map(session);
        let output = synced.run(&["sync", &sessions.join(","), "--wait"]).await;
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(synced.counts(STUDENT).await, OF_STUDENT);
        synced
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("quiz-etl"));
        command.args(arguments).env_clear().envs(self.pipeline.variables()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    async fn erase(&self, options: &[&str]) -> Output {
        let all = ["erase", STUDENT, "--yes", "--reason", "request 17", "--json"];
        self.run(&[&all, options].concat()).await
    }

    /// Starts an erasure, and waits for a line of its progress.
    async fn start(&self, line: &str) -> (Child, BufReader<ChildStderr>) {
        let mut command = self.command(&["erase", STUDENT, "--yes", "--reason", "request 17"]);
        let mut child = command.spawn().unwrap();
        let mut progress = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        while !seen.contains(line) {
            let read = progress.read_line(&mut seen).await.unwrap();
            assert!(read > 0, "the command ended before {line:?}: {seen}");
        }
        (child, progress)
    }

    /// Deletes the student's attempts.
    async fn delete_attempts(&self) {
        let sessions = self.database.collection::<Document>("sessions");
        assert_eq!(sessions.delete_many(doc! {"user_id": STUDENT}).await.unwrap().deleted_count, 3);
    }

    async fn items(&self, table: &str) -> Vec<Item> {
        let scan = self.stack.dynamodb().scan().table_name(self.pipeline.table(table));
        scan.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await.unwrap()
    }

    /// The number of items of a user in each report table, and of rows in each table of the warehouse.
    async fn counts(&self, user: &str) -> Vec<usize> {
        let mut counts = Vec::new();
        for table in TABLES {
            let is_of_user = |item: &&Item| item["user_id"].as_s().unwrap() == user;
            counts.push(self.items(table).await.iter().filter(is_of_user).count());
        }
        for table in WarehouseTable::ALL {
            let sql = format!("SELECT session_id FROM {} WHERE user_id = '{user}'", table.name());
            counts.push(self.bigquery.query(&sql).await.unwrap().len());
        }
        counts
    }

    /// The rank of a user in the report and in the warehouse.
    async fn ranks(&self, user: &str) -> (String, Value) {
        let key = AttributeValue::S(format!("{user}#overall"));
        let get = self.stack.dynamodb().get_item().table_name(self.pipeline.table(TABLES[0]));
        let get = get.key("session_id", AttributeValue::S(session(ASSESSMENT))).key("user_id-section", key);
        let item = get.send().await.unwrap().item.unwrap();
        let sql = format!(
            "SELECT rank FROM {} WHERE user_id = '{user}' AND section = 'overall'",
            WarehouseTable::TestResponses.name()
        );
        let row = self.bigquery.query(&sql).await.unwrap().remove(0);
        (item["rank"].as_n().unwrap().clone(), row["rank"].clone())
    }

    /// Stores a snapshot of each quiz, and a chunk of a replaced one.
    async fn plant_snapshots(&self) {
        let other = "66f1000000000000000000cc";
        for key in [ASSESSMENT, FORM, &format!("{ASSESSMENT}#0123#1"), other] {
            let put = self.stack.dynamodb().put_item().table_name(self.pipeline.table("quiz_snapshots"));
            put.item("snapshot_id", AttributeValue::S(key.to_owned())).send().await.unwrap();
        }
    }

    async fn snapshots(&self) -> usize {
        self.items("quiz_snapshots").await.len()
    }

    /// Parks a completion of the student, and one of another user.
    async fn park_completions(&self) {
        for user in [STUDENT, OTHERS[0]] {
            let body = json!({
                "type": "quiz.completed", "session_id": session(ASSESSMENT), "user_id": user,
                "completed_at": "2024-04-30T05:00:00Z",
            });
            let send = self.stack.sqs().send_message().queue_url(self.pipeline.queue("reports").dlq_url);
            send.message_body(body.to_string()).send().await.unwrap();
        }
    }

    async fn parked(&self) -> u64 {
        self.stack.queue_depth(&self.pipeline.queue("reports").dlq_url).await.unwrap().visible
    }

    async fn set_consuming(&self, is_on: bool) {
        for function in ["sync-reports", "sync-warehouse"] {
            let mapping = self.pipeline.mapping(function).await.unwrap();
            self.stack.enable_mapping(&mapping, is_on).await.unwrap();
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_student_is_gone_and_others_stay() {
    let synced = Synced::new(&[]).await;
    synced.plant_snapshots().await;
    synced.park_completions().await;
    assert_eq!(synced.ranks(OTHERS[0]).await, ("2".to_owned(), json!(2)));

    // while MongoDB has the attempts, nothing changes
    let refused = synced.erase(&[]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(
        text(&refused).contains("MongoDB has attempts of this student at 3 quizzes"),
        "{}",
        text(&refused)
    );
    synced.delete_attempts().await;
    let planned = json_of(&synced.run(&["erase", STUDENT, "--dry-run", "--json"]).await);
    let items = json!({TABLES[0]: 6, TABLES[1]: 2, TABLES[2]: 2});
    assert_eq!((&planned["items"], &planned["snapshots"]), (&items, &json!(3)), "{planned}");
    assert_eq!((&planned["messages"], &planned["erased"]), (&json!(1), &json!(false)), "{planned}");
    let unconfirmed = synced.run(&["erase", STUDENT, "--reason", "r"]).await;
    assert_eq!(unconfirmed.status.code(), Some(2), "{}", text(&unconfirmed));
    assert_eq!(synced.counts(STUDENT).await, OF_STUDENT, "nothing has changed");
    assert_eq!((synced.snapshots().await, synced.parked().await), (4, 2));

    let erased = json_of(&synced.erase(&[]).await);
    assert_eq!((&erased["erased"], &erased["failed"]), (&json!(true), &json!([])), "{erased}");
    assert_eq!(synced.counts(STUDENT).await, [0; 6]);
    assert_eq!((synced.snapshots().await, synced.parked().await), (1, 1), "those of others stay");
    for other in OTHERS {
        assert_eq!(synced.counts(other).await, OF_OTHER, "{other}");
    }
    assert_eq!(synced.ranks(OTHERS[0]).await, ("1".to_owned(), json!(1)));
    let again = json_of(&synced.erase(&[]).await);
    assert_eq!((&again["erased"], &again["messages"]), (&json!(true), &json!(0)), "{again}");

    // the audit counts the student, and nothing names the student
    let notify = synced.pipeline.function("notify-discord");
    let line = eventually("the audit line", PATIENCE, async || {
        let logs = synced.stack.function_logs(&notify).await?;
        Ok(logs
            .lines()
            .find(|line| line.contains("operator acted") && line.contains("\"erase\""))
            .map(str::to_owned))
    });
    let line: Value = serde_json::from_str(&line.await.unwrap()).unwrap();
    assert_eq!((&line["reason"], &line["count"]), (&json!("request 17"), &json!(1)), "{line}");
    let target =
        "one student: 10 report items, 12 warehouse rows, 3 test sessions, 3 snapshots, 1 parked message";
    assert_eq!(line["acted_on"], target);
    for function in ["sync-reports", "sync-warehouse", "notify-discord", "reconcile"] {
        let logs = synced.stack.function_logs(&synced.pipeline.function(function)).await.unwrap();
        assert!(!logs.contains(STUDENT), "{function} logs the student: {logs}");
    }
    let posted = synced.pipeline.discord.messages();
    assert!(posted.iter().all(|message| !message.payload.to_string().contains(STUDENT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_erasure_completes_on_the_next_run() {
    let synced = Synced::new(&[]).await;
    synced.plant_snapshots().await;
    synced.delete_attempts().await;
    synced.set_consuming(false).await;
    let (mut child, _) = synced.start("syncing 3 test sessions").await;
    eventually("the requests", PATIENCE, async || {
        let depth = synced.stack.queue_depth(&synced.pipeline.queue("reports").url).await?;
        Ok((depth.visible + depth.in_flight == 3).then_some(()))
    })
    .await
    .unwrap();
    signal(child.id().unwrap(), "KILL").unwrap();
    assert!(!child.wait().await.unwrap().success());
    assert_eq!(synced.counts(STUDENT).await, OF_STUDENT, "no sync has run");
    assert_eq!(synced.snapshots().await, 1, "the snapshots are gone");

    // the syncs of the killed command run at the same time
    synced.set_consuming(true).await;
    let erased = json_of(&synced.erase(&[]).await);
    assert_eq!(erased["erased"], true, "{erased}");
    assert_eq!(synced.counts(STUDENT).await, [0; 6]);
    assert_eq!(synced.counts(OTHERS[0]).await, OF_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_run_does_not_bring_the_student_back() {
    let is_closed = Arc::new(AtomicBool::new(false));
    let gate_closed = Arc::clone(&is_closed);
    let stack = Stack::get().await.unwrap();
    let gate = Gate::start(stack.bigquery_endpoint(), move |request| {
        let is_commit = String::from_utf8_lossy(&request.body).contains("BEGIN TRANSACTION");
        if is_commit && gate_closed.load(Ordering::SeqCst) { Action::Hold } else { Action::Forward }
    })
    .unwrap();
    let synced = Synced::new(&[("BigQueryEndpoint", gate.url())]).await;

    // a run reads the student's attempts, and stands still before it commits the rows
    is_closed.store(true, Ordering::SeqCst);
    let output = synced.run(&["sync", &session(ASSESSMENT), "--force", "--reason", "a trial"]).await;
    assert!(output.status.success(), "{}", text(&output));
    eventually("a run that stands still", PATIENCE, async || Ok((gate.held() > 0).then_some(())))
        .await
        .unwrap();
    synced.delete_attempts().await;
    let (mut child, progress) = synced.start("syncing 3 test sessions").await;
    assert!(child.try_wait().unwrap().is_none(), "the erasure waits for the run");
    is_closed.store(false, Ordering::SeqCst);
    gate.release();
    let mut lines = progress.lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said = said + &line + "\n";
    }
    assert!(child.wait().await.unwrap().success(), "{said}");
    assert_eq!(synced.counts(STUDENT).await, [0; 6]);
    assert_eq!(synced.counts(OTHERS[0]).await, OF_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_without_quiz_is_erased_after_its_run() {
    let synced = Synced::new(&[]).await;
    synced.delete_attempts().await;
    let quizzes = synced.database.collection::<Document>("quizzes");
    quizzes.delete_many(doc! {}).await.unwrap();
    let states = DynamoStates::new(synced.stack.dynamodb(), synced.pipeline.table("quiz_sync_state"));
    let key = StateKey { session_id: session(ASSESSMENT), sink: Sink::Reports };
    let set_lease = async |lease: Option<Lease>| {
        let seen = states.get(&key).await.unwrap();
        assert!(states.swap(&key, &seen, &SyncState { lease, ..seen.clone() }).await.unwrap());
    };
    set_lease(Some(Lease { owner: "run".into(), message_id: "m".into(), until: i64::MAX })).await;

    let (mut child, progress) = synced.start("waiting for runs of 3 test sessions to end").await;
    assert!(child.try_wait().unwrap().is_none(), "the erasure waits for the lease");
    // the run writes the student once more, and ends
    let late =
        synced.items(TABLES[0]).await.into_iter().find(|item| item["user_id"].as_s().unwrap() == STUDENT);
    let mut late = late.unwrap();
    late.insert("user_id-section".to_owned(), AttributeValue::S(format!("{STUDENT}#late")));
    let put = synced.stack.dynamodb().put_item().table_name(synced.pipeline.table(TABLES[0]));
    put.set_item(Some(late)).send().await.unwrap();
    set_lease(None).await;
    let mut lines = progress.lines();
    while lines.next_line().await.unwrap().is_some() {}
    assert!(child.wait().await.unwrap().success());
    assert_eq!(synced.counts(STUDENT).await, [0; 6]);
    assert_eq!(synced.counts(OTHERS[0]).await, OF_OTHER, "the others are untouched");
    assert_eq!(synced.parked().await, 0, "no sync was requested for a quiz that is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_student_is_erased_once_functions_exclude() {
    let synced = Synced::new(&[]).await;
    let erase = async || {
        let mut command = synced.command(&["erase", STUDENT, "--yes", "--reason", "a trial user", "--json"]);
        command.env("EXCLUDED_USER_IDS", STUDENT).output().await.unwrap()
    };
    let early = erase().await;
    assert_eq!(early.status.code(), Some(1), "{}", text(&early));
    let cause = "because the functions do not exclude the student yet: release ExcludedUserIds";
    assert!(text(&early).contains(cause), "{}", text(&early));
    for function in ["sync-reports", "sync-warehouse"] {
        synced.pipeline.set_environment(function, &[("EXCLUDED_USER_IDS", STUDENT)]).await.unwrap();
    }
    let erased = json_of(&erase().await);
    assert_eq!(erased["erased"], true, "{erased}");
    assert_eq!(synced.counts(STUDENT).await, [0; 6]);
    assert_eq!(synced.ranks(OTHERS[0]).await, ("1".to_owned(), json!(1)));
}
