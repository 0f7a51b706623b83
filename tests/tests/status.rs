//! `quiz-etl status` on the stack's DynamoDB, with states of every standing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mongodb::bson::doc;
use quiz_dynamo::DynamoStates;
use quiz_events::SessionDescription;
use quiz_sample::SampleDocuments;
use quiz_stack::{Action, Gate, REGION, Stack, unique};
use quiz_sync_state::{
    FollowUp, LastRun, Lease, REPORTS, RunResult, StateKey, SyncState, SyncStates, WAREHOUSE,
};
use serde_json::Value;
use support::{PATIENCE, binary, run_local};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const MINUTE: i64 = 60_000;
const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

/// A table of states of its own.
struct Planted {
    table: String,
    endpoint: String,
    states: DynamoStates,
}

impl Planted {
    async fn empty() -> Self {
        let stack = Stack::get().await.unwrap();
        let table = unique("status");
        stack.create_sync_state_table(&table).await.unwrap();
        let states = DynamoStates::new(stack.dynamodb(), table.clone());
        Self { table, endpoint: stack.aws_endpoint().to_owned(), states }
    }

    /// One test of each standing.
    async fn each() -> Self {
        let planted = Self::empty().await;
        let now = now();
        let finished = LastRun {
            result: Some(RunResult::Finished),
            takers: 1_204,
            rows_written: 6_020,
            read_started_at: now - 21 * MINUTE,
            finished_at: now - 20 * MINUTE,
            duration_ms: 4_200,
            ..LastRun::default()
        };
        let synced = SyncState {
            quiz_id: QUIZ.to_owned(),
            requested_through: now - 22 * MINUTE,
            synced_through: now - 21 * MINUTE,
            generation: now - 21 * MINUTE,
            session: Some(SessionDescription {
                test_name: Some("Physics weekly test 3".to_owned()),
                group: Some("EnableStudents".to_owned()),
                ..SessionDescription::default()
            }),
            last: finished.clone(),
            ..SyncState::default()
        };
        let failed = |result, error: &str, ago: i64| SyncState {
            last: LastRun {
                result: Some(result),
                error: Some(error.to_owned()),
                finished_at: now - ago * MINUTE,
                ..finished.clone()
            },
            ..synced.clone()
        };
        let asked = |ago: i64| SyncState { requested_through: now - ago * MINUTE, ..synced.clone() };
        let lease = Lease { owner: "one".to_owned(), message_id: "m".to_owned(), until: now + 60 * MINUTE };
        let follow_up = FollowUp { message_id: "m".to_owned(), due: now + 10 * MINUTE };
        let named = |group: &str| format!("{group}_{QUIZ}");
        for (session, sink, state) in [
            (named("A"), REPORTS, failed(RunResult::Parked, "there is no quiz. It may come", 13)),
            (named("A"), WAREHOUSE, synced.clone()),
            (named("B"), WAREHOUSE, failed(RunResult::Failed, "BigQuery did not answer", 2)),
            (named("C"), REPORTS, asked(15)),
            (named("D"), REPORTS, SyncState { lease: Some(lease), generation: now - 3 * MINUTE, ..asked(4) }),
            (named("E"), REPORTS, SyncState { follow_up: Some(follow_up), ..asked(4) }),
            (named("F"), REPORTS, synced.clone()),
        ] {
            planted.plant(&session, sink, &state).await;
        }
        planted
    }

    async fn plant(&self, session: &str, sink: &str, state: &SyncState) {
        let key = StateKey { session_id: session.to_owned(), sink: sink.to_owned() };
        let seen = self.states.get(&key).await.unwrap();
        assert!(self.states.swap(&key, &seen, state).await.unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(&self.endpoint, &self.table, arguments)
    }

    async fn status(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    async fn shown(&self, arguments: &[&str]) -> String {
        let output = self.status(arguments).await;
        assert!(output.status.success(), "{output:?}");
        timeless(&String::from_utf8(output.stdout).unwrap())
    }

    async fn exit_code(&self, arguments: &[&str]) -> i32 {
        self.status(arguments).await.status.code().unwrap()
    }
}

fn command(endpoint: &str, table: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("quiz-etl"));
    command.arg("status").args(arguments).kill_on_drop(true).stdin(Stdio::null());
    for (name, value) in [
        ("AWS_ENDPOINT_URL", endpoint),
        ("SYNC_STATE_TABLE", table),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("TZ", "IST-5:30"),
    ] {
        command.env(name, value);
    }
    command
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Without what differs from one run to the next: ages, times and generations.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let all_time = word.chars().all(|it| it.is_ascii_digit() || "+-:(Z),".contains(it));
        all_time && (digits >= 13 || digits >= 4 && word.contains(['-', ':']))
    };
    let line = |line: &str| {
        let mut words: Vec<String> = Vec::new();
        for word in line.split(' ') {
            let is_unit = ["s", "min", "h"].contains(&word.trim_end_matches(','));
            match words.last_mut() {
                Some(last) if is_unit && last.parse::<u64>().is_ok() => "N".clone_into(last),
                _ => {}
            }
            let shown = if is_time(word) {
                word.replace(|it: char| it.is_ascii_digit(), "#")
            } else {
                word.to_owned()
            };
            words.push(shown);
        }
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Fails as it should: with 1, and one sentence on standard error.
fn sentence(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let errors: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    errors[0].to_owned()
}

#[tokio::test]
async fn each_standing_is_told() {
    let planted = Planted::each().await;
    insta::assert_snapshot!("table", planted.shown(&[]).await);
    insta::assert_snapshot!("table_of_all", planted.shown(&["--all"]).await);
    insta::assert_snapshot!("table_of_some", planted.shown(&["--sink", "warehouse", "--limit", "1"]).await);
    let session = format!("A_{QUIZ}");
    insta::assert_snapshot!("session", planted.shown(&[&session]).await);
    let running = format!("D_{QUIZ}");
    insta::assert_snapshot!("session_that_runs", planted.shown(&[&running]).await);
    let unknown = planted.status(&[&session, "Nobody_1"]).await;
    assert!(sentence(&unknown).contains("Nobody_1"), "{unknown:?}");
    assert!(String::from_utf8(unknown.stdout).unwrap().contains(&session));
}

#[tokio::test]
async fn a_program_reads_one_object() {
    let planted = Planted::each().await;
    let output = planted.status(&["--json", "--all"]).await;
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tests = told["tests"].as_array().unwrap();
    let standings: Vec<&str> = tests.iter().map(|it| it["standing"].as_str().unwrap()).collect();
    let expected = ["parked", "failed", "behind", "running", "waiting", "synced", "synced"];
    assert_eq!(standings, expected);
    assert_eq!((&told["counts"]["synced"], &told["counts"]["unknown"]), (&2.into(), &0.into()));
    let at: jiff::Timestamp = told["at"].as_str().unwrap().parse().unwrap();
    let since: jiff::Timestamp = tests[0]["since"].as_str().unwrap().parse().unwrap();
    assert!((13..30).contains(&at.duration_since(since).as_mins()), "{told}");
    assert_eq!(tests[0]["last_error"], "there is no quiz. It may come");
    assert_eq!((&tests[0]["takers"], &tests[0]["rows_written"]), (&1_204.into(), &6_020.into()));
    assert_eq!(tests[3]["lease"]["owner"], "one");
    assert_eq!(tests[0]["session"]["group"], "EnableStudents");
}

#[tokio::test]
async fn a_script_can_ask_whether_something_is_stuck() {
    let planted = Planted::each().await;
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
async fn what_cannot_be_read_is_one_sentence_with_the_next_step() {
    let endpoint = Stack::get().await.unwrap().aws_endpoint().to_owned();
    let missing = command(&endpoint, "no-such-table", &[]).output().await.unwrap();
    let told = sentence(&missing);
    assert!(told.contains("table no-such-table") && told.contains("`quiz-etl doctor`"), "{told}");
    let missing = command(&endpoint, "no-such-table", &["--json"]).output().await.unwrap();
    let told: Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert!(told["error"].as_str().unwrap().contains("no-such-table"), "{told}");
    let home = tempfile::tempdir().unwrap();
    let nobody = command(&endpoint, "t", &[])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", home.path())
        .output();
    let told = sentence(&nobody.await.unwrap());
    assert!(told.contains("credentials") && told.contains("`quiz-etl doctor`"), "{told}");
    let nowhere = command(&endpoint, "t", &["--from", "/no/such/folder"]).output().await.unwrap();
    assert!(sentence(&nowhere).contains("/no/such/folder"));
}

#[tokio::test]
async fn an_embedded_run_is_told_of_too() {
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
    let told = command("http://127.0.0.1:1", "t", &["--from", out.to_str().unwrap()]).output().await.unwrap();
    assert!(told.status.success(), "{told:?}");
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("1 test, ") && told.contains(": 2 synced"), "{told}");
}

/// `quiz-etl status --watch`, its output read line by line.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The first line, from now on, that is so.
    async fn line(&mut self, is_so: impl Fn(&str) -> bool) -> String {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("it ended");
                if is_so(&line) {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("no such line")
    }

    /// Ctrl-C; gives what came after it.
    async fn interrupt(mut self) -> Vec<String> {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        let ended =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it did not stop").unwrap();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest.push(line);
        }
        rest
    }
}

#[tokio::test]
async fn watched_it_shows_what_changes_until_ctrl_c() {
    let planted = Planted::each().await;
    let mut watching = Watching::start(planted.command(&["--watch=0.2"]));
    watching.line(|line| line.contains("Ctrl-C ends it")).await;
    let counts = watching.line(|line| line.starts_with("6 tests")).await;
    assert!(counts.contains("1 running"), "{counts}");
    let parked = LastRun { result: Some(RunResult::Parked), finished_at: now(), ..LastRun::default() };
    let key = format!("D_{QUIZ}");
    planted.plant(&key, REPORTS, &SyncState { last: parked, ..SyncState::default() }).await;
    watching.line(|line| line.contains("2 parked") && !line.contains("running")).await;
    let rest = watching.interrupt().await.join("\n");
    assert!(!rest.contains('\u{1b}'), "{rest}");

    let mut watching = Watching::start(planted.command(&["--watch=0.2", "--json"]));
    for _ in 0..2 {
        let told: Value = serde_json::from_str(&watching.line(|_| true).await).unwrap();
        assert_eq!(told["counts"]["parked"], 2);
    }
    watching.interrupt().await;
}

#[tokio::test]
async fn a_read_that_fails_while_watching_is_told_and_tried_again() {
    let planted = Planted::each().await;
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let gate = Gate::start(&planted.endpoint, move |_| {
        let body = r#"{"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "no"}"#;
        if down.load(Ordering::SeqCst) {
            let content_type = "application/x-amz-json-1.0";
            return Action::Reply { status: 400, content_type, body: body.to_owned() };
        }
        Action::Forward
    });
    let gate = gate.unwrap();
    let mut watching = Watching::start(command(gate.url(), &planted.table, &["--watch=0.2"]));
    watching.line(|line| line.starts_with("6 tests")).await;
    is_down.store(true, Ordering::SeqCst);
    let told = watching.line(|line| line.contains("trying again")).await;
    assert!(told.contains("AccessDenied"), "{told}");
    // what was read before is still there
    watching.line(|line| line.starts_with("6 tests")).await;
    is_down.store(false, Ordering::SeqCst);
    watching.line(|line| line.contains("Ctrl-C ends it")).await;
    watching.interrupt().await;
}

/// Runs a command on a terminal of 24 lines, types Ctrl-C once it has shown the word, and prints what it wrote and its
/// exit code.
const ON_A_TERMINAL: &str = r"
import fcntl, os, pty, struct, sys, termios
word, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    os.execvp(command[0], command)
seen, typed = b'', False
while True:
    try:
        read = os.read(terminal, 65536)
    except OSError:
        break
    seen += read
    if not read:
        break
    if word in seen and not typed:
        os.write(terminal, b'\x03')
        typed = True
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
print(f'\nexit {os.waitstatus_to_exitcode(status)}')
";

#[tokio::test]
async fn a_terminal_is_redrawn_in_place_and_given_back() {
    let planted = Planted::each().await;
    for number in 0..60 {
        let asked = SyncState { requested_through: now() - MINUTE, ..SyncState::default() };
        planted.plant(&format!("Many_{number:02}_{QUIZ}"), REPORTS, &asked).await;
    }
    let status = planted.command(&["--watch=0.2"]);
    let mut terminal = Command::new(Stack::get().await.unwrap().python().unwrap());
    terminal.args(["-c", ON_A_TERMINAL, "66 tests"]);
    terminal.arg(status.as_std().get_program()).args(status.as_std().get_args());
    for (name, value) in status.as_std().get_envs() {
        terminal.env(name, value.unwrap());
    }
    terminal.env_remove("NO_COLOR").kill_on_drop(true);
    let ran = tokio::time::timeout(PATIENCE, terminal.output()).await.expect("it did not stop").unwrap();
    let shown = String::from_utf8(ran.stdout).unwrap();
    let (second_screen, first_screen) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(shown.ends_with("\nexit 0\n"), "{shown}\n{:?}", String::from_utf8_lossy(&ran.stderr));
    assert!(shown.starts_with(second_screen) && shown.contains(first_screen), "{shown:?}");
    assert!(shown.contains("\u{1b}[31mparked\u{1b}[0m") && shown.contains("more: --limit"), "{shown}");
    let frame = shown.split("\u{1b}[H").nth(1).unwrap();
    assert!(frame.split("\r\n").count() <= 24, "{frame}");
    let sessions: BTreeSet<&str> = frame.split_whitespace().filter(|it| it.starts_with("Many_")).collect();
    assert!((5..20).contains(&sessions.len()), "{frame}");
}
