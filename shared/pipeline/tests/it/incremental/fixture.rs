//! A quiz whose attempts change, and its syncs with and without a snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bson::{Bson, DateTime, Document, RawDocumentBuf, bson, doc};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use quiz_domain::reports::{self, ReportTable, Stamp};
use quiz_domain::{AttemptHead, AttemptResults, Quiz, SessionResult, TestSession};
use quiz_events::{SessionTarget, Sink};
use quiz_pipeline::ports::{
    AnswerSource, AttemptBatch, AttemptStream, Clock, DocumentStream, QuizDocuments, SourceError,
};
use quiz_pipeline::{
    ResultSink, RunScope, SessionRequest, SessionWriter, SinkCounts, SinkError, Snapshots, SyncError,
    SyncOutcome,
};
use quiz_suites::function::SingleSync;
use quiz_suites::snapshots::MemorySnapshots;

pub const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
const MINUTE: i64 = 60_000;

/// What is odd about a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// `updated_at` is missing.
    NoTime,
    /// `updated_at` is a text.
    TextTime,
    /// A question has no record: a problem.
    LacksRecord,
    /// Neither a start event nor an answer.
    NoAttempt,
}

/// An attempt, as a document.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Gives the `_id`.
    pub number: u8,
    pub user: u8,
    /// No answer, or an option of three questions of which the last has partial marks.
    pub answers: [Option<u8>; 3],
    pub ended: bool,
    pub oddity: Oddity,
}

#[derive(Default)]
pub struct Documents {
    attempts: Mutex<Vec<(Attempt, i64)>>,
    /// One more with each change of the quiz.
    pub quiz: AtomicUsize,
    /// Attempts read so far.
    pub read: AtomicUsize,
}

impl Documents {
    pub fn write(&self, attempt: Attempt, now: i64) {
        let mut all = self.attempts.lock().unwrap();
        all.retain(|(known, _)| known.number != attempt.number);
        all.push((attempt, now));
    }

    /// Changes answers and leaves `updated_at`, as some versions of the backend do for an attempt that has not ended or has
    /// just ended.
    pub fn answer_silently(&self, number: u8, answers: [Option<u8>; 3], now: i64) {
        for (attempt, written) in self.attempts.lock().unwrap().iter_mut() {
            if attempt.number == number && (!attempt.ended || now - *written < 9) {
                attempt.answers = answers;
            }
        }
    }

    pub fn remove(&self, number: u8) {
        self.attempts.lock().unwrap().retain(|(known, _)| known.number != number);
    }

    fn all(&self) -> Vec<Document> {
        self.attempts.lock().unwrap().iter().map(|(attempt, written)| document(*attempt, *written)).collect()
    }
}

fn document(attempt: Attempt, written: i64) -> Document {
    let record = |(at, answer): (usize, Option<u8>)| {
        let answer = match (at, answer) {
            (_, None) => Bson::Null,
            (2, Some(2)) => bson!([0, 2]),
            (_, Some(option)) => bson!([i32::from(option)]),
        };
        bson!({"question_id": format!("q{at}"), "answer": answer})
    };
    let is_attempt = attempt.oddity != Oddity::NoAttempt;
    let answers = if is_attempt { attempt.answers } else { [None; 3] };
    let mut records: Vec<Bson> = answers.into_iter().enumerate().map(record).collect();
    if attempt.oddity == Oddity::LacksRecord {
        records.pop();
    }
    let mut document = doc! {
        "_id": format!("{:024x}", attempt.number), "user_id": format!("u{}", attempt.user), "quiz_id": QUIZ,
        "has_quiz_ended": attempt.ended, "total_time_spent": f64::from(attempt.number) * 1.5,
        "session_answers": records,
    };
    if is_attempt {
        let created = format!("2024-04-30T04:{:02}:00.123456", attempt.number);
        document.insert("events", bson!([{"event_type": "start-quiz", "created_at": created}]));
    }
    let at = Timestamp::from_millisecond(written * MINUTE).unwrap();
    match attempt.oddity {
        Oddity::NoTime => None,
        Oddity::TextTime => document.insert("updated_at", at.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
        _ => document.insert("updated_at", DateTime::from_millis(written * MINUTE)),
    };
    document
}

#[async_trait]
impl AnswerSource for Documents {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        let version = i32::try_from(self.quiz.load(Ordering::SeqCst)).unwrap();
        let kinds = ["single-choice", "single-choice", "multi-choice"];
        let question = |(at, kind): (usize, &str)| {
            let key = if at == 2 { bson!([0, 1]) } else { bson!([version % 3]) };
            bson!({"_id": format!("q{at}"), "type": kind, "correct_answer": key, "metadata": {"subject": at.to_string()}})
        };
        let partial = bson!([{"conditions": [{"num_correct_selected": 1}], "marks": 1.5}]);
        let quiz = doc! {"_id": quiz_id, "metadata": {"quiz_type": "assessment"}, "question_sets": [{
            "_id": "s", "title": "All", "max_questions_allowed_to_attempt": 2 + version % 2,
            "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0, "partial": partial},
            "questions": kinds.into_iter().enumerate().map(question).collect::<Vec<_>>(),
        }]};
        Ok(Some(QuizDocuments { quiz, ..QuizDocuments::default() }))
    }

    async fn attempt_heads<'a>(&'a self, _quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        let is_head = |field: &String| AttemptHead::FIELDS.contains(&field.as_str());
        let head =
            move |document: Document| Ok(document.into_iter().filter(|(field, _)| is_head(field)).collect());
        Ok(stream::iter(self.all().into_iter().map(head)).boxed())
    }

    async fn heads_of(&self, _quiz_id: &str, _user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        Ok(Vec::new())
    }

    async fn attempts<'a>(
        &'a self,
        _quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let mut batch = AttemptBatch::new(|raw| raw.try_into().unwrap());
        for document in self.all().into_iter().filter(|document| keys.contains(document.get("_id").unwrap()))
        {
            batch.push(&RawDocumentBuf::try_from(&document).unwrap());
        }
        self.read.fetch_add(batch.len(), Ordering::SeqCst);
        Ok(stream::iter([Ok(batch)]).boxed())
    }
}

/// A clock that stands at so many minutes since 1970.
struct FixedClock(i64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0 * MINUTE).unwrap()
    }
}

/// A sink that keeps the whole result as text.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<String>>);

impl ResultSink for Capture {
    fn sink(&self) -> Sink {
        Sink::Reports
    }

    fn writer(&self, _: &Quiz, _: &TestSession, _: &RunScope) -> Result<Box<dyn SessionWriter>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SessionWriter for Capture {
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        _: Stamp,
        _: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        *self.0.lock().unwrap() = describe_result(test);
        Ok(SinkCounts::default())
    }
}

fn describe_result(test: &SessionResult) -> String {
    let stamp = Stamp { written_at: Timestamp::UNIX_EPOCH, generation: 1 };
    let items = ReportTable::ALL.into_iter().flat_map(|table| reports::items(test, table, stamp));
    let items: Vec<String> = items.map(|item| serde_json::to_string_pretty(&item).unwrap()).collect();
    let AttemptResults::Scored { attempts, questions, .. } = &test.results else { panic!("not scored") };
    let attempts: Vec<_> =
        attempts.iter().map(|attempt| (&attempt.id, attempt.is_final, attempt.total_time_spent)).collect();
    format!("{}\n{attempts:?}\n{questions:?}\n{:?}\n{:?}", items.join("\n"), test.start, test.problems)
}

/// The documents, and the snapshots between syncs.
#[derive(Default)]
pub struct Fixture {
    pub documents: Arc<Documents>,
    pub snapshots: Arc<MemorySnapshots>,
    pub program: usize,
    /// Minutes since 1970.
    pub now: i64,
}

/// One sync's result, with its reads.
pub struct SyncResult {
    pub result: String,
    pub outcome: SyncOutcome,
    /// Attempts that the sync read.
    pub read: usize,
}

impl Fixture {
    /// Syncs with the snapshot, if there is one.
    pub async fn sync(&self, force: bool) -> SyncResult {
        self.sync_as("Group", force).await.unwrap()
    }

    /// Syncs like [`Fixture::sync`], under this session id.
    pub async fn sync_as(&self, session_id: &str, force: bool) -> Result<SyncResult, SyncError> {
        let snapshots = Snapshots::new(self.snapshots.clone(), self.program.to_string()).from(1);
        self.run(session_id, force, Some(snapshots)).await
    }

    /// Syncs without a snapshot.
    pub async fn sync_in_full(&self) -> SyncResult {
        self.run("Group", false, None).await.unwrap()
    }

    async fn run(
        &self,
        session_id: &str,
        rewrite: bool,
        snapshots: Option<Snapshots>,
    ) -> Result<SyncResult, SyncError> {
        let sink = Capture::default();
        let sync = SingleSync::new(self.documents.clone(), Arc::new(sink.clone()))
            .clock(Arc::new(FixedClock(self.now)))
            .rewrite(rewrite)
            .snapshots(snapshots);
        let before = self.documents.read.load(Ordering::SeqCst);
        let target = SessionTarget { session_id: session_id.into(), quiz_id: QUIZ.into() };
        let outcome = sync.run(&SessionRequest::new(target)).await?;
        let read = self.documents.read.load(Ordering::SeqCst) - before;
        let result = sink.0.lock().unwrap().clone();
        Ok(SyncResult { result, outcome, read })
    }
}
