//! The metrics of a batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quiz_events::{SessionTarget, Sink};
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::{
    Dimension, Listener, METRICS, Meter, Metric, MetricsListener, RECONCILE_METRICS, metrics_page,
};

use crate::common::{RecordingQueue, Scripted, message, run_with_listener, sync_message};

#[derive(Default)]
struct Sums(Mutex<BTreeMap<&'static str, u64>>);

impl Meter for Sums {
    fn record(&self, dimension: Dimension, measured: &[(Metric, u64)]) {
        assert_eq!(dimension, Dimension::Sink(Sink::Reports));
        for (metric, value) in measured {
            *self.0.lock().unwrap().entry(metric.name).or_default() += value;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn batch_is_measured() {
    let sums = Arc::new(Sums::default());
    let listener = MetricsListener::new(Sink::Reports, sums.clone());
    let messages = [
        sync_message("1", "A"),
        sync_message("2", "A"),
        sync_message("3", "A"),
        sync_message("4", "bad"),
        message("5", "{oops"),
        message("6", r#"{"environment":"production","action":"db_id","id":825}"#),
    ];
    let listener = Arc::new(listener);
    run_with_listener(
        Scripted::default(),
        BatchLimits::default(),
        listener,
        &messages,
        &RecordingQueue::default(),
        900,
    )
    .await;
    let sums = sums.0.lock().unwrap();
    for (name, sum) in [
        ("SyncsFinished", 1),
        ("SyncsFailed", 1),
        ("MessagesCoalesced", 2),
        ("MessagesParked", 1),
        ("SessionChanges", 1),
    ] {
        assert_eq!(sums[name], sum, "{name}");
    }
    for name in ["Takers", "RowsWritten", "SyncDuration", "SourceTime", "SinkTime"] {
        assert!(sums.contains_key(name), "{name}");
    }
}

/// Each receive of a message is counted, even if the batch cannot begin.
#[tokio::test(start_paused = true)]
async fn batch_that_cannot_begin_is_measured() {
    let sums = Arc::new(Sums::default());
    let listener = Arc::new(MetricsListener::new(Sink::Reports, sums.clone()));
    let (script, queue) = (Scripted { cannot_begin: true, ..Scripted::default() }, RecordingQueue::default());
    let messages = [sync_message("1", "A"), sync_message("2", "A"), sync_message("3", "B")];
    let (report, _) =
        run_with_listener(script, BatchLimits::default(), listener, &messages, &queue, 900).await;
    assert_eq!((report.failed.len(), sums.0.lock().unwrap()["SyncsFailed"]), (3, 2));
}

#[tokio::test]
async fn depth_of_a_follow_up_is_measured() {
    let sums = Arc::new(Sums::default());
    let listener = MetricsListener::new(Sink::Reports, sums.clone());
    let target = SessionTarget { session_id: "A".into(), quiz_id: "q".into() };
    listener.followed_up(&target, 1_000).await;
    assert_eq!(sums.0.lock().unwrap()["FollowUpDepth"], 1_000);
}

#[test]
fn metrics_page_is_up_to_date() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let written = std::fs::read_to_string(page).unwrap_or_default();
    let how = "run `cargo run -p quiz-pipeline --example metrics_page > docs/METRICS.md`";
    assert!(written == metrics_page(), "{how}");
    assert!(METRICS.iter().chain(&RECONCILE_METRICS).all(|metric| page_names(&written, metric.name)));
}

fn page_names(page: &str, name: &str) -> bool {
    page.contains(&format!("| `{name}` |"))
}
