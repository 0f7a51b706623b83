//! The handler of the Lambda on the embedded adapters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_events::{Backoff, ParkCause, QueueMessage, SessionTarget};
use quiz_lambda::sqs::{self, SqsHandler};
use quiz_local::{DumpSource, MemoryQueue, QueueSettings, SqliteStore, drive};
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{Failure, Listener, ReportSink, SyncOutcome};
use quiz_sample::{SampleDocuments, sapa, write_dump};
use quiz_suites::function::SyncFunction;
use quiz_suites::store::session_items;
use tokio::time::Instant;

#[derive(Default)]
struct Outcomes(Mutex<Vec<SyncOutcome>>);

#[async_trait]
impl Listener for Outcomes {
    async fn finished(&self, outcome: &SyncOutcome) {
        self.0.lock().unwrap().push(outcome.clone());
    }
    async fn failed(&self, _target: &SessionTarget, _failure: &Failure) {}
    async fn parked(&self, _message: &QueueMessage, _cause: &ParkCause) {}
}

/// The handler over a folder, with its queue, its store and what it did.
struct Embedded {
    handler: SqsHandler,
    queue: Arc<MemoryQueue>,
    store: Arc<SqliteStore>,
    outcomes: Arc<Outcomes>,
}

impl Embedded {
    fn over(folder: &Path, documents: &SampleDocuments) -> Self {
        let dump = folder.join("dump");
        write_dump(&dump, documents, false).unwrap();
        let store = Arc::new(SqliteStore::open(folder.join("reports.db")).unwrap());
        let formats = ReportFormats { v1: true, v2: true };
        let sink = Arc::new(ReportSink::new(store.clone(), formats));
        let source = Arc::new(DumpSource::open(&dump).unwrap());
        let outcomes = Arc::new(Outcomes::default());
        let backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
        let batches = SyncFunction::new(store.clone())
            .listener(outcomes.clone())
            .limits(BatchLimits { backoff, ..BatchLimits::default() })
            .excluding("test_admin")
            .handler(source, sink);
        let settings =
            QueueSettings { visibility_timeout: Duration::from_mins(10), max_receive_count: Some(3) };
        let queue = Arc::new(MemoryQueue::new(settings, Arc::new(SystemClock)));
        let source = queue.clone();
        let handler = SqsHandler::new(Arc::new(batches), move |_| source.clone());
        Self { handler, queue, store, outcomes }
    }

    /// Runs until the queue is empty; returns how many batches and failures there were.
    async fn drain(&self, batch: usize) -> (usize, usize) {
        let answer = |messages: Vec<QueueMessage>| async move {
            let deadline = Instant::now() + Duration::from_mins(15);
            let response =
                self.handler.handle(sqs::event(messages, "arn:aws:sqs:x:1:reports"), deadline).await;
            response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
        };
        let report = drive(&self.queue, batch, answer, |_| {}).await;
        (report.batches, report.failed)
    }

    async fn items(&self, table: ReportTable) -> Vec<serde_json::Value> {
        session_items(&*self.store, table, sapa::SESSION_ID).await
    }
}

fn number(item: &serde_json::Value, field: &str) -> f64 {
    item[field].as_f64().unwrap_or_else(|| panic!("{field} of {item}"))
}

#[tokio::test]
async fn bad_messages_are_parked_and_others_synced_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = Embedded::over(folder.path(), &sapa::documents().unwrap());
    let bad = [
        "{\"type\":\"quiz.completed\"".to_owned(),
        "{\"type\":\"quiz.started\",\"session_id\":\"x\"}".to_owned(),
        "not an id".to_owned(),
        "Nowhere_aaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
        format!("{{\"session_id\":\"{}\",\"force\":\"yes\"}}", sapa::SESSION_ID),
    ];
    let events = sapa::completion_events().unwrap();
    for (place, event) in events.iter().take(195).enumerate() {
        if place % 39 == 7 {
            run.queue.send(bad[place / 39].clone(), None);
        }
        run.queue.send(event.to_string(), Some("quiz.completed"));
    }
    let (batches, failures) = run.drain(200).await;
    assert_eq!((batches, failures), (3, 2), "only the quiz that may still come is tried again");
    let outcomes = run.outcomes.0.lock().unwrap().clone();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].messages, outcomes[0].participants), (195, sapa::PARTICIPANTS));

    let parked: HashMap<String, (String, String)> = run
        .queue
        .dead_letters()
        .into_iter()
        .map(|it| (it.body, (it.attributes["error_code"].clone(), it.attributes["error"].clone())))
        .collect();
    let bodies: BTreeSet<&String> = parked.keys().collect();
    assert_eq!(bodies, bad.iter().collect(), "the bodies are untouched");
    let codes = bad.each_ref().map(|body| &*parked[body].0);
    assert_eq!(
        codes,
        ["not_an_event", "unknown_event_type", "not_an_event", "unknown_quiz", "invalid_field"]
    );
    assert_eq!(parked[&bad[4]].1, "`force` must be true or false, but is a text");
}

#[tokio::test]
async fn sapa_reports_match_the_published_outcomes() {
    let folder = tempfile::tempdir().unwrap();
    let run = Embedded::over(folder.path(), &sapa::documents().unwrap());
    run.queue.send(sapa::SESSION_ID, None);
    run.drain(10).await;

    let published = sapa::published_outcomes().unwrap();
    let count =
        |cells: &[Option<bool>], what| u32::try_from(cells.iter().filter(|it| **it == what).count()).unwrap();
    let marks_of = |cells: &[Option<bool>]| {
        4.0 * f64::from(count(cells, Some(true))) - f64::from(count(cells, Some(false)))
    };
    let sections = ["overall", "Verbal Reasoning", "Letter Series", "Matrix Reasoning", "Spatial Rotation"];
    let items = run.items(ReportTable::Sections).await;
    assert_eq!(items.len(), sapa::PARTICIPANTS * sections.len());
    let by_key: HashMap<&str, &serde_json::Value> =
        items.iter().map(|item| (item["user_id-section"].as_str().unwrap(), item)).collect();
    for (at, section) in sections.iter().enumerate() {
        let cells = |of: &quiz_sample::sapa::PublishedOutcomes| {
            let all: Vec<Option<bool>> = of.correct.to_vec();
            if at == 0 { all } else { all[4 * (at - 1)..4 * at].to_vec() }
        };
        let marks: Vec<f64> = published.iter().map(|it| marks_of(&cells(it))).collect();
        for (person, own) in published.iter().zip(&marks) {
            let item = by_key[&*format!("{}#{section}", person.user_id)];
            let cells = cells(person);
            let above = marks.iter().filter(|it| *it > own).count();
            let up_to = marks.iter().filter(|it| *it <= own).count();
            let percentile = 100.0 * f64::from(u32::try_from(up_to).unwrap()) / 1525.0;
            assert!((number(item, "marks_scored") - own).abs() < 1e-9);
            assert_eq!(item["rank"], above + 1);
            assert!((number(item, "percentile") - percentile).abs() <= 0.005 + 1e-9, "{item}");
            assert_eq!(item["num_correct"], count(&cells, Some(true)));
            assert_eq!(item["num_wrong"], count(&cells, Some(false)));
            assert_eq!(item["num_skipped"], count(&cells, None));
            assert_eq!(item["number_test_taker"], 1525);
            assert_eq!(item["has_quiz_ended"], true);
        }
    }
    assert_eq!(run.items(ReportTable::Students).await.len(), sapa::PARTICIPANTS);
}

#[tokio::test]
async fn second_sync_changes_nothing_and_removes_deleted_users() {
    let folder = tempfile::tempdir().unwrap();
    let mut documents = sapa::documents().unwrap();
    let first = Embedded::over(folder.path(), &documents);
    first.queue.send(sapa::SESSION_ID, None);
    first.drain(10).await;
    let without_stamp = |items: Vec<serde_json::Value>| -> Vec<serde_json::Value> {
        let strip = |mut item: serde_json::Value| {
            let fields = item.as_object_mut().unwrap();
            fields.remove("inserted_at_timestamp");
            fields.remove("sync_generation");
            item
        };
        items.into_iter().map(strip).collect()
    };
    let before = without_stamp(first.items(ReportTable::Sections).await);
    first.queue.send(sapa::SESSION_ID, None);
    first.drain(10).await;
    assert_eq!(without_stamp(first.items(ReportTable::Sections).await), before);

    documents.sessions.retain(|it| it.get_str("user_id").ok() != Some("sapa-5"));
    let again = Embedded::over(folder.path(), &documents);
    again.queue.send(sapa::SESSION_ID, None);
    again.drain(10).await;
    let outcome = again.outcomes.0.lock().unwrap()[0].clone();
    assert_eq!((outcome.participants, outcome.deleted), (1524, 5 + 1));
    let items = again.items(ReportTable::Sections).await;
    assert!(items.iter().all(|item| item["user_id"] != "sapa-5" && item["number_test_taker"] == 1524));
}
