//! Both versions of the functions at work, as during a shift of traffic. The local AWS does not split the traffic of an
//! alias, so each queue has a second mapping, to the old version.

use std::process::Command;

use quiz_e2e::binary;
use quiz_events::{Backfill, Notice, NoticeKind};
use quiz_stack::MappingSpec;
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
    /// The mappings of the queues to the old versions.
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
        let mut mappings = Vec::new();
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
        }
        Self { fixture, reconcile, mappings }
    }

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

    /// Lets a version handle all messages.
    async fn consume(&self, active: Active) {
        self.activate(active).await;
        let fixture = &self.fixture;
        for function in [&fixture.reports.deployed, &fixture.warehouse.deployed, &fixture.notices] {
            function.wait().await;
            assert_eq!(function.dead_letters().await, 0, "{} by {active:?}", function.name);
        }
    }

    async fn results(&self) -> Contents {
        Contents::read_results(self.fixture.stack, &self.fixture.deployment).await
    }

    async fn notify(&self, notices: &[String], active: Active) {
        self.fixture
            .stack
            .publish_all(&self.fixture.deployment.topic("notices"), notices, &[])
            .await
            .unwrap();
        self.consume(active).await;
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
        let student = format!("alternate {round}");
        for quiz in SHARED {
            let completion = fixture.complete(quiz, &student).await;
            fixture.publish(&[completion]).await;
        }
        versions.consume(active).await;
        for quiz in SHARED {
            let results = fixture.have_results(quiz, std::slice::from_ref(&student)).await;
            assert_eq!(results, [true; 2], "quiz {quiz}, {active:?}");
        }
    }

    versions.activate(Active::Both).await;
    let is_handled_by = async || {
        let mut handled = Vec::new();
        for sink in fixture.sinks() {
            let logs = fixture.stack.function_logs(&sink.name).await.unwrap();
            let started = logs.lines().filter(|line| line.starts_with("START "));
            handled.push(started.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>());
        }
        handled
    };
    let before = is_handled_by().await;
    let students: Vec<String> = (0..STUDENTS).map(|number| format!("student {number}")).collect();
    for student in &students {
        let mut completions = Vec::new();
        for quiz in SHARED {
            completions.push(fixture.complete(quiz, student).await);
        }
        // each completion twice, as SQS may deliver it
        fixture.publish(&[&completions[..], &completions[..]].concat()).await;
    }
    versions.consume(Active::Both).await;
    for (before, after) in before.into_iter().zip(is_handled_by().await) {
        let mut handled_by = after[before.len()..].to_vec();
        handled_by.sort();
        handled_by.dedup();
        assert_eq!(handled_by.len(), 2, "one version took no message: {handled_by:?}");
    }
    for quiz in SHARED {
        assert_eq!(fixture.have_results(quiz, &students).await, [true; 2], "quiz {quiz}");
    }
    assert_eq!((fixture.reconcile("live").await, fixture.reconcile(&versions.reconcile).await), (0, 0));

    let written = versions.results().await;
    for active in [Active::Old, Active::New] {
        let forced =
            |id: &String| json!({"type": "session.sync", "session_id": id, "force": true}).to_string();
        fixture.publish(&fixture.session_ids().iter().map(forced).collect::<Vec<_>>()).await;
        versions.consume(active).await;
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
        fixture.spoil_quiz(SHARED[1]).await;
        let completion = fixture.complete(SHARED[1], student).await;
        fixture.publish(&[completion]).await;
        versions.activate(parks).await;
        for sink in fixture.sinks() {
            sink.wait().await;
            assert_eq!(sink.dead_letters().await, 1, "{} by {parks:?}", sink.name);
            fixture.stack.drain(&sink.queue.dlq_url).await.unwrap();
        }
        fixture.restore_quiz(SHARED[1]).await;
        assert_eq!(fixture.reconcile(reconcile).await, 1, "{student}");
        versions.consume(heals).await;
        let results = fixture.have_results(SHARED[1], &[student.to_owned()]).await;
        assert_eq!(results, [true; 2], "{student}");
        assert_eq!((fixture.reconcile(&live).await, fixture.reconcile(&versions.reconcile).await), (0, 0));
    }
}

#[tokio::test]
#[ignore = "needs an old version: run tests/upgrade"]
async fn versions_share_notices_and_cards() {
    let versions = SideBySide::new().await;
    versions.consume(Active::Both).await;
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
        versions.notify(&[serde_json::to_string(&notice).unwrap()], active).await;
    }
    let messages = versions.fixture.deployment.discord.messages();
    assert_eq!(messages.len(), syncs + 1, "one card: {messages:?}");
    assert_eq!(messages[syncs].edits, 2);
    let late = Notice::new("late", at(1), started(1));
    versions.notify(&[serde_json::to_string(&late).unwrap()], Active::New).await;
    let shown = versions.fixture.deployment.discord.messages();
    assert_eq!(shown, messages, "an older notice does not open the closed card again");

    // a notice that one version posted, redelivered to the other
    let parked = json!({"id": "parked", "at": at(3), "type": "messages.parked", "sink": "reports",
        "error_code": "not_an_event", "error": "the message is empty", "messages": 2});
    versions.notify(&[parked.to_string()], Active::New).await;
    versions.notify(&[parked.to_string()], Active::Old).await;
    assert_eq!(versions.posted().len(), syncs + 2, "the redelivered notice is posted once");

    // a kind that the version does not know
    for (id, active) in [("unknown to old", Active::Old), ("unknown to new", Active::New)] {
        let notice = json!({"id": id, "at": at(4), "type": "of.a.later.version", "text": id});
        versions.notify(&[notice.to_string()], active).await;
        assert!(versions.posted().last().unwrap().contains(id), "{id}");
    }

    // what the new command sends
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
    let posted_before = versions.posted().len();
    versions.consume(Active::Old).await;
    let posted = versions.posted();
    assert!(posted[posted_before..].iter().any(|text| text.contains("a test of an upgrade")), "{posted:?}");
}
