//! Both versions of the functions at work, as during a shift of traffic. The local AWS does not split the traffic of an
//! alias, so each queue has a second mapping, to the old version.

use std::collections::BTreeSet;
use std::process::Command;

use quiz_e2e::binary;
use quiz_events::{Backfill, Notice, NoticeKind};
use quiz_stack::MappingSpec;
use serde::Serialize;
use serde_json::json;

use super::contents::Contents;
use super::fixture::{CONSUMERS, UpgradeFixture, Version};

/// The quizzes that both versions sync: a form, two assessments, and one large enough for snapshots.
const SHARED: [usize; 4] = [0, 2, 4, 6];
/// More students of each of these quizzes.
const STUDENTS: usize = 12;

/// The versions that get messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Active {
    Old,
    New,
    Both,
}

/// The old versions of the functions, after an update to the new version.
struct SideBySide {
    fixture: UpgradeFixture,
    /// The number of reconcile's old version.
    reconcile: String,
    /// The numbers of the old versions of the functions with a queue.
    numbers: Vec<String>,
    /// The mappings of the queues to these versions.
    mappings: Vec<String>,
}

impl SideBySide {
    async fn new() -> Self {
        let mut fixture = UpgradeFixture::deploy(&Version::old()).await;
        fixture.publish(&fixture.session_ids()).await;
        fixture.consume().await;
        fixture.pause().await;
        let reconcile = fixture.live_version("reconcile").await;
        let mut versions = Vec::new();
        for (function, queue) in CONSUMERS {
            versions.push((function, queue, fixture.live_version(function).await));
        }
        fixture.update(&Version::new()).await;
        let (mut numbers, mut mappings) = (Vec::new(), Vec::new());
        for (function, queue, version) in versions {
            assert_ne!(fixture.live_version(function).await, version, "{function} has a new version");
            let mapping = MappingSpec {
                function: &format!("{}:{version}", fixture.deployment.function(function)),
                queue_arn: &fixture.deployment.queue(queue).arn,
                batch_size: 10,
                maximum_concurrency: Some(2),
                enabled: false,
            };
            mappings.push(fixture.stack.map_queue(&mapping).await.unwrap());
            numbers.push(version);
        }
        Self { fixture, reconcile, numbers, mappings }
    }

    /// Chooses the versions that get the messages published from now on.
    async fn activate(&self, active: Active) {
        let fixture = &self.fixture;
        for mapping in &self.mappings {
            fixture.stack.enable_mapping(mapping, active != Active::New).await.unwrap();
        }
        if active == Active::Old {
            fixture.pause().await;
            return;
        }
        for function in [&fixture.reports.deployed, &fixture.warehouse.deployed, &fixture.notices] {
            function.consume(10, 2).await;
        }
    }

    /// Waits until the active versions have handled all messages.
    async fn wait(&self) {
        let fixture = &self.fixture;
        for function in [&fixture.reports.deployed, &fixture.warehouse.deployed, &fixture.notices] {
            function.wait().await;
            assert_eq!(function.dead_letters().await, 0, "{}", function.name);
        }
    }

    /// For each sink, the number of the version that ran each invocation.
    async fn invocations(&self) -> Vec<Vec<String>> {
        let mut invocations = Vec::new();
        for sink in self.fixture.sinks() {
            let logs = self.fixture.stack.function_logs(&sink.name).await.unwrap();
            let started = logs.lines().filter(|line| line.starts_with("START "));
            invocations.push(started.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect());
        }
        invocations
    }

    /// Checks that these versions, and no other, have run since the invocations before.
    async fn assert_ran(&self, active: Active, before: &[Vec<String>]) {
        for (at, invocations) in self.invocations().await.into_iter().enumerate() {
            let versions: BTreeSet<&String> = invocations[before[at].len()..].iter().collect();
            let expected = match active {
                Active::Old => (1, true),
                Active::New => (1, false),
                Active::Both => (2, true),
            };
            let ran = (versions.len(), versions.contains(&self.numbers[at]));
            assert_eq!(ran, expected, "versions {versions:?} ran, {active:?}");
        }
    }

    async fn results(&self) -> Contents {
        Contents::read_results(self.fixture.stack, &self.fixture.deployment).await
    }

    async fn notify(&self, notice: &impl Serialize, active: Active) {
        self.activate(active).await;
        let notice = serde_json::to_string(notice).unwrap();
        let topic = self.fixture.deployment.topic("notices");
        self.fixture.stack.publish(&topic, &notice, &[]).await.unwrap();
        self.wait().await;
    }

    /// The texts of the Discord messages, in the order of posting.
    fn posted(&self) -> Vec<String> {
        assert_eq!(self.fixture.deployment.discord.violations(), Vec::<String>::new());
        self.fixture.deployment.discord.messages().iter().map(|message| message.payload.to_string()).collect()
    }
}

#[tokio::test]
#[ignore = "needs an old version: run tests/upgrade"]
async fn versions_side_by_side_lose_no_sync() {
    let versions = SideBySide::new().await;
    let fixture = &versions.fixture;
    for (round, active) in [Active::New, Active::Old, Active::New, Active::Old].into_iter().enumerate() {
        versions.activate(active).await;
        let before = versions.invocations().await;
        let student = format!("alternate {round}");
        for quiz in SHARED {
            let completion = fixture.complete(quiz, &student).await;
            fixture.publish(&[completion]).await;
        }
        versions.wait().await;
        versions.assert_ran(active, &before).await;
        for quiz in SHARED {
            let results = fixture.have_results(quiz, std::slice::from_ref(&student)).await;
            assert_eq!(results, [true; 2], "quiz {quiz}, {active:?}");
        }
    }

    versions.activate(Active::Both).await;
    let before = versions.invocations().await;
    let students: Vec<String> = (0..STUDENTS).map(|number| format!("student {number}")).collect();
    for student in &students {
        let mut completions = Vec::new();
        for quiz in SHARED {
            completions.push(fixture.complete(quiz, student).await);
        }
        // each completion twice, as SQS may deliver it
        fixture.publish(&[&completions[..], &completions[..]].concat()).await;
    }
    versions.wait().await;
    versions.assert_ran(Active::Both, &before).await;
    for quiz in SHARED {
        assert_eq!(fixture.have_results(quiz, &students).await, [true; 2], "quiz {quiz}");
    }
    assert_eq!((fixture.reconcile("live").await, fixture.reconcile(&versions.reconcile).await), (0, 0));

    let written = versions.results().await;
    for active in [Active::Old, Active::New] {
        versions.activate(active).await;
        let before = versions.invocations().await;
        let forced =
            |id: &String| json!({"type": "session.sync", "session_id": id, "force": true}).to_string();
        fixture.publish(&fixture.session_ids().iter().map(forced).collect::<Vec<_>>()).await;
        versions.wait().await;
        versions.assert_ran(active, &before).await;
        written.assert_equals(&versions.results().await, &format!("a forced sync by {active:?}"));
    }
}

#[tokio::test]
#[ignore = "needs an old version: run tests/upgrade"]
async fn reconcile_heals_syncs_of_other_version() {
    let versions = SideBySide::new().await;
    let fixture = &versions.fixture;
    let live = "live".to_owned();
    for (student, parks, heals, reconcile) in [
        ("parked by new", Active::New, Active::Old, &versions.reconcile),
        ("parked by old", Active::Old, Active::New, &live),
    ] {
        versions.activate(parks).await;
        fixture.spoil_quiz(SHARED[1]).await;
        let completion = fixture.complete(SHARED[1], student).await;
        fixture.publish(&[completion]).await;
        for sink in fixture.sinks() {
            sink.wait().await;
            assert_eq!(sink.dead_letters().await, 1, "{} by {parks:?}", sink.name);
            fixture.stack.drain(&sink.queue.dlq_url).await.unwrap();
        }
        fixture.restore_quiz(SHARED[1]).await;
        versions.activate(heals).await;
        assert_eq!(fixture.reconcile(reconcile).await, 1, "{student}");
        versions.wait().await;
        let results = fixture.have_results(SHARED[1], &[student.to_owned()]).await;
        assert_eq!(results, [true; 2], "{student}");
        assert_eq!((fixture.reconcile(&live).await, fixture.reconcile(&versions.reconcile).await), (0, 0));
    }
}

#[tokio::test]
#[ignore = "needs an old version: run tests/upgrade"]
async fn versions_share_notices_and_cards() {
    let versions = SideBySide::new().await;
    versions.activate(Active::Both).await;
    versions.wait().await;
    let syncs = versions.posted().len();

    // a card that one version posts, the other edits and the first closes
    let at = |second: i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
    let backfill = Backfill { backfill_id: "b".into(), tests: 3, ..Backfill::default() };
    let started = |done: u64| NoticeKind::BackfillStarted(Backfill { done, ..backfill.clone() });
    let finished = NoticeKind::BackfillFinished(Backfill { done: 3, ..backfill.clone() });
    for (kind, second, active) in
        [(started(0), 0, Active::Old), (started(2), 1, Active::New), (finished, 2, Active::Old)]
    {
        let notice = Notice::new(format!("backfill {second}"), at(second), kind);
        versions.notify(&notice, active).await;
    }
    let messages = versions.fixture.deployment.discord.messages();
    assert_eq!(messages.len(), syncs + 1, "one card: {messages:?}");
    assert_eq!(messages[syncs].edits, 2);
    let late = Notice::new("late", at(1), started(1));
    versions.notify(&late, Active::New).await;
    let shown = versions.fixture.deployment.discord.messages();
    assert_eq!(shown, messages, "an older notice does not open the closed card again");

    // a notice that one version posted, redelivered to the other
    let parked = json!({"id": "parked", "at": at(3), "type": "messages.parked", "sink": "reports",
        "error_code": "not_an_event", "error": "the message is empty", "messages": 2});
    versions.notify(&parked, Active::New).await;
    versions.notify(&parked, Active::Old).await;
    assert_eq!(versions.posted().len(), syncs + 2, "the redelivered notice is posted once");

    // a kind that the version does not know
    for (id, active) in [("unknown to old", Active::Old), ("unknown to new", Active::New)] {
        let notice = json!({"id": id, "at": at(4), "type": "of.a.later.version", "text": id});
        versions.notify(&notice, active).await;
        assert!(versions.posted().last().unwrap().contains(id), "{id}");
    }

    // what the new command sends
    versions.activate(Active::Old).await;
    let posted_before = versions.posted().len();
    let fixture = &versions.fixture;
    fixture.stack.send_all(&fixture.reports.queue.dlq_url, &["not an id".to_owned()]).await.unwrap();
    let dropped = Command::new(binary("quiz-etl"))
        .args(["dlq", "drop", "--all", "--yes", "--reason", "a test of an upgrade", "--queue"])
        .arg(format!("{}-reports", fixture.deployment.name()))
        .env_clear()
        .envs(fixture.deployment.variables())
        .output()
        .unwrap();
    assert!(dropped.status.success(), "{dropped:?}");
    versions.wait().await;
    let posted = versions.posted();
    assert!(posted[posted_before..].iter().any(|text| text.contains("a test of an upgrade")), "{posted:?}");
}
