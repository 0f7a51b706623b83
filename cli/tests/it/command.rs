//! The commands that need no deployment, run as a process.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use bson::{Bson, Document, bson, doc};
use quiz_sample::{SampleDocuments, sapa, write_dump};
use serde_json::{Value, json};

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quiz-etl"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

fn quiz_etl(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The exit code and the only error line of a failed command.
fn failure(output: &Output) -> (i32, String) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let errors: Vec<_> = stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    (output.status.code().unwrap(), errors[0].to_owned())
}

/// A quiz of one question, answered correctly by these users.
fn small(users: &[&str]) -> SampleDocuments {
    let question = doc! {"_id": "q", "question_set_id": "s", "type": "numerical-integer", "correct_answer": 4, "text": "2+2"};
    let session = |user: &&str| {
        doc! {
            "_id": format!("of {user}"), "user_id": *user, "quiz_id": QUIZ, "has_quiz_ended": true,
            "session_answers": [{"question_id": "q", "answer": 4}], "created_at": "2024-04-30T04:30:00",
        }
    };
    SampleDocuments {
        quizzes: vec![doc! {
            "_id": QUIZ, "title": "Sums", "question_sets": [{"_id": "s", "title": "Sums", "questions": [question.clone()]}],
        }],
        questions: vec![question],
        sessions: users.iter().map(session).collect(),
    }
}

fn dumped(documents: &SampleDocuments) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_dump(&folder.path().join("dump"), documents, false).unwrap();
    folder
}

fn local(folder: &Path) -> Output {
    quiz_etl(folder, &["local", "--source", "dump", "--out", "out"])
}

#[test]
fn demo_shows_results_and_writes_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let demo = quiz_etl(folder.path(), &["demo"]);
    assert!(demo.status.success(), "{demo:?}");
    let shown = stdout(&demo);
    for part in [
        "1,525 participants, 1,525 ranked; 7,625 items written",
        "1,525 messages",
        "warehouse: 32025 rows",
        "on Discord:",
        "✅ SAPA Ability Test, August 2012: reports and warehouse written",
        "Rank",
        "=1",
        "highest marks",
        "percentile",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    let page = folder.path().join(format!("demo/overview/{}.html", quiz_local::file_name(sapa::SESSION_ID)));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("SAPA"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page loads nothing");

    let report = quiz_etl(folder.path(), &["report", sapa::SESSION_ID, "sapa-5", "--from", "demo"]);
    assert!(report.status.success() && stdout(&report).contains("sapa-5"));
    let json = quiz_etl(folder.path(), &["--json", "report", sapa::SESSION_ID, "sapa-5", "--from", "demo"]);
    let json: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), 5);
}

#[test]
fn local_json_has_the_results() {
    let folder = dumped(&small(&["a", "b"]));
    let run = quiz_etl(folder.path(), &["local", "--source", "dump", "--out", "out", "--json"]);
    assert!(run.status.success(), "{run:?}");
    let json: Value = serde_json::from_str(&stdout(&run)).unwrap();
    let synced = &json["synced"][0];
    assert_eq!(
        (&synced["session_id"], &synced["takers"], &synced["rows_written"]),
        (&QUIZ.into(), &2.into(), &4.into())
    );
    assert_eq!(json["parked"], Value::Array(vec![]));
    assert!(Path::new(&folder.path().join(json["overviews"][0].as_str().unwrap())).is_file());
}

#[test]
fn failed_event_does_not_stop_the_others() {
    let folder = dumped(&small(&["a"]));
    let events = [
        format!("Group_{QUIZ}"),
        format!(r#"{{"session_id": "Named_{QUIZ}", "session": {{"test_name": "Spring test"}}}}"#),
        String::new(),
        "Group_ffffffffffffffffffffffff".to_owned(),
    ];
    std::fs::write(folder.path().join("events"), events.join("\n")).unwrap();
    let run = quiz_etl(folder.path(), &["local", "--source", "dump", "--events", "events", "--out", "out"]);
    let unknown = "there is no quiz ffffffffffffffffffffffff (requested by session Group_ffffffffffffffffffffffff) (unknown_quiz)";
    assert_eq!(failure(&run), (1, unknown.to_owned()));
    assert!(stdout(&run).contains("Spring test") && stdout(&run).contains(&format!("Group_{QUIZ}")));
}

#[test]
fn events_file_may_have_any_layout() {
    let folder = dumped(&small(&["a"]));
    let object = |name: &str| format!("{{\n  \"session_id\": \"{name}_{QUIZ}\"\n}}");
    let events = format!(
        "\u{feff}# by hand\r\nA_{QUIZ}\r\n\r\n{}\n[{},\n{}]\n",
        object("B"),
        object("C"),
        object("D")
    );
    std::fs::write(folder.path().join("events"), events).unwrap();
    let arguments = ["local", "--source", "dump", "--events", "events", "--out", "out", "--json"];
    let run = quiz_etl(folder.path(), &arguments);
    assert!(run.status.success(), "{run:?}");
    let json: Value = serde_json::from_str(&stdout(&run)).unwrap();
    let synced = json["synced"].as_array().unwrap().iter().filter(|sync| sync["sink"] == "reports");
    let mut sessions: Vec<_> = synced.map(|sync| sync["session_id"].as_str().unwrap().to_owned()).collect();
    sessions.sort();
    assert_eq!(sessions, ["A", "B", "C", "D"].map(|name| format!("{name}_{QUIZ}")));
}

#[test]
fn wrong_line_of_an_events_file_is_named() {
    let folder = dumped(&small(&["a"]));
    let run = |events: &[u8]| {
        std::fs::write(folder.path().join("events"), events).unwrap();
        quiz_etl(folder.path(), &["local", "--source", "dump", "--events", "events", "--out", "out"])
    };
    let wrong = |events: &[u8]| {
        let (code, error) = failure(&run(events));
        assert_eq!(code, 1);
        error.strip_prefix("cannot read the events in events: ").map(str::to_owned).unwrap_or(error)
    };
    let id = format!("A_{QUIZ}\n");
    let with = |end: &[u8]| wrong(&[id.as_bytes(), end].concat());
    assert_eq!(with(b"\xff"), "line 2: it is not UTF-8; save the file as UTF-8");
    assert_eq!(with(b"{\"a\": "), "line 2: the JSON that begins here does not end");
    assert!(with(b"hello world").starts_with("line 2: the message is neither a JSON object"));
    assert_eq!(with("x".repeat(2 << 20).as_bytes()), "line 2: it is longer than 1 MiB");
    assert_eq!(wrong(b"[]"), "no event in events");
    // JSON that is no event is parked, and the others are synced
    let run = run(format!("{id}7\n").as_bytes());
    let parked = "the message is a number, not a JSON object or the id of a test session (not_an_event)";
    assert_eq!(failure(&run), (1, parked.to_owned()));
    assert!(stdout(&run).contains("1 participant"), "{run:?}");
}

#[test]
fn no_name_or_cause_forges_output() {
    let evil = "x\u{1b}[2J\rerror: a\nerror: b\u{202e}";
    let mut documents = small(&[evil]);
    documents.quizzes[0].insert("title", evil);
    documents.quizzes[0].insert("metadata", doc! {"test_name": evil});
    let folder = dumped(&documents);
    let unknown = serde_json::json!({"type": format!("none {evil}"), "session_id": QUIZ});
    std::fs::write(folder.path().join("events"), format!("{unknown}\n{QUIZ}")).unwrap();
    let arguments = ["local", "--source", "dump", "--events", "events", "--out", "out"];
    let run = quiz_etl(folder.path(), &arguments);
    let (code, error) = failure(&run);
    assert!(code == 1 && error.contains("none x"), "{error}");
    for text in [&run.stdout, &run.stderr] {
        let text = String::from_utf8(text.clone()).unwrap();
        assert!(
            !text.chars().any(|character| character != '\n' && quiz_etl::ui::is_hidden(character)),
            "{text:?}"
        );
        assert!(!text.contains("\nerror: b"), "{text}");
    }
    let json = quiz_etl(folder.path(), &[&arguments[..], &["--json"]].concat());
    let parsed: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(parsed["synced"][0]["test_name"], evil);
    assert!(!stdout(&json).contains('\u{202e}'), "{json:?}");
}

#[test]
fn huge_user_id_is_cut_for_display() {
    let folder = dumped(&small(&["a", &"u".repeat(1 << 20)]));
    let began = std::time::Instant::now();
    let run = local(folder.path());
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    assert!(run.stdout.len() < 10_000, "{} bytes", run.stdout.len());
}

#[test]
#[cfg(feature = "aws")]
fn missing_sign_in_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let run = |region: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quiz-etl"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("HOME", folder.path());
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("EVENTS_TOPIC_ARN", "arn:aws:sns:ap-south-1:1:events")
            .env("NOTICES_TOPIC_ARN", "arn:aws:sns:ap-south-1:1:notices");
        let output = command.envs(region.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let session = format!("A_{QUIZ}");
    for arguments in [
        &["status"][..],
        &["report", &session, "u"],
        &["sync", &session],
        &["backfill", &session, "--yes", "--reason", "a test"],
        &["dlq", "list"],
        &["dlq", "replay", "--all", "--reason", "a test"],
    ] {
        let no_region = "error: no AWS region: set AWS_REGION, or AWS_PROFILE to a profile with a region\n";
        assert_eq!(run(&[], arguments), no_region, "{arguments:?}");
        let no_credentials = "error: no AWS credentials found: run aws sso login, or set AWS_PROFILE\n";
        assert_eq!(run(&[("AWS_REGION", "ap-south-1")], arguments), no_credentials, "{arguments:?}");
    }
}

#[test]
#[cfg(feature = "aws")]
fn action_needs_reason_and_notices_topic() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quiz-etl"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("HOME", folder.path());
        command.env("EVENTS_TOPIC_ARN", "arn:aws:sns:ap-south-1:1:events").stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let session = format!("A_{QUIZ}");
    for arguments in [
        &["sync", &session, "--force"][..],
        &["backfill", &session, "--yes"],
        &["dlq", "replay", "--all", "--yes"],
        &["dlq", "drop", "--all", "--yes"],
    ] {
        let (code, error) = run(arguments);
        assert!(code == 2 && error.contains("answer with --reason"), "{arguments:?}: {code} {error}");
        let (code, error) = run(&[arguments, &["--reason", "a test"]].concat());
        let missing = "NOTICES_TOPIC_ARN must be set: the command records there who acts, and why";
        assert!(code == 1 && error.contains(missing), "{arguments:?}: {code} {error}");
    }
    let (code, error) = run(&["sync", &session]);
    assert!(code == 1 && error.contains("NOTICES_TOPIC_ARN must be set"), "{code} {error}");
}

#[test]
fn folder_of_another_run_is_refused() {
    let folder = dumped(&small(&["a"]));
    assert!(local(folder.path()).status.success());
    let lock =
        std::fs::OpenOptions::new().write(true).open(folder.path().join("out/.quiz-etl.lock")).unwrap();
    lock.lock().unwrap();
    lock.set_len(0).unwrap();
    (&lock).write_all(b"process id 1234, since 14:05:10").unwrap();
    let expected =
        "out is in use by quiz-etl with process id 1234, since 14:05:10; wait for it or choose another --out";
    assert_eq!(failure(&local(folder.path())), (1, expected.to_owned()));
    assert_eq!(failure(&quiz_etl(folder.path(), &["demo", "--out", "out"])), (1, expected.to_owned()));
    let report = quiz_etl(folder.path(), &["report", QUIZ, "a", "--from", "out"]);
    assert!(report.status.success(), "a report only reads: {report:?}");
    drop(lock);
    assert!(local(folder.path()).status.success());
    let holder = std::fs::read_to_string(folder.path().join("out/.quiz-etl.lock")).unwrap();
    assert!(holder.starts_with("process id ") && !holder.contains("1234, since 14:05:10"), "{holder}");
}

#[test]
fn demo_refuses_a_foreign_database_first() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("demo")).unwrap();
    std::fs::write(folder.path().join("demo/reports.db"), "a text").unwrap();
    let expected = "demo/reports.db is no SQLite database".to_owned();
    assert_eq!(failure(&quiz_etl(folder.path(), &["demo"])), (1, expected));
    assert!(!folder.path().join("demo/source").exists());
}

#[test]
fn empty_cohort_is_done_and_reported() {
    let folder = dumped(&small(&[]));
    let run = local(folder.path());
    assert!(run.status.success(), "{run:?}");
    assert!(stdout(&run).contains("Sums has no attempts yet: nothing to report"), "{run:?}");
}

#[test]
fn unreadable_or_unwritable_files_are_named() {
    let folder = dumped(&small(&["a"]));
    let at = |path: &str| folder.path().join(path);
    let run = |arguments: &[&str]| failure(&quiz_etl(folder.path(), arguments));

    let (code, missing) = run(&["local", "--source", "nowhere", "--out", "out"]);
    assert_eq!(code, 1);
    assert!(missing.contains("nowhere"), "{missing}");

    std::fs::write(at("file"), "").unwrap();
    let (code, unwritable) = run(&["local", "--source", "dump", "--out", "file/out"]);
    assert_eq!(code, 1);
    assert!(unwritable.starts_with("cannot create the folder file/out"), "{unwritable}");

    let (code, events) = run(&["local", "--source", "dump", "--events", "none", "--out", "out"]);
    assert_eq!(code, 1);
    assert!(events.starts_with("cannot read the events in none"), "{events}");

    let (code, absent) = run(&["report", QUIZ, "a", "--from", "elsewhere"]);
    assert_eq!(code, 1);
    assert!(absent.contains("elsewhere"), "{absent}");

    let sessions = std::fs::read(at("dump/sessions.bson")).unwrap();
    std::fs::write(at("dump/sessions.bson"), &sessions[..sessions.len() - 7]).unwrap();
    let (code, malformed) = failure(&local(folder.path()));
    assert_eq!(code, 1);
    assert!(malformed.contains("sessions.bson") && malformed.contains("document 1"), "{malformed}");

    std::fs::write(at("dump/quizzes.bson"), "hello").unwrap();
    let (code, malformed) = failure(&local(folder.path()));
    assert_eq!(code, 1);
    assert!(malformed.contains("quizzes.bson"), "{malformed}");
}

#[test]
fn missing_report_is_reported() {
    let folder = dumped(&small(&["a"]));
    assert!(local(folder.path()).status.success());
    let none = quiz_etl(folder.path(), &["report", QUIZ, "b", "--from", "out"]);
    assert_eq!(failure(&none), (1, format!("user b has no report in session {QUIZ}")));
    let elsewhere = quiz_etl(folder.path(), &["report", "Other", "a", "--from", "out"]);
    assert_eq!(failure(&elsewhere), (1, format!("out has no session Other; it has {QUIZ}")));
}

#[test]
fn wrong_use_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["local"], &["report", "x"], &["demo", "--wrong"], &["dance"]] {
        assert_eq!(quiz_etl(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn notices_are_written_as_discord_messages() {
    let folder = dumped(&small(&["a", "b"]));
    for _ in 0..2 {
        assert!(local(folder.path()).status.success());
        let lines = std::fs::read_to_string(folder.path().join("out/notices.jsonl")).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "one message shows both sinks");
        assert_eq!(lines[0]["notices"].as_array().unwrap().len(), 2);
        assert_eq!(lines[0]["message"]["embeds"][0]["title"], "✅ Sums: reports and warehouse written");
        let picture = folder.path().join("out").join(lines[0]["pictures"][0].as_str().unwrap());
        assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
    }
}

#[test]
fn form_notice_counts_responses_without_old_lag() {
    let mut documents = small(&["a", "b"]);
    for quiz in &mut documents.quizzes {
        quiz.insert("metadata", doc! { "quiz_type": "form" });
    }
    let folder = dumped(&documents);
    let completion = |user: &str| {
        format!(
            r#"{{"type":"quiz.completed","session_id":"{QUIZ}","user_id":"{user}","completed_at":"2012-08-29T10:00:00Z"}}"#
        )
    };
    std::fs::write(folder.path().join("events.jsonl"), [completion("a"), completion("b")].join("\n"))
        .unwrap();
    let arguments = ["local", "--source", "dump", "--events", "events.jsonl", "--out", "out"];
    assert!(quiz_etl(folder.path(), &arguments).status.success());
    let notices = std::fs::read_to_string(folder.path().join("out/notices.jsonl")).unwrap();
    assert!(
        notices.contains(r#""name":"Responses","value":"2""#) && !notices.contains("not final"),
        "{notices}"
    );
    assert!(notices.contains("for 2 messages") && !notices.contains("newest completion"), "{notices}");
}

#[test]
fn session_clock_decides_the_day() {
    let folder = dumped(&small(&["a"]));
    let session = json!({"test_name": "T", "start_time": "2026-05-01T20:00:00Z"});
    let event = json!({"session_id": format!("Grp_{QUIZ}"), "session": session});
    std::fs::write(folder.path().join("events.jsonl"), event.to_string()).unwrap();
    let run = |clock: &str| {
        let arguments = ["local", "--source", "dump", "--events", "events.jsonl", "--out", clock];
        let run = command(folder.path(), &arguments).env("SESSION_CLOCK", clock).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let arguments = ["report", &format!("Grp_{QUIZ}"), "a", "--from", clock, "--json"];
        let report: Value = serde_json::from_str(&stdout(&quiz_etl(folder.path(), &arguments))).unwrap();
        (report.to_string(), stdout(&run))
    };
    let (report, shown) = run("india");
    assert!(report.contains("2026-05-01") && report.contains("20:00:00"), "{report}");
    assert!(!shown.contains("start at night"), "{shown}");
    let (report, shown) = run("utc");
    assert!(report.contains("2026-05-02") && report.contains("01:30:00"), "{report}");
    assert!(shown.contains("start at night") && shown.contains("SESSION_CLOCK"), "{shown}");
}

#[test]
fn unstorable_date_fails_only_its_own_session() {
    let folder = dumped(&small(&["a"]));
    let event = |session: &str, start: &str| {
        format!(r#"{{"session_id":"{session}","quiz_id":"{QUIZ}","session":{{"start_time":"{start}"}}}}"#)
    };
    let events = [event("early", "-000044-03-15T12:00:00Z"), event("fine", "2024-04-30T10:00:00")].join("\n");
    std::fs::write(folder.path().join("events"), events).unwrap();
    let run = quiz_etl(folder.path(), &["local", "--source", "dump", "--events", "events", "--out", "out"]);
    let expected =
        "session early: the start date -000044-03-15 is not between the years 1 and 9999 (rows_refused)";
    assert_eq!(failure(&run), (1, expected.to_owned()));
    for table in ["test_responses", "all_responses_question_level"] {
        let file = |session: &str| folder.path().join(format!("out/warehouse/{table}/{session}.parquet"));
        assert!(file("fine").is_file() && !file("early").exists(), "{table}");
    }
}

#[test]
fn problems_are_shown_with_advice() {
    let mut documents = small(&["a", "b#c"]);
    let mut odd: Document = documents.sessions[0].clone();
    odd.insert("_id", "zz");
    odd.insert("user_id", "odd");
    odd.insert("session_answers", bson!([{"question_id": "q", "answer": "four"}, {"answer": Bson::Null}]));
    documents.sessions.push(odd);
    let folder = dumped(&documents);
    let run = local(folder.path());
    assert!(run.status.success());
    let without_time = |line: &str| {
        let ends = [" messages in ", " message in ", " items, in ", " rows, in "];
        match ends.iter().find_map(|end| Some((line.split_once(end)?.0, end))) {
            Some((before, end)) => format!("{before}{end}[time]"),
            None => line.to_owned(),
        }
    };
    insta::assert_snapshot!(stdout(&run).lines().map(without_time).collect::<Vec<_>>().join("\n"));
}
