//! What is measured of a batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quiz_events::{SessionTarget, Sink};
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::{
    Dimension, Listener, METRICS, Meter, Metric, MetricsListener, RECONCILE_METRICS, metrics_page,
};

use crate::common::{Notes, Scripted, message, of, run_telling};

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
async fn a_batch_is_measured() {
    let sums = Arc::new(Sums::default());
    let listener = MetricsListener::new(Sink::Reports, sums.clone());
    let messages = [of("1", "A"), of("2", "A"), of("3", "A"), of("4", "bad"), message("5", "{oops")];
    let listener = Arc::new(listener);
    run_telling(Scripted::default(), BatchLimits::default(), listener, &messages, &Notes::default(), 900)
        .await;
    let sums = sums.0.lock().unwrap();
    for (name, sum) in
        [("SyncsFinished", 1), ("SyncsFailed", 1), ("MessagesCoalesced", 2), ("MessagesParked", 1)]
    {
        assert_eq!(sums[name], sum, "{name}");
    }
    for name in ["Takers", "RowsWritten", "SyncDuration", "SourceTime", "SinkTime"] {
        assert!(sums.contains_key(name), "{name}");
    }
}

/// Each receive of a message is logged and counted, also where not even the batch can be begun.
#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_begun_is_measured() {
    let sums = Arc::new(Sums::default());
    let listener = Arc::new(MetricsListener::new(Sink::Reports, sums.clone()));
    let (script, queue) = (Scripted { cannot_begin: true, ..Scripted::default() }, Notes::default());
    let messages = [of("1", "A"), of("2", "A"), of("3", "B")];
    let (report, _) = run_telling(script, BatchLimits::default(), listener, &messages, &queue, 900).await;
    assert_eq!((report.failed.len(), sums.0.lock().unwrap()["SyncsFailed"]), (3, 2));
}

#[tokio::test]
async fn the_depth_of_a_follow_up_is_measured() {
    let sums = Arc::new(Sums::default());
    let listener = MetricsListener::new(Sink::Reports, sums.clone());
    let target = SessionTarget { session_id: "A".into(), quiz_id: "q".into() };
    listener.followed_up(&target, 1_000).await;
    assert_eq!(sums.0.lock().unwrap()["FollowUpDepth"], 1_000);
}

#[test]
fn the_page_is_what_the_code_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let written = std::fs::read_to_string(page).unwrap_or_default();
    let how = "run `cargo run -p quiz-pipeline --example metrics_page > docs/METRICS.md`";
    assert!(written == metrics_page(), "{how}");
    assert!(METRICS.iter().chain(&RECONCILE_METRICS).all(|metric| page_names(&written, metric.name)));
}

fn page_names(page: &str, name: &str) -> bool {
    page.contains(&format!("| `{name}` |"))
}
