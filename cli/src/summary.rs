use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use quiz_events::{ParkCause, QueueMessage, SessionTarget};
use quiz_pipeline::{Failure, Held, Listener, SyncOutcome};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

/// The events of a run, collected from the pipeline's listener.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub outcomes: Vec<SyncOutcome>,
    pub parked: Vec<(QueueMessage, ParkCause)>,
    /// The error of each session whose last sync failed.
    pub failed: BTreeMap<String, String>,
}

impl Summary {
    /// The last outcome of each test session.
    #[must_use]
    pub fn latest(&self) -> Vec<&SyncOutcome> {
        let mut latest: Vec<&SyncOutcome> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for outcome in &self.outcomes {
            let place = *places.entry(&outcome.session_id).or_insert(latest.len());
            match latest.get_mut(place) {
                Some(known) => *known = outcome,
                None => latest.push(outcome),
            }
        }
        latest
    }

    /// The causes of parked messages, each once with the number of its messages.
    #[must_use]
    pub fn causes(&self) -> Vec<(&ParkCause, usize)> {
        let mut causes: Vec<(&ParkCause, usize)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (_, cause) in &self.parked {
            let place = *places.entry(&cause.error).or_insert(causes.len());
            match causes.get_mut(place) {
                Some((_, messages)) => *messages += 1,
                None => causes.push((cause, 1)),
            }
        }
        causes
    }

    #[must_use]
    pub fn json(&self) -> Map<String, Value> {
        let parked = self.parked.iter().map(|(message, cause)| {
            json!({"message": message.body, "error_code": cause.code, "error": cause.error})
        });
        let synced = self.latest().into_iter().map(outcome);
        Map::from_iter([("synced".to_owned(), synced.collect()), ("parked".to_owned(), parked.collect())])
    }
}

fn outcome(outcome: &SyncOutcome) -> Value {
    let problem = |problem: quiz_domain::Problem| json!({"kind": problem.kind.code(), "count": problem.count, "example": problem.example});
    json!({
        "sink": outcome.sink, "session_id": outcome.session_id, "quiz_id": outcome.quiz_id,
        "test_name": outcome.test_name, "takers": outcome.participants, "ranked": outcome.ranked,
        "rows_written": outcome.rows_written, "unchanged": outcome.unchanged, "rows_deleted": outcome.deleted,
        "messages_coalesced": outcome.messages, "duration_ms": outcome.duration.as_millis(),
        "highest": outcome.figures.highest, "average": outcome.figures.average, "median": outcome.figures.median,
        "problems": outcome.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// A listener that collects a [`Summary`].
#[derive(Debug, Default)]
pub struct Collector {
    summary: Mutex<Summary>,
    /// The first failure whose sync state could not be stored.
    stuck: OnceLock<String>,
    is_stuck: Notify,
}

impl Collector {
    fn with<T>(&self, change: impl FnOnce(&mut Summary) -> T) -> T {
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[must_use]
    pub fn summary(&self) -> Summary {
        self.with(|summary| summary.clone())
    }

    /// Waits for a failure whose sync state could not be stored, and returns its error. Without this, the run would wait for
    /// the end of a lease that no other process can take over.
    pub async fn stuck(&self) -> String {
        loop {
            let changed = self.is_stuck.notified();
            if let Some(error) = self.stuck.get() {
                return error.clone();
            }
            changed.await;
        }
    }
}

#[async_trait]
impl Listener for Collector {
    async fn finished(&self, outcome: &SyncOutcome) {
        self.with(|summary| {
            summary.failed.remove(&outcome.session_id);
            summary.outcomes.push(outcome.clone());
        });
    }

    /// Records the error. The messages are parked with the same cause or succeed later, unless the run is stuck.
    async fn failed(&self, target: &SessionTarget, failure: &Failure) {
        self.with(|summary| summary.failed.insert(target.session_id.clone(), failure.error.clone()));
        if matches!(failure.held, Some(Held::LeaseLeft(_))) {
            self.stuck.get_or_init(|| failure.error.clone());
            self.is_stuck.notify_waiters();
        }
    }

    async fn parked(&self, message: &QueueMessage, cause: &ParkCause) {
        self.with(|summary| summary.parked.push((message.clone(), cause.clone())));
    }
}
