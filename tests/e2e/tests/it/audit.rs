//! The record of operators' actions: the real command, and the log of the deployed notify-discord.

use std::process::{Output, Stdio};
use std::sync::Arc;

use quiz_e2e::{Deployed, PATIENCE, binary, deploy};
use quiz_sample::sapa;
use quiz_stack::{Deployment, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

struct Operated {
    deployment: Arc<Deployment>,
    notices: Deployed,
    events: Deployed,
    state: tempfile::TempDir,
}

impl Operated {
    async fn new() -> Self {
        let mut documents = sapa::documents().unwrap();
        documents.sessions.truncate(3);
        // the audit passes every level
        let deployment = deploy(&documents, &[("LogLevel", "warn")]).await;
        let notices = Deployed::of(&deployment, "notify-discord", "notices").await;
        let events = Deployed::of(&deployment, "sync-reports", "reports").await;
        Self { deployment, notices, events, state: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("quiz-etl"));
        command.args(arguments).env_clear().stdin(Stdio::null()).env("USER", "olivia");
        command.envs(self.deployment.variables()).env("QUIZ_ETL_STATE_DIR", self.state.path());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    async fn succeed(&self, arguments: &[&str]) {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Parks a message that names the test session.
    async fn park(&self, session: &str) {
        let body = json!({"type": "session.sync", "session_id": session}).to_string();
        let sqs = self.events.stack.sqs();
        sqs.send_message().queue_url(&self.events.queue.dlq_url).message_body(body).send().await.unwrap();
    }

    /// Messages in the queue of events, and in its dead-letter queue.
    async fn messages(&self) -> (u64, u64) {
        let depth = self.events.stack.queue_depth(&self.events.queue.url).await.unwrap();
        (depth.visible, self.events.dead_letters().await)
    }

    /// Lets notify-discord handle all notices, and returns its audit lines.
    async fn audit(&self) -> Vec<Value> {
        self.notices.consume(10, 2).await;
        self.notices.wait().await;
        let lines = self.notices.logged().await;
        lines.into_iter().filter(|line| line["message"] == "operator acted").collect()
    }
}

#[tokio::test]
async fn each_action_leaves_one_audit_line() {
    let operated = Operated::new().await;
    let session = sapa::SESSION_ID;
    operated.succeed(&["sync", session]).await;
    operated.succeed(&["sync", session, "--force", "--reason", "edited by hand"]).await;
    operated.succeed(&["backfill", session, "--yes", "--detach", "--reason", "new column"]).await;
    operated.park(session).await;
    operated.succeed(&["dlq", "replay", "--all", "--yes", "--reason", "fixed"]).await;
    operated.park(session).await;
    let drop =
        ["dlq", "drop", "--session", session, "--yes", "--reason", "old", "--requested-by", "Olivia O."];
    operated.succeed(&drop).await;
    for unchanging in [
        &["sync", session, "--dry-run"][..],
        &["backfill", session, "--dry-run"],
        &["dlq", "replay", "--all", "--dry-run"],
        &["dlq", "list"],
        &["status"],
    ] {
        operated.succeed(unchanging).await;
    }
    // SNS may deliver a notice twice
    let twice = json!({
        "type": "operator.acted", "id": "twice", "at": "2026-11-21T08:36:04Z", "action": "archive",
        "identity": "arn:aws:iam::1:user/nina", "target": "1 file", "count": 1, "version": "9.0.0",
    });
    let twice = vec![twice.to_string(); 2];
    operated.notices.stack.publish_all(&operated.notices.topic, &twice, &[]).await.unwrap();

    let mut lines = operated.audit().await;
    lines.sort_by_key(|line| (line["at"].as_str().unwrap().to_owned(), line["action"].to_string()));
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let said: Vec<[String; 3]> =
        lines.iter().map(|line| ["action", "by", "reason"].map(|field| text(line, field))).collect();
    assert_eq!(
        said,
        [
            ["archive", "", ""],
            ["sync", "olivia", ""],
            ["sync-force", "olivia", "edited by hand"],
            ["backfill", "olivia", "new column"],
            ["replay", "olivia", "fixed"],
            ["drop", "Olivia O.", "old"],
        ],
        "{lines:#?}"
    );
    for line in lines.iter().skip(1) {
        assert!(text(line, "identity").starts_with("arn:aws:"), "{line}");
        assert_eq!((text(line, "session_ids"), &line["count"]), (session.to_owned(), &1.into()), "{line}");
        assert_eq!(text(line, "command_version"), env!("CARGO_PKG_VERSION"), "{line}");
    }
    assert!(text(&lines[5], "acted_on").contains(&format!("--session {session}")), "{:#?}", lines[5]);

    // a batch of the notices is one message, and the backfill has a message of its own
    let posted = operated.deployment.discord.messages();
    let cards = posted.iter().flat_map(|message| message.payload["embeds"].as_array().unwrap().clone());
    let titles: Vec<String> = cards.map(|card| card["title"].as_str().unwrap().to_owned()).collect();
    let operators = titles.iter().filter(|title| title.contains("Operator: ")).count();
    let backfills = titles.iter().filter(|title| title.contains("Backfill of 1 test session")).count();
    assert_eq!((operators, backfills), (5, 1), "{titles:?}");
    assert_eq!(operated.deployment.discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn refused_notice_stops_the_action() {
    let operated = Operated::new().await;
    let session = sapa::SESSION_ID;
    operated.park(session).await;
    eventually("the parked message", PATIENCE, async || {
        Ok((operated.messages().await == (0, 1)).then_some(()))
    })
    .await
    .unwrap();
    let missing = operated.deployment.topic("notices").replace("notices", "nowhere");
    for arguments in [
        &["sync", session][..],
        &["sync", session, "--force", "--reason", "r"],
        &["backfill", session, "--yes", "--reason", "r"],
        &["dlq", "replay", "--all", "--yes", "--reason", "r"],
        &["dlq", "drop", "--all", "--yes", "--reason", "r"],
    ] {
        let output = operated.command(arguments).env("NOTICES_TOPIC_ARN", &missing).output().await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        let stopped = "nothing was changed, because the action cannot be recorded: topic arn:aws:sns:";
        assert!(error.contains(stopped), "{arguments:?}: {error}");
        assert_eq!(operated.messages().await, (0, 1), "{arguments:?}");
    }
    assert!(!operated.state.path().join("backfills").exists(), "no backfill was begun");
    assert_eq!(operated.audit().await, Vec::<Value>::new());
}
