//! Messages whose `session_id` is the `_id` of an attempt: neither sink writes a copy of the test session.

use std::sync::Arc;
use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Bson, Document, bson, doc};
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_domain::rows::WarehouseTable;
use quiz_events::{QueueMessage, Sink};
use quiz_local::{
    DeadLetter, DriveReport, DumpSource, MemoryQueue, ParquetWarehouse, QueueSettings, SqliteStore, drive,
};
use quiz_pipeline::ports::SystemClock;
use quiz_pipeline::{ReportSink, ResultSink, WarehouseSink};
use quiz_suites::function::SyncFunction;
use quiz_suites::source::Collections;
use quiz_suites::store::session_items;
use quiz_sync_state::{RunResult, StateKey, SyncStates, without_refused_sessions};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::common::write_dump;

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
/// The `_id` of an attempt, as text and as `ObjectId`.
const TEXT_ID: &str = "650000000000000000000a01";
const OBJECT_ID: &str = "650000000000000000000a02";
/// An attempt that has not ended.
const OPEN_ID: &str = "650000000000000000000a03";
const REFUSED: [&str; 3] = [TEXT_ID, OBJECT_ID, OPEN_ID];

fn documents() -> Collections {
    let question = doc! {"_id": "q", "type": "numerical-integer", "correct_answer": 7, "graded": true};
    let quiz = doc! {
        "_id": QUIZ, "metadata": {"quiz_type": "assessment"},
        "question_sets": [{
            "_id": "s", "title": "All", "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0},
            "questions": bson!([question]),
        }],
    };
    let session = |id: Bson, user: &str, ended: bool| -> Document {
        doc! {
            "_id": id, "user_id": user, "quiz_id": QUIZ, "has_quiz_ended": ended,
            "session_answers": [{"question_id": "q", "answer": 7}],
        }
    };
    let object_id = ObjectId::parse_str(OBJECT_ID).unwrap();
    let sessions = vec![
        session(TEXT_ID.into(), "u1", true),
        session(object_id.into(), "u2", true),
        session(OPEN_ID.into(), "u3", false),
    ];
    Collections { quizzes: vec![quiz], questions: Vec::new(), sessions }
}

struct Fixture {
    folder: TempDir,
    store: Arc<SqliteStore>,
    warehouse: ParquetWarehouse,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        write_dump(folder.path(), &documents(), false);
        let store = Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap());
        let warehouse = ParquetWarehouse::new(folder.path().join("warehouse"));
        Self { folder, store, warehouse }
    }

    fn sink(&self, sink: Sink) -> Arc<dyn ResultSink> {
        match sink {
            Sink::Reports => {
                let formats = ReportFormats { v1: true, v2: true };
                Arc::new(ReportSink::new(self.store.clone(), formats))
            }
            Sink::Warehouse => Arc::new(WarehouseSink::new(Arc::new(self.warehouse.clone()))),
        }
    }

    /// Handles the messages until the queue is empty.
    async fn handle(&self, sink: Sink, messages: &[String]) -> (DriveReport, Vec<DeadLetter>) {
        let settings =
            QueueSettings { visibility_timeout: Duration::from_mins(10), max_receive_count: Some(5) };
        let queue = MemoryQueue::new(settings, Arc::new(SystemClock));
        for message in messages {
            queue.send(message.as_str(), None);
        }
        let source = Arc::new(DumpSource::open(self.folder.path()).unwrap());
        let handler = SyncFunction::new(self.store.clone()).handler(source, self.sink(sink));
        let (handler, queue) = (&handler, &queue);
        let handle = |messages: Vec<QueueMessage>| async move {
            handler.handle(&messages, queue, Instant::now() + Duration::from_mins(15)).await.failed
        };
        let report = drive(queue, 100, handle, |_| {}).await;
        (report, queue.dead_letters())
    }

    /// Whether a sink has a result of this session.
    async fn has_result(&self, sink: Sink, session_id: &str) -> bool {
        match sink {
            Sink::Reports => {
                let mut items = 0;
                for table in ReportTable::ALL {
                    items += session_items(&*self.store, table, session_id).await.len();
                }
                items > 0
            }
            Sink::Warehouse => {
                WarehouseTable::ALL.iter().any(|table| self.warehouse.file(*table, session_id).exists())
            }
        }
    }
}

#[tokio::test]
async fn attempt_ids_are_parked_and_nothing_is_written() {
    let completed = |session_id: &str, user: &str| {
        json!({"type": "quiz.completed", "session_id": session_id, "quiz_id": QUIZ, "user_id": user,
               "completed_at": "2024-05-01T00:00:00Z"})
        .to_string()
    };
    let group = format!("Group_{QUIZ}");
    let messages = [
        // the head of the user's attempt shows the mistake before the lease is taken
        completed(TEXT_ID, "u1"),
        // no retry waits until this attempt has ended
        completed(OPEN_ID, "u3"),
        // the heads of all attempts show the mistake
        json!({"session_id": OBJECT_ID, "quiz_id": QUIZ, "force": true}).to_string(),
        json!({"session_ids": [TEXT_ID, group], "quiz_id": QUIZ}).to_string(),
        completed(&group, "u2"),
        json!({"session_id": QUIZ}).to_string(),
    ];
    let fixture = Fixture::new();
    for sink in Sink::ALL {
        let (report, parked) = fixture.handle(sink, &messages).await;
        assert_eq!((report.batches, report.failed), (1, 0), "{sink}: no message is retried");
        let mut bodies: Vec<&str> = parked.iter().map(|letter| letter.body.as_str()).collect();
        let mut refused: Vec<&str> = messages.iter().take(4).map(String::as_str).collect();
        bodies.sort_unstable();
        refused.sort_unstable();
        assert_eq!(bodies, refused, "{sink}");
        for letter in &parked {
            assert_eq!(letter.attributes["error_code"], "session_id_of_attempt", "{letter:?}");
        }
        let error = format!(
            "session_id {OBJECT_ID} is the _id of an attempt at quiz {QUIZ}; send the id of the test session"
        );
        let letter = parked.iter().find(|letter| letter.body == messages[2]).unwrap();
        assert_eq!(letter.attributes["error"], error);

        for session_id in REFUSED {
            assert!(!fixture.has_result(sink, session_id).await, "{sink} has a copy {session_id}");
            let key = StateKey { session_id: session_id.into(), sink };
            let state = fixture.store.get(&key).await.unwrap();
            assert_eq!((state.last.result, state.lease), (Some(RunResult::Parked), None), "{session_id}");
        }
        for session_id in [group.as_str(), QUIZ] {
            assert!(fixture.has_result(sink, session_id).await, "{sink} lacks {session_id}");
        }
    }
    let left = without_refused_sessions(fixture.store.scan(|_| true).await.unwrap());
    let mut left: Vec<&str> = left.iter().map(|(key, _)| key.session_id.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, [QUIZ, QUIZ, &group, &group]);
}
