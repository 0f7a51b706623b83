//! Counts the queries for the attempts of users who opened a quiz many times without an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bson::{Bson, Document, bson, doc};
use quiz_domain::reports::ReportFormats;
use quiz_events::SessionTarget;
use quiz_local::{DumpSource, SqliteStore};
use quiz_pipeline::{ReportSink, SessionRequest, SyncOutcome};
use quiz_suites::function::SingleSync;
use quiz_suites::hooked::{Call, CallFailure, Hook, Hooked};
use quiz_suites::source::Collections;
use tempfile::TempDir;

use crate::common::write_dump;

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

/// Counts the queries for session documents, and the requested documents.
#[derive(Default)]
struct CountedReads {
    queries: AtomicUsize,
    documents: AtomicUsize,
}

#[async_trait]
impl Hook for CountedReads {
    async fn before(&self, call: Call<'_>) -> Result<(), CallFailure> {
        if let Call::Attempts { documents } = call {
            self.queries.fetch_add(1, Ordering::SeqCst);
            self.documents.fetch_add(documents, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn session(number: usize, user: &str, answer: Option<i32>, ended: bool) -> Document {
    doc! {
        "_id": format!("{number:024x}"), "user_id": user, "quiz_id": QUIZ, "has_quiz_ended": ended,
        "session_answers": [{"question_id": "q", "answer": answer.map_or(Bson::Null, Bson::Int32)}],
    }
}

fn quiz() -> Document {
    let question = doc! {"_id": "q", "type": "numerical-integer", "correct_answer": 7, "graded": true};
    doc! {
        "_id": QUIZ, "metadata": {"quiz_type": "assessment"},
        "question_sets": [{
            "_id": "s", "title": "All", "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0},
            "questions": bson!([question]),
        }],
    }
}

struct Counted {
    outcome: SyncOutcome,
    queries: usize,
    documents: usize,
    marks: Vec<(String, String)>,
}

async fn sync(sessions: Vec<Document>) -> Counted {
    let folder = TempDir::new().unwrap();
    let all = Collections { quizzes: vec![quiz()], questions: Vec::new(), sessions };
    write_dump(folder.path(), &all, false);
    let reads = Arc::new(CountedReads::default());
    let source = Hooked::new(Arc::new(DumpSource::open(folder.path()).unwrap()), reads.clone());
    let path = folder.path().join("reports.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let sink = ReportSink::new(store, ReportFormats { v1: false, v2: true });
    let target = SessionTarget::new(&format!("G_{QUIZ}"), None, "session_id").unwrap();
    let sync = SingleSync::new(Arc::new(source), Arc::new(sink));
    let outcome = sync.run(&SessionRequest::new(target)).await.unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    let mut items = database.prepare("SELECT item FROM student_quiz_reports_v2").unwrap();
    let items = items.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|item| item.unwrap());
    let mut marks: Vec<(String, String)> = items
        .map(|item| {
            let item: serde_json::Value = serde_json::from_str(&item).unwrap();
            (
                item["user_id"].as_str().unwrap().to_owned(),
                item["overall_performance"]["marks_scored"].to_string(),
            )
        })
        .collect();
    marks.sort();
    Counted {
        outcome,
        queries: reads.queries.load(Ordering::SeqCst),
        documents: reads.documents.load(Ordering::SeqCst),
        marks,
    }
}

#[tokio::test]
async fn ten_thousand_empty_documents_need_few_queries() {
    const EMPTY: usize = 10_000;
    // ended documents come first, the greatest ids first: the answer is in the last document
    let mut sessions: Vec<Document> =
        (1..=EMPTY).map(|number| session(number, "opens again", None, true)).collect();
    sessions.push(session(EMPTY + 1, "opens again", Some(7), false));
    sessions.push(session(EMPTY + 2, "simple", Some(8), true));
    let synced = sync(sessions).await;
    assert_eq!(synced.outcome.participants, 2);
    // one query for the best of each user, seven searches (4, 16, 64, 256, 1,024, 4,096, the rest), one for the results
    assert!(synced.queries <= 9, "{} queries", synced.queries);
    assert!(synced.documents <= EMPTY + 3, "{} documents", synced.documents);
}

#[tokio::test]
async fn best_answered_attempt_counts_at_any_position() {
    let mut sessions = Vec::new();
    let mut number = 0;
    for place in [0, 1, 2, 15, 16, 17, 18, 80, 81, 82, 100] {
        let user = format!("user {place:03}");
        // the greatest id wins
        for at in (0..=100).rev() {
            number += 1;
            // two attempts: the better one has the right answer, the other one a wrong answer
            let answer = (at == place).then_some(7).or((at == place + 1).then_some(8));
            sessions.push(session(number, &user, answer, true));
        }
    }
    sessions.push(session(number + 1, "never", None, true));
    sessions.push(session(number + 2, "never", None, true));
    let synced = sync(sessions).await;
    assert_eq!(synced.outcome.participants, 11, "{:?}", synced.marks);
    assert!(synced.marks.iter().all(|(_, score)| score == "4"), "{:?}", synced.marks);
    assert!(synced.queries <= 7, "{} queries", synced.queries);
}

#[tokio::test]
async fn empty_document_before_attempt_adds_one_query() {
    let sessions = vec![session(1, "u", Some(7), true), session(2, "u", None, true)];
    let synced = sync(sessions).await;
    assert_eq!((synced.outcome.participants, synced.queries, synced.documents), (1, 2, 2));
}
