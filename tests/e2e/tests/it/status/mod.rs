//! `quiz-etl status` on the stack's DynamoDB, with a state of each standing.

mod planted;
mod watch;

use mongodb::bson::doc;
use quiz_e2e::run_local;
use quiz_sample::SampleDocuments;
use quiz_stack::Stack;
use serde_json::Value;

use planted::*;

#[tokio::test]
async fn table_and_details_show_each_standing() {
    let planted = Planted::one_of_each().await;
    insta::assert_snapshot!("table", planted.shown(&[]).await);
    insta::assert_snapshot!("table_of_all", planted.shown(&["--all"]).await);
    insta::assert_snapshot!("table_of_some", planted.shown(&["--sink", "warehouse", "--limit", "1"]).await);
    let session = format!("A_{QUIZ}");
    insta::assert_snapshot!("session", planted.shown(&[&session]).await);
    let running = format!("D_{QUIZ}");
    insta::assert_snapshot!("session_that_runs", planted.shown(&[&running]).await);
    let unknown = planted.status(&[&session, "Unknown_1"]).await;
    assert!(sentence(&unknown).contains("Unknown_1"), "{unknown:?}");
    assert!(String::from_utf8(unknown.stdout).unwrap().contains(&session));
}

#[tokio::test]
async fn json_is_one_object() {
    let planted = Planted::one_of_each().await;
    let output = planted.status(&["--json", "--all"]).await;
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tests = answer["tests"].as_array().unwrap();
    let standings: Vec<&str> = tests.iter().map(|test| test["standing"].as_str().unwrap()).collect();
    let expected = ["parked", "failed", "behind", "running", "waiting", "synced", "synced"];
    assert_eq!(standings, expected);
    assert_eq!((&answer["counts"]["synced"], &answer["counts"]["unknown"]), (&2.into(), &0.into()));
    let at: jiff::Timestamp = answer["at"].as_str().unwrap().parse().unwrap();
    let since: jiff::Timestamp = tests[0]["since"].as_str().unwrap().parse().unwrap();
    assert!((13..30).contains(&at.duration_since(since).as_mins()), "{answer}");
    assert_eq!(tests[0]["last_error"], "there is no quiz. It may come");
    assert_eq!((&tests[0]["takers"], &tests[0]["rows_written"]), (&1_204.into(), &6_020.into()));
    assert_eq!(tests[3]["lease"]["owner"], "one");
    assert_eq!(tests[0]["session"]["group"], "EnableStudents");
}

#[tokio::test]
async fn check_exits_with_one_for_trouble() {
    let planted = Planted::one_of_each().await;
    assert_eq!(planted.exit_code(&[]).await, 0);
    assert_eq!(planted.exit_code(&["--check"]).await, 1);
    assert_eq!(planted.exit_code(&["--exit-code", "--older-than", "10m"]).await, 1);
    assert_eq!(planted.exit_code(&["--check", "--older-than", "3h"]).await, 0);
    assert_eq!(planted.exit_code(&["--check", "--standing", "running"]).await, 0);
    assert_eq!(planted.exit_code(&["--older-than", "soon"]).await, 2);
    let (parked, synced) = (format!("A_{QUIZ}"), format!("F_{QUIZ}"));
    assert_eq!(planted.exit_code(&["--check", &parked]).await, 1);
    assert_eq!(planted.exit_code(&["--check", &parked, "--sink", "warehouse"]).await, 0);
    assert_eq!(planted.exit_code(&["--check", &synced]).await, 0);
}

#[tokio::test]
async fn failed_read_names_the_next_step() {
    let endpoint = Stack::get().await.unwrap().aws_endpoint().to_owned();
    let missing = command(&endpoint, "no-such-table", &[]).output().await.unwrap();
    let error = sentence(&missing);
    assert!(error.contains("table no-such-table") && error.contains("`quiz-etl doctor`"), "{error}");
    let missing = command(&endpoint, "no-such-table", &["--json"]).output().await.unwrap();
    let answer: Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert!(answer["error"].as_str().unwrap().contains("no-such-table"), "{answer}");
    let home = tempfile::tempdir().unwrap();
    let signed_out = command(&endpoint, "t", &[])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", home.path())
        .output();
    let error = sentence(&signed_out.await.unwrap());
    assert!(error.contains("no AWS credentials found: run aws sso login"), "{error}");
    let nowhere = command(&endpoint, "t", &["--from", "/no/such/folder"]).output().await.unwrap();
    assert!(sentence(&nowhere).contains("/no/such/folder"));
}

#[tokio::test]
async fn from_reads_an_embedded_run() {
    let question =
        doc! {"_id": "q", "question_set_id": "s", "type": "numerical-integer", "correct_answer": 4};
    let run = run_local(
        &SampleDocuments {
            quizzes: vec![
                doc! {"_id": QUIZ, "question_sets": [{"_id": "s", "questions": [question.clone()]}]},
            ],
            questions: vec![question],
            sessions: Vec::new(),
        },
        false,
    );
    let out = run.path().join("out");
    let output =
        command("http://127.0.0.1:1", "t", &["--from", out.to_str().unwrap()]).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("1 test session, ") && shown.contains(": 2 synced"), "{shown}");
}
