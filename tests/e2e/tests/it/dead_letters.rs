//! `quiz-etl dlq`: the real binary on real queues.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};

use aws_sdk_sqs::types::MessageAttributeValue;
use quiz_e2e::{PATIENCE, binaries, binary, deployment_options};
use quiz_stack::{Deployment, QueueDepth, QueuePair, REGION, Stack, eventually, signal, unique};
use serde_json::Value;
use tokio::process::{Child, Command};

/// A deployment without running functions: the queue of one function, and the queue of notices.
struct StoppedDeployment {
    stack: &'static Stack,
    /// The name of the function's queue.
    name: String,
    topic: String,
    queue: QueuePair,
    notices_topic: String,
    notices: QueuePair,
}

impl StoppedDeployment {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let name = unique("dlq");
        let deployment =
            Deployment::create(stack, &name, &deployment_options(&binaries(), &[], false)).await.unwrap();
        Self {
            stack,
            name: format!("{name}-reports"),
            topic: deployment.topic("events"),
            queue: deployment.queue("reports"),
            notices_topic: deployment.topic("notices"),
            notices: deployment.queue("notices"),
        }
    }

    /// Parks an event for each test session, as the function would.
    async fn park(&self, code: &str, sessions: impl Iterator<Item = usize>) -> Vec<String> {
        let mut bodies = Vec::new();
        for at in sessions {
            let body = format!(r#"{{"type":"session.sync","session_id":"S{at}","quiz_id":"q"}}"#);
            let request = self.stack.sqs().send_message().queue_url(&self.queue.dlq_url).message_body(&body);
            let text = |text: &str| {
                MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
            };
            let request = request.message_attributes("error_code", text(code));
            let request = request.message_attributes("error", text(&format!("{code} of S{at}")));
            request.message_attributes("parked_at", text("2026-11-21T08:00:00Z")).send().await.unwrap();
            bodies.push(body);
        }
        bodies
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("quiz-etl"));
        command.arg("dlq").args(arguments).env_clear().stdin(Stdio::null());
        let aws = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", REGION)];
        command.envs(aws).env("AWS_ENDPOINT_URL", self.stack.aws_endpoint()).env("USER", "olivia");
        command.env("EVENTS_TOPIC_ARN", &self.topic).env("NOTICES_TOPIC_ARN", &self.notices_topic);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The output of a command that succeeds.
    async fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and the error of a command that changes nothing.
    async fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let before = self.depth().await;
        let output = self.run(arguments).await;
        assert_eq!(self.depth().await, before);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    async fn depth(&self) -> QueueDepth {
        self.stack.queue_depth(&self.queue.dlq_url).await.unwrap()
    }

    /// The number of messages in the dead-letter queue; all of them must be visible.
    async fn dead_letters(&self) -> u64 {
        let depth = self.depth().await;
        assert_eq!(depth, QueueDepth { visible: depth.visible, ..QueueDepth::default() });
        depth.visible
    }

    /// Takes the replayed messages from the queue and returns their bodies.
    async fn replayed(&self) -> Vec<String> {
        let messages = self.stack.drain(&self.queue.url).await.unwrap();
        messages.into_iter().map(|message| message.body.unwrap()).collect()
    }
}

fn interrupt(child: &Child) {
    signal(child.id().unwrap(), "INT").unwrap();
}

#[tokio::test]
async fn messages_are_listed_by_cause_and_shown() {
    let deployment = StoppedDeployment::new().await;
    assert!(deployment.output(&["list"]).await.starts_with("no message in "));
    deployment.park("unknown_quiz", 0..25).await;
    deployment.park("ranking_failed", 100..103).await;

    let listed = deployment.output(&["list", "--limit", "4"]).await;
    for part in
        ["28 messages", "unknown_quiz: unknown_quiz of S", " 25 ", " 3 ", "The oldest 4 of 28 messages"]
    {
        assert!(listed.contains(part), "{part} in\n{listed}");
    }
    let all = deployment.json(&["list"]).await;
    assert_eq!(all["messages"].as_array().unwrap().len(), 28);
    assert_eq!((&all["causes"][0]["messages"], &all["causes"][1]["messages"]), (&25.into(), &3.into()));
    let one = deployment
        .json(&["list", "--session", "S101", "--queue", &deployment.name, "--older-than", "1m"])
        .await;
    let one = &one["messages"].as_array().unwrap()[..];
    assert_eq!((one.len(), &one[0]["error_code"]), (1, &"ranking_failed".into()));
    assert!(
        deployment.output(&["list", "--code", "sink_failed"]).await.starts_with("no matching message in ")
    );

    let id = one[0]["message_id"].as_str().unwrap();
    let shown = deployment.output(&["show", id.split_at(20).0]).await;
    for part in
        [id, "ranking_failed: ranking_failed of S101", "2026-11-21T08:00:00Z", "\"session_id\": \"S101\""]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(
        deployment
            .output(&["show", id, "--raw"])
            .await
            .contains(r#"{"type":"session.sync","session_id":"S101""#)
    );
    let shown = deployment.json(&["show", id]).await;
    assert_eq!(shown["messages"][0]["published"]["session_id"], "S101");

    let (code, error) = deployment.refused(&["show", "no-such-id"]).await;
    assert!(code == 1 && error.contains("begins with no-such-id"), "{code} {error}");
    let (code, error) = deployment.refused(&["list", "--queue", "reports"]).await;
    assert!(code == 2 && error.contains("there is no queue reports: choose from dlq-"), "{code} {error}");
    assert_eq!(deployment.dead_letters().await, 28);
}

#[tokio::test]
async fn only_selected_messages_are_replayed_after_yes() {
    let deployment = StoppedDeployment::new().await;
    deployment.park("unknown_quiz", 0..15).await;
    let wanted = deployment.park("ranking_failed", 100..103).await;

    let (code, error) = deployment.refused(&["replay", "--yes"]).await;
    assert!(code == 2 && error.contains("choose messages by --id"), "{code} {error}");
    let (code, error) =
        deployment.refused(&["replay", "--code", "ranking_failed", "--reason", "fixed"]).await;
    assert!(
        code == 2 && error.contains("Send 3 messages back to dlq-") && error.contains("--yes"),
        "{error}"
    );
    let (code, error) = deployment.refused(&["replay", "--all", "--rate", "0"]).await;
    assert!(code == 2 && error.contains("from 1 to 1000"), "{error}");
    let planned = deployment.json(&["replay", "--all", "--dry-run"]).await;
    assert_eq!(
        (&planned["chosen"], &planned["remaining"], &planned["replayed"]),
        (&18.into(), &18.into(), &0.into())
    );
    let none = ["replay", "--code", "other", "--yes", "--reason", "fixed"];
    assert!(deployment.output(&none).await.contains("nothing to do"));
    assert_eq!((deployment.dead_letters().await, deployment.replayed().await.len()), (18, 0));

    let shown =
        deployment.output(&["replay", "--code", "ranking_failed", "--yes", "--reason", "fixed"]).await;
    assert!(shown.contains("3 of 3 messages replayed in ") && shown.contains("quiz-etl status"), "{shown}");
    assert_eq!(
        deployment.replayed().await.into_iter().collect::<BTreeSet<_>>(),
        wanted.into_iter().collect()
    );
    assert_eq!(deployment.dead_letters().await, 15);
}

#[tokio::test]
async fn drop_needs_a_reason_and_sends_a_notice() {
    let deployment = StoppedDeployment::new().await;
    deployment.park("unknown_quiz", 0..7).await;
    deployment.park("ranking_failed", 100..102).await;
    for arguments in
        [&["drop", "--code", "unknown_quiz", "--yes"][..], &["drop", "--all", "--yes", "--reason", " "]]
    {
        let (code, error) = deployment.refused(arguments).await;
        assert!(code == 2 && error.contains("--reason"), "{code} {error}");
    }
    let (code, error) = deployment.refused(&["drop", "--code", "unknown_quiz", "--reason", "a test"]).await;
    assert!(code == 2 && error.contains("Delete 7 messages permanently (reason: a test)?"), "{code} {error}");
    let planned = deployment.json(&["drop", "--code", "unknown_quiz", "--dry-run"]).await;
    assert_eq!((&planned["chosen"], &planned["dropped"]), (&7.into(), &0.into()));

    let dropped =
        deployment.json(&["drop", "--code", "unknown_quiz", "--reason", "quizzes of a trial", "--yes"]).await;
    assert_eq!((&dropped["dropped"], &dropped["failed"]), (&7.into(), &Value::Array(vec![])));
    assert_eq!((deployment.dead_letters().await, deployment.replayed().await.len()), (2, 0));
    let notices = deployment.stack.wait_for_messages(&deployment.notices.url, 1, PATIENCE).await.unwrap();
    assert_eq!(notices.len(), 1, "neither a refused drop nor a dry run sends one: {notices:?}");
    let notice: Value = serde_json::from_str(notices[0].body().unwrap()).unwrap();
    assert_eq!((&notice["type"], &notice["count"]), (&"operator.acted".into(), &7.into()));
    assert_eq!((&notice["action"], &notice["by"]), (&"drop".into(), &"olivia".into()));
    assert_eq!(notice["reason"], "quizzes of a trial");
    let target =
        format!("7 messages of {}-dlq, parked with unknown_quiz (--code unknown_quiz)", deployment.name);
    assert_eq!(notice["target"], target);
}

#[tokio::test]
async fn interrupted_replay_loses_no_message() {
    let deployment = StoppedDeployment::new().await;
    let mut all = deployment.park("unknown_quiz", 0..60).await;
    let mut replay =
        deployment.command(&["replay", "--all", "--yes", "--rate", "2", "--json", "--reason", "fixed"]);
    let child = replay.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("some messages to be replayed", PATIENCE, async || {
        let depth = deployment.stack.queue_depth(&deployment.queue.url).await?;
        Ok((depth.visible >= 3).then_some(()))
    })
    .await
    .unwrap();
    interrupt(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (done, remaining) = (json["replayed"].as_u64().unwrap(), json["remaining"].as_u64().unwrap());
    assert!(json["interrupted"] == true && done >= 3 && remaining > 0 && done + remaining == 60, "{json}");
    assert_eq!(deployment.dead_letters().await, remaining);
    let mut replayed = deployment.replayed().await;
    assert_eq!(replayed.len() as u64, done);

    let rest = deployment.json(&["replay", "--all", "--yes", "--rate", "1000", "--reason", "fixed"]).await;
    assert_eq!((&rest["replayed"], &rest["interrupted"]), (&remaining.into(), &false.into()));
    assert_eq!(deployment.dead_letters().await, 0);
    replayed.extend(deployment.replayed().await);
    replayed.sort();
    all.sort();
    assert_eq!(replayed, all);
}

#[tokio::test]
async fn missing_settings_or_topics_are_reported() {
    let deployment = StoppedDeployment::new().await;
    let output = deployment.command(&["list"]).env_remove("EVENTS_TOPIC_ARN").output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("EVENTS_TOPIC_ARN must be set"), "{error}");
    let missing = "arn:aws:sns:ap-south-1:000000000000:no-such-topic";
    let mut list = deployment.command(&["list"]);
    let output =
        list.env("EVENTS_TOPIC_ARN", missing).env_remove("NOTICES_TOPIC_ARN").output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1), "{error}");
    assert!(error.contains("no dead-letter queue found") && error.contains("quiz-etl doctor"), "{error}");
    // one topic of two is missing: the queue of the other is listed, and the exit code says that some are missing
    let output = deployment.command(&["list"]).env("EVENTS_TOPIC_ARN", missing).output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("cannot read the subscriptions"), "{error}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("no message in dlq-"));
}
