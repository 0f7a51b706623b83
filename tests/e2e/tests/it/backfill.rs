//! Backfills on the whole deployed pipeline: planned, interrupted and resumed, with failures that are fixed and replayed.

use std::collections::HashSet;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::{PATIENCE, binaries, binary, deployment_options};
use quiz_local::ParquetWarehouse;
use quiz_stack::{Deployment, DiscordMessage, Stack, eventually, insert, signal, unique};
use serde_json::{Value, json};

const TESTS: usize = 300;
const STUDENTS: usize = 3;
/// Items of each student in format v1: overall and two subjects.
const ITEMS: usize = 3;

struct BackfillStack {
    stack: &'static Stack,
    pipeline: Deployment,
    database: Database,
    folder: tempfile::TempDir,
}

fn quiz_id(number: usize) -> String {
    format!("66f0{number:020x}")
}

fn session_id(number: usize) -> String {
    format!("Group_{}", quiz_id(number))
}

fn quiz(number: usize) -> Document {
    let question = |position: usize, subject: &str| {
        doc! {
            "_id": format!("q{position}"), "question_set_id": "s", "type": "numerical-integer", "correct_answer": 4,
            "text": "2+2", "metadata": {"subject": subject},
        }
    };
    doc! {
        "_id": quiz_id(number), "title": format!("Weekly test {number}"), "metadata": {"quiz_type": "assessment"},
        "question_sets": [{
            "_id": "s", "title": "Sums", "questions": [question(0, "Physics"), question(1, "Chemistry")],
        }],
    }
}

fn sessions(number: usize) -> Vec<Document> {
    let answers = [3, 4, 5];
    let session = |student: usize| {
        doc! {
            "_id": format!("{number}-{student}"), "user_id": format!("u{student}"), "quiz_id": quiz_id(number),
            "has_quiz_ended": true, "created_at": "2024-04-30T04:30:00", "updated_at": DateTime::now(),
            "session_answers": [{"question_id": "q0", "answer": 4}, {"question_id": "q1", "answer": answers[student]}],
        }
    };
    (0..STUDENTS).map(session).collect()
}

impl BackfillStack {
    async fn new(tests: usize) -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("backfill");
        let parameters = [("SyncIntervalSeconds", "10")];
        let pipeline = Deployment::create(stack, &name, &deployment_options(&binaries(), &parameters, true))
            .await
            .unwrap();
        let database = stack.mongodb().await.unwrap().database(&name);
        insert(&database, "quizzes", (0..tests).map(quiz).collect()).await.unwrap();
        insert(&database, "sessions", (0..tests).flat_map(sessions).collect()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let events: Vec<String> = (0..tests)
            .map(|number| {
                let description = json!({"test_name": format!("Weekly test {number}"), "group": "Group"});
                json!({"session_id": session_id(number), "session": description}).to_string()
            })
            .collect();
        std::fs::write(folder.path().join("tests.jsonl"), events.join("\n")).unwrap();
        Self { stack, pipeline, database, folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("quiz-etl"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.folder.path())
            .env("QUIZ_ETL_STATE_DIR", self.folder.path());
        command.envs(self.pipeline.variables());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// The exit code of a command and its output with `--json`.
    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let output = self.run(&all).await;
        let json = serde_json::from_slice(&output.stdout);
        let json = json.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"));
        (output.status.code().unwrap(), json)
    }

    /// The test sessions that the newest backfill has published.
    fn published(&self) -> HashSet<String> {
        let Ok(files) = std::fs::read_dir(self.folder.path().join("backfills")) else {
            return HashSet::new();
        };
        let newest = files.map(|file| file.unwrap().path()).max();
        let text = newest.map(|path| std::fs::read_to_string(path).unwrap()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let tests = lines.flat_map(|line| line["published"].as_array().cloned().unwrap_or_default());
        tests.map(|test| test["session_id"].as_str().unwrap().to_owned()).collect()
    }

    async fn interrupt(&self, child: Child) -> Output {
        signal(child.id(), "INT").unwrap();
        tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap()
    }

    async fn set_question_sets(&self, number: usize, sets: impl Into<mongodb::bson::Bson>) {
        let change = doc! {"$set": {"question_sets": sets.into()}};
        let quizzes = self.database.collection::<Document>("quizzes");
        let changed = quizzes.update_one(doc! {"_id": quiz_id(number)}, change).await.unwrap();
        assert_eq!(changed.modified_count, 1);
    }

    async fn items(&self) -> usize {
        let table = self.pipeline.variable("REPORTS_TABLE");
        let scan = self.stack.dynamodb().scan().table_name(table).into_paginator().items().send();
        scan.collect::<Result<Vec<_>, _>>().await.unwrap().len()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn title(message: &DiscordMessage) -> String {
    message.payload["embeds"][0]["title"].as_str().unwrap_or_default().to_owned()
}

fn number(count: usize) -> Value {
    count.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_survives_ctrl_c_and_failures() {
    let backfills = BackfillStack::new(TESTS).await;
    let child = backfills
        .command(&["backfill", "--file", "tests.jsonl", "--rate", "40", "--yes", "--reason", "new chapters"])
        .spawn()
        .unwrap();
    eventually("a test to be published", PATIENCE, async || {
        Ok((!backfills.published().is_empty()).then_some(()))
    })
    .await
    .unwrap();
    let stopped = backfills.interrupt(child).await;
    assert_eq!(stopped.status.code(), Some(1), "{}", text(&stopped));
    let published = backfills.published();
    assert!(published.len() < TESTS, "Ctrl-C must stop the backfill midway");
    let shown = text(&stopped);
    for part in [
        "300 test sessions",
        "900 students",
        "about 3,600 report items and 4,500",
        "300 messages to SNS, 600 in the queues",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(shown.contains("to continue: quiz-etl backfill --resume "), "{shown}");

    let broken: Vec<usize> =
        (0..TESTS).rev().filter(|number| !published.contains(&session_id(*number))).take(3).collect();
    for test in &broken {
        backfills.set_question_sets(*test, "(lost)").await;
    }
    let began = Instant::now();
    let (code, ended) = backfills.json(&["backfill", "--resume"]).await;
    let took = began.elapsed();
    assert_eq!((code, &ended["done"]), (1, &number(TESTS - 3)), "{ended}");
    let failed = ended["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 6, "three test sessions in two sinks: {ended}");
    let failures =
        |test: &usize| failed.iter().filter(|failure| failure["session_id"] == session_id(*test)).count();
    assert!(broken.iter().all(|test| failures(test) == 2), "{ended}");
    assert!(
        failed.iter().all(|failure| failure["error"].as_str().unwrap().contains("is malformed")),
        "{ended}"
    );

    let (_, dead) = backfills.json(&["dlq", "list", "--code", "malformed_quiz"]).await;
    assert_eq!(dead["messages"].as_array().map(Vec::len), Some(6), "{dead}");
    let (code, status) = backfills.json(&["status", "--check"]).await;
    assert_eq!((code, &status["counts"]["parked"]), (1, &number(6)), "{status}");

    for test in &broken {
        backfills.set_question_sets(*test, quiz(*test).get_array("question_sets").unwrap().clone()).await;
    }
    let replayed =
        backfills.run(&["dlq", "replay", "--code", "malformed_quiz", "--yes", "--reason", "fixed"]).await;
    assert!(replayed.status.success(), "{}", text(&replayed));
    let (code, ended) = backfills.json(&["backfill", "--resume"]).await;
    assert_eq!((code, &ended["done"], &ended["failed"]), (0, &number(TESTS), &json!([])), "{ended}");
    let (code, status) = backfills.json(&["status", "--all", "--check"]).await;
    assert_eq!((code, &status["counts"]["synced"]), (0, &number(2 * TESTS)), "{status}");
    assert_eq!(backfills.items().await, TESTS * STUDENTS * ITEMS);

    eventually("Discord to show that all are done", PATIENCE, async || {
        let messages = backfills.pipeline.discord.messages();
        let titles: Vec<String> = messages.iter().map(title).collect();
        let is_shown = titles.iter().any(|title| title.ends_with("Backfill of 300 test sessions finished"));
        if is_shown { Ok(Some(())) } else { Err(anyhow::anyhow!("{titles:?}")) }
    })
    .await
    .unwrap();
    let messages = backfills.pipeline.discord.messages();
    let backfills = messages.iter().filter(|message| title(message).contains("Backfill of")).count();
    assert_eq!(backfills, 1, "one message, edited");
    let finished = messages.iter().filter(|message| message.payload.to_string().contains("written")).count();
    assert!(finished <= 6, "notices for the replayed test sessions at most, not for all 300: {finished}");
    println!("resumed backfill of {} tests: {:.0} s", TESTS - published.len(), took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_selected_by_type_and_time() {
    let backfills = BackfillStack::new(4).await;
    let quizzes = backfills.database.collection::<Document>("quizzes");
    let form = doc! {"$set": {"metadata.quiz_type": "form"}};
    quizzes.update_one(doc! {"_id": quiz_id(3)}, form).await.unwrap();
    let sessions = backfills.database.collection::<Document>("sessions");
    let old = DateTime::parse_rfc3339_str("2024-04-30T12:00:00Z").unwrap();
    for (number, updated_at) in [(1, mongodb::bson::Bson::from(old)), (2, "2024-05-02T12:00:00.25".into())] {
        let change = doc! {"$set": {"updated_at": updated_at}};
        sessions.update_many(doc! {"quiz_id": quiz_id(number)}, change).await.unwrap();
    }

    let unasked = backfills.run(&["backfill", "--file", "tests.jsonl", "--reason", "a test"]).await;
    assert_eq!(unasked.status.code(), Some(2), "{}", text(&unasked));
    assert!(text(&unasked).contains("Sync 4 test sessions? There is no terminal to ask on"));
    assert!(!backfills.folder.path().join("backfills").exists(), "nothing is published");
    let nothing = backfills.run(&["backfill"]).await;
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing));
    assert!(text(&nothing).contains("select test sessions by"), "{}", text(&nothing));
    let none = backfills.run(&["backfill", "--resume"]).await;
    assert!(text(&none).contains("there is no backfill to resume"), "{}", text(&none));
    let unknown = backfills
        .run(&[
            "backfill",
            "Group_ffffffffffffffffffffffff",
            &session_id(0),
            "--yes",
            "--detach",
            "--reason",
            "a test",
        ])
        .await;
    assert_eq!(unknown.status.code(), Some(1), "one could not be synced: {}", text(&unknown));
    assert!(text(&unknown).contains("there is no quiz ffffffffffffffffffffffff"), "{}", text(&unknown));

    let (code, waited) =
        backfills.json(&["sync", &session_id(1), &session_id(2), &session_id(3), "--wait"]).await;
    assert_eq!((code, &waited["done"]), (0, &number(3)), "{waited}");

    // each test session is known now
    let chosen = async |arguments: &[&str]| {
        let mut all = vec!["backfill", "--yes", "--force", "--reason", "a test"];
        all.extend(arguments);
        let (code, ended) = backfills.json(&all).await;
        assert_eq!(code, 0, "{ended}");
        assert_eq!(ended["tests"], ended["done"]);
        backfills.published()
    };
    let these = |numbers: &[usize]| numbers.iter().map(|number| session_id(*number)).collect::<HashSet<_>>();
    assert_eq!(chosen(&["--quiz-type", "form"]).await, these(&[3]));
    assert_eq!(chosen(&["--since", "2024-05-01"]).await, these(&[0, 2, 3]));
    assert_eq!(chosen(&["--since", "2024-05-01", "--until", "2024-05-03T00:00"]).await, these(&[2]));
    assert_eq!(chosen(&["--until", "2024-06-01", "--quiz-type", "assessment"]).await, these(&[1, 2]));
    assert_eq!(
        chosen(&["--file", "tests.jsonl", "--since", "1h", "--quiz-type", "assessment"]).await,
        these(&[0])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn local_dry_run_writes_only_its_folder() {
    let backfills = BackfillStack::new(2).await;
    let arguments =
        ["backfill", "--file", "tests.jsonl", "--dry-run", "--against", "local", "--out", "trial"];
    let tried = backfills.run(&arguments).await;
    assert!(tried.status.success(), "{}", text(&tried));
    let folder = backfills.folder.path().join("trial");
    assert!(folder.join("reports.db").is_file() && folder.join("overview").is_dir());
    let rows =
        ParquetWarehouse::new(folder.join("warehouse")).file(WarehouseTable::TestResponses, &session_id(0));
    assert!(rows.is_file(), "{}", rows.display());
    assert_eq!(backfills.items().await, 0);
    let (code, dry) = backfills.json(&["backfill", "--file", "tests.jsonl", "--dry-run"]).await;
    assert_eq!(code, 0, "{dry}");
    assert_eq!(dry["totals"]["reports"]["new"], number(2 * STUDENTS), "{dry}");
    assert_eq!(backfills.items().await, 0);
    let (_, status) = backfills.json(&["status", "--all"]).await;
    assert_eq!(status["tests"], json!([]), "no sync state was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_topic_publishes_nothing() {
    let backfills = BackfillStack::new(1).await;
    let missing = backfills.pipeline.variable("EVENTS_TOPIC_ARN").replace("events", "nowhere");
    let mut command =
        backfills.command(&["backfill", "--file", "tests.jsonl", "--yes", "--reason", "a test"]);
    command.env("EVENTS_TOPIC_ARN", &missing);
    let failed = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    let shown = text(&failed);
    assert!(shown.contains(&missing) && shown.contains("quiz-etl backfill --resume"), "{shown}");
    assert!(backfills.published().is_empty());
    let elsewhere = backfills.run(&["backfill", "--resume"]).await;
    assert!(text(&elsewhere).contains("resume it in its own environment"), "{}", text(&elsewhere));
}
