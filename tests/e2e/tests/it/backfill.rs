//! Operators' backfills on the whole deployed pipeline: planned, interrupted, resumed, with failures that are found,
//! mended, replayed and done.

use std::collections::HashSet;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::{PATIENCE, binaries, binary, wishes};
use quiz_local::ParquetWarehouse;
use quiz_stack::{Deployment, DiscordMessage, Stack, eventually, insert, signal, unique};
use serde_json::{Value, json};

const TESTS: usize = 300;
const STUDENTS: usize = 3;
/// Of each student in v1: overall and two subjects.
const ITEMS: usize = 3;

struct Place {
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
    let question = |place: usize, subject: &str| {
        doc! {
            "_id": format!("q{place}"), "question_set_id": "s", "type": "numerical-integer", "correct_answer": 4,
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

impl Place {
    async fn new(tests: usize) -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("backfill");
        let parameters = [("SyncIntervalSeconds", "10")];
        let pipeline =
            Deployment::create(stack, &name, &wishes(&binaries(), &parameters, true)).await.unwrap();
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

    /// What a command says with `--json`, and its exit code.
    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let output = self.run(&all).await;
        let said = serde_json::from_slice(&output.stdout);
        let said = said.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"));
        (output.status.code().unwrap(), said)
    }

    /// The sessions that the newest backfill has published.
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
async fn a_backfill_of_300_tests_survives_ctrl_c_and_three_failures() {
    let place = Place::new(TESTS).await;
    let child = place
        .command(&["backfill", "--file", "tests.jsonl", "--rate", "40", "--yes", "--reason", "new chapters"])
        .spawn()
        .unwrap();
    eventually(
        "a test to be published",
        PATIENCE,
        async || Ok((!place.published().is_empty()).then_some(())),
    )
    .await
    .unwrap();
    let stopped = place.interrupt(child).await;
    assert_eq!(stopped.status.code(), Some(1), "{}", text(&stopped));
    let published = place.published();
    assert!(published.len() < TESTS, "it was to be stopped midway");
    let said = text(&stopped);
    for part in [
        "300 tests",
        "900 students",
        "about 3,600 report items and 4,500",
        "300 messages to SNS, 600 in the queues",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(said.contains("to go on with it: quiz-etl backfill --resume "), "{said}");

    let broken: Vec<usize> =
        (0..TESTS).rev().filter(|it| !published.contains(&session_id(*it))).take(3).collect();
    for test in &broken {
        place.set_question_sets(*test, "(lost)").await;
    }
    let began = Instant::now();
    let (code, ended) = place.json(&["backfill", "--resume"]).await;
    let took = began.elapsed();
    assert_eq!((code, &ended["done"]), (1, &number(TESTS - 3)), "{ended}");
    let failed = ended["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 6, "three tests in two sinks: {ended}");
    let of_test = |test: &usize| failed.iter().filter(|it| it["session_id"] == session_id(*test)).count();
    assert!(broken.iter().all(|test| of_test(test) == 2), "{ended}");
    assert!(failed.iter().all(|it| it["error"].as_str().unwrap().contains("is malformed")), "{ended}");

    let (_, dead) = place.json(&["dlq", "list", "--code", "malformed_quiz"]).await;
    assert_eq!(dead["messages"].as_array().map(Vec::len), Some(6), "{dead}");
    let (code, status) = place.json(&["status", "--check"]).await;
    assert_eq!((code, &status["counts"]["parked"]), (1, &number(6)), "{status}");

    for test in &broken {
        place.set_question_sets(*test, quiz(*test).get_array("question_sets").unwrap().clone()).await;
    }
    let replayed = place.run(&["dlq", "replay", "--code", "malformed_quiz", "--yes"]).await;
    assert!(replayed.status.success(), "{}", text(&replayed));
    let (code, ended) = place.json(&["backfill", "--resume"]).await;
    assert_eq!((code, &ended["done"], &ended["failed"]), (0, &number(TESTS), &json!([])), "{ended}");
    let (code, status) = place.json(&["status", "--check"]).await;
    assert_eq!((code, &status["counts"]["synced"]), (0, &number(2 * TESTS)), "{status}");
    assert_eq!(place.items().await, TESTS * STUDENTS * ITEMS);

    eventually("Discord to tell that all are done", PATIENCE, async || {
        let told = place.pipeline.discord.messages();
        let titles: Vec<String> = told.iter().map(title).collect();
        let is_told = titles.iter().any(|it| it.ends_with("Backfill of 300 test sessions finished"));
        if is_told { Ok(Some(())) } else { Err(anyhow::anyhow!("{titles:?}")) }
    })
    .await
    .unwrap();
    let messages = place.pipeline.discord.messages();
    let backfills = messages.iter().filter(|it| title(it).contains("Backfill of")).count();
    assert_eq!(backfills, 1, "one message, edited");
    let finished = messages.iter().filter(|it| it.payload.to_string().contains("written")).count();
    assert!(finished <= 6, "the tests that were replayed may be told, not all 300: {finished}");
    println!("resumed backfill of {} tests: {:.0} s", TESTS - published.len(), took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_are_chosen_by_type_and_time_and_nothing_is_done_unasked() {
    let place = Place::new(4).await;
    let quizzes = place.database.collection::<Document>("quizzes");
    let form = doc! {"$set": {"metadata.quiz_type": "form"}};
    quizzes.update_one(doc! {"_id": quiz_id(3)}, form).await.unwrap();
    let sessions = place.database.collection::<Document>("sessions");
    let old = DateTime::parse_rfc3339_str("2024-04-30T12:00:00Z").unwrap();
    for (number, updated_at) in [(1, mongodb::bson::Bson::from(old)), (2, "2024-05-02T12:00:00.25".into())] {
        let change = doc! {"$set": {"updated_at": updated_at}};
        sessions.update_many(doc! {"quiz_id": quiz_id(number)}, change).await.unwrap();
    }

    let unasked = place.run(&["backfill", "--file", "tests.jsonl"]).await;
    assert_eq!(unasked.status.code(), Some(2), "{}", text(&unasked));
    assert!(text(&unasked).contains("Sync 4 tests? There is no terminal to ask on: confirm with --yes"));
    assert!(!place.folder.path().join("backfills").exists(), "nothing is published");
    let nothing = place.run(&["backfill"]).await;
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing));
    assert!(text(&nothing).contains("say which tests"), "{}", text(&nothing));
    let none = place.run(&["backfill", "--resume"]).await;
    assert!(text(&none).contains("there is no backfill to resume"), "{}", text(&none));
    let unknown =
        place.run(&["backfill", "Group_ffffffffffffffffffffffff", &session_id(0), "--yes", "--detach"]).await;
    assert_eq!(unknown.status.code(), Some(1), "one could not be synced: {}", text(&unknown));
    assert!(text(&unknown).contains("there is no quiz ffffffffffffffffffffffff"), "{}", text(&unknown));

    let (code, waited) =
        place.json(&["sync", &session_id(1), &session_id(2), &session_id(3), "--wait"]).await;
    assert_eq!((code, &waited["done"]), (0, &number(3)), "{waited}");

    // by now every session is known
    let chosen = async |arguments: &[&str]| {
        let mut all = vec!["backfill", "--yes", "--force"];
        all.extend(arguments);
        let (code, ended) = place.json(&all).await;
        assert_eq!(code, 0, "{ended}");
        assert_eq!(ended["tests"], ended["done"]);
        place.published()
    };
    let these = |numbers: &[usize]| numbers.iter().map(|it| session_id(*it)).collect::<HashSet<_>>();
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
async fn a_dry_run_against_a_local_store_writes_there_and_nowhere_else() {
    let place = Place::new(2).await;
    let arguments = ["backfill", "--file", "tests.jsonl", "--dry-run", "--against", "local", "--out", "look"];
    let tried = place.run(&arguments).await;
    assert!(tried.status.success(), "{}", text(&tried));
    let look = place.folder.path().join("look");
    assert!(look.join("reports.db").is_file() && look.join("overview").is_dir());
    let rows =
        ParquetWarehouse::new(look.join("warehouse")).file(WarehouseTable::TestResponses, &session_id(0));
    assert!(rows.is_file(), "{}", rows.display());
    assert_eq!(place.items().await, 0);
    let (code, dry) = place.json(&["backfill", "--file", "tests.jsonl", "--dry-run"]).await;
    assert_eq!(code, 0, "{dry}");
    assert_eq!(dry["totals"]["reports"]["new"], number(2 * STUDENTS), "{dry}");
    assert_eq!(place.items().await, 0);
    let (_, status) = place.json(&["status", "--all"]).await;
    assert_eq!(status["tests"], json!([]), "no state was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_said_and_nothing_is_remembered_as_published() {
    let place = Place::new(1).await;
    let missing = place.pipeline.variable("EVENTS_TOPIC_ARN").replace("events", "nowhere");
    let mut command = place.command(&["backfill", "--file", "tests.jsonl", "--yes"]);
    command.env("EVENTS_TOPIC_ARN", &missing);
    let failed = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    let said = text(&failed);
    assert!(said.contains(&missing) && said.contains("quiz-etl backfill --resume"), "{said}");
    assert!(place.published().is_empty());
    let elsewhere = place.run(&["backfill", "--resume"]).await;
    assert!(text(&elsewhere).contains("resume it where it was started"), "{}", text(&elsewhere));
}
