//! A table with a state of each standing, and the command that shows it.

use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use quiz_dynamo::DynamoStates;
use quiz_e2e::binary;
use quiz_events::{SessionDescription, Sink};
use quiz_stack::{REGION, Stack, unique};
use quiz_sync_state::{FollowUp, LastRun, Lease, RunResult, StateKey, SyncState, SyncStates};
use tokio::process::Command;

pub const MINUTE: i64 = 60_000;
pub const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

/// A table of sync states for one test.
pub struct Planted {
    pub table: String,
    pub endpoint: String,
    pub states: DynamoStates,
}

impl Planted {
    pub async fn empty() -> Self {
        let stack = Stack::get().await.unwrap();
        let table = unique("status");
        stack.create_sync_state_table(&table).await.unwrap();
        let states = DynamoStates::new(stack.dynamodb(), table.clone());
        Self { table, endpoint: stack.aws_endpoint().to_owned(), states }
    }

    /// One test session of each standing.
    pub async fn one_of_each() -> Self {
        let planted = Self::empty().await;
        let now = now();
        let finished = LastRun {
            result: Some(RunResult::Finished),
            participants: 1_204,
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
        let requested = |ago: i64| SyncState { requested_through: now - ago * MINUTE, ..synced.clone() };
        let lease = Lease { owner: "one".to_owned(), message_id: "m".to_owned(), until: now + 60 * MINUTE };
        let follow_up = FollowUp { message_id: "m".to_owned(), due: now + 10 * MINUTE };
        let named = |group: &str| format!("{group}_{QUIZ}");
        for (session, sink, state) in [
            (named("A"), Sink::Reports, failed(RunResult::Parked, "there is no quiz. It may come", 13)),
            (named("A"), Sink::Warehouse, synced.clone()),
            (named("B"), Sink::Warehouse, failed(RunResult::Failed, "BigQuery did not answer", 2)),
            (named("C"), Sink::Reports, requested(15)),
            (
                named("D"),
                Sink::Reports,
                SyncState { lease: Some(lease), generation: now - 3 * MINUTE, ..requested(4) },
            ),
            (named("E"), Sink::Reports, SyncState { follow_up: Some(follow_up), ..requested(4) }),
            (named("F"), Sink::Reports, synced.clone()),
        ] {
            planted.plant(&session, sink, &state).await;
        }
        planted
    }

    pub async fn plant(&self, session: &str, sink: Sink, state: &SyncState) {
        let key = StateKey { session_id: session.to_owned(), sink };
        let seen = self.states.get(&key).await.unwrap();
        assert!(self.states.swap(&key, &seen, state).await.unwrap());
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        command(&self.endpoint, &self.table, arguments)
    }

    pub async fn status(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    pub async fn shown(&self, arguments: &[&str]) -> String {
        let output = self.status(arguments).await;
        assert!(output.status.success(), "{output:?}");
        timeless(&String::from_utf8(output.stdout).unwrap())
    }

    pub async fn exit_code(&self, arguments: &[&str]) -> i32 {
        self.status(arguments).await.status.code().unwrap()
    }
}

pub fn command(endpoint: &str, table: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("quiz-etl"));
    command.arg("status").args(arguments).env_clear().kill_on_drop(true).stdin(Stdio::null());
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

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Replaces ages, times and generations, which differ between runs.
pub fn timeless(text: &str) -> String {
    let is_time = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let all_time =
            word.chars().all(|character| character.is_ascii_digit() || "+-:(Z),".contains(character));
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
                word.replace(|character: char| character.is_ascii_digit(), "#")
            } else {
                word.to_owned()
            };
            words.push(shown);
        }
        // the output has the day in UTC only if it differs from India's
        words.join(" ").replace("(####-##-## ", "(")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Asserts exit code 1 and one error line on standard error; returns the error.
pub fn sentence(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let errors: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    errors[0].to_owned()
}
