//! The suite of repeated syncs of one test session into a [`ReportStore`]: unchanged items are not written, and the end
//! equals one full write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bson::{Bson, bson, doc};
use jiff::Timestamp;
use quiz_domain::reports::{self, ReportFormats, ReportItem, ReportTable, Stamp};
use quiz_domain::{Quiz, SessionResult, SessionScorer, TestSession};
use quiz_pipeline::ports::{Fence, PutOutcome, ReportReader, ReportStore, StoreError, StoredItems};
use quiz_pipeline::{ReportSink, ResultSink, RunScope, SinkCounts, SinkError, WriteProgress};
use serde_json::{Map, Number, Value, json};

use crate::store::{Reports, session_items};

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
/// Both formats of report items.
pub const BOTH: ReportFormats = ReportFormats { v1: true, v2: true };
const V1: ReportFormats = ReportFormats { v1: true, v2: false };

/// A student's answers to three questions: the number of the option, or no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Student {
    pub number: u32,
    pub answers: [Option<i32>; 3],
    pub ended: bool,
}

impl Student {
    const fn new(number: u32, answer: i32) -> Self {
        Self { number, answers: [Some(answer), Some(1), None], ended: true }
    }
}

/// A test session as one sync ranks it.
#[must_use]
pub fn ranked(session_id: &str, is_form: bool, title: &str, students: &[Student]) -> SessionResult {
    let question = |at: usize| {
        bson!({
            "_id": format!("q{at}"), "type": "single-choice", "graded": true, "correct_answer": [1],
            "text": format!("question {at}"), "options": [{"text": "zero"}, {"text": "one"}, {"text": "two"}],
            "metadata": {"subject": if at == 0 { "Physics" } else { "Biology" }},
        })
    };
    let quiz = doc! {
        "_id": QUIZ, "title": title,
        "metadata": {"quiz_type": if is_form { "form" } else { "assessment" }},
        "question_sets": [{
            "_id": "s", "title": "All", "max_questions_allowed_to_attempt": 3,
            "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0},
            "questions": (0..3).map(question).collect::<Vec<_>>(),
        }],
    };
    let (quiz, problems) = Quiz::read(&quiz, &[]).unwrap();
    let session =
        TestSession { session_id: session_id.to_owned(), quiz_id: QUIZ.to_owned(), ..TestSession::default() };
    let now = Timestamp::from_second(1_714_500_000).unwrap();
    let mut builder = SessionScorer::new(quiz, session, now, problems);
    for student in students {
        let record = |(at, answer): (usize, &Option<i32>)| {
            let answer = answer.map_or(Bson::Null, |option| bson!([option]));
            bson!({"question_id": format!("q{at}"), "answer": answer, "visited": true})
        };
        let records: Vec<Bson> = student.answers.iter().enumerate().map(record).collect();
        builder.take(&doc! {
            "_id": format!("{:024x}", student.number), "user_id": format!("u{}", student.number),
            "quiz_id": QUIZ, "has_quiz_ended": student.ended, "created_at": "2024-04-30T04:30:00",
            "session_answers": records,
        });
    }
    builder.finish().unwrap()
}

/// One run of a sync.
#[derive(Clone, Copy, Debug)]
pub struct Sync {
    pub formats: ReportFormats,
    pub generation: i64,
    pub rewrite: bool,
    /// The generation of the sync's first run, where this run continues a sync.
    pub first: Option<i64>,
}

impl Sync {
    #[must_use]
    pub fn of(generation: i64) -> Self {
        Self { formats: BOTH, generation, rewrite: false, first: None }
    }

    fn stamp(self) -> Stamp {
        let written_at = Timestamp::from_second(1_714_500_000 + self.generation).unwrap();
        Stamp { written_at, generation: self.generation }
    }

    /// Writes the test session as a function does.
    ///
    /// # Errors
    /// As of the store.
    pub async fn run(
        self,
        store: Arc<dyn ReportStore>,
        test: &SessionResult,
    ) -> Result<SinkCounts, SinkError> {
        let sink = ReportSink::new(store, self.formats);
        let rewritten = self.rewrite;
        let progress = self.first.map(|generation| json!({"generation": generation, "rewritten": rewritten}));
        let scope = RunScope {
            rewrite: self.rewrite,
            progress: WriteProgress::from_stored(progress.map(|progress| progress.to_string()).as_deref()),
            ..RunScope::unfenced(self.generation, self.stamp().written_at)
        };
        let writer = sink.writer(&test.quiz, &test.session, &scope)?;
        writer.finish(test, self.stamp(), &scope).await
    }

    /// Writes a part of the test session and stops.
    pub async fn crash(self, store: &Arc<dyn Reports>, test: &SessionResult, after: usize) {
        let watched = Arc::new(Watched { after: Mutex::new(Some(after)), ..Watched::new(store.clone()) });
        // the run may have fewer items to write
        let _ = self.run(watched, test).await;
    }

    /// Writes the test session. Asserts that only missing or changed items were written, and that the store holds the
    /// results of a full write.
    pub async fn run_and_check(self, store: &Arc<dyn Reports>, test: &SessionResult) -> SinkCounts {
        let session = &test.session.session_id;
        let before = self.held(&**store, session).await;
        let watched = Arc::new(Watched::new(store.clone()));
        let counts = self.run(watched.clone(), test).await.unwrap();
        let after = self.held(&**store, session).await;

        let expected: Held = self.items(test).into_iter().map(|item| (key_of(&item), json(&item))).collect();
        let content =
            |held: &Held| -> Held { held.iter().map(|(key, item)| (key.clone(), unstamped(item))).collect() };
        assert_eq!(content(&after), content(&expected), "differs from a full write");
        let is_stored = |(key, item): &(&Key, &Value)| {
            before.get(*key).is_some_and(|old| {
                unstamped(old) == unstamped(item) && old["sync_generation"].as_f64() <= Some(self.number())
            })
        };
        let changed = expected.iter().filter(|item| self.rewrite || !is_stored(item));
        let changed: BTreeSet<Key> = changed.map(|(key, _)| key.clone()).collect();
        assert_eq!(*watched.written.lock().unwrap(), changed, "written");
        for (key, item) in &after {
            match before.get(key) {
                Some(old) if !changed.contains(key) => assert_eq!(item, old, "touched"),
                _ => assert_eq!(item["sync_generation"].as_f64(), Some(self.number()), "{key:?}"),
            }
        }
        let unchanged = expected.len() - changed.len();
        assert_eq!((counts.written, counts.unchanged), (changed.len() as u64, unchanged as u64));
        counts
    }

    #[expect(clippy::cast_precision_loss, reason = "the suites' generations are small")]
    fn number(self) -> f64 {
        self.generation as f64
    }

    /// The sealed items of the run.
    fn items(self, test: &SessionResult) -> Vec<ReportItem> {
        let tables = reports::tables(test, self.formats).into_iter();
        let mut items: Vec<ReportItem> =
            tables.flat_map(|table| reports::items(test, table, self.stamp())).collect();
        items.iter_mut().for_each(ReportItem::seal);
        items
    }

    /// The test session's items in the tables of the run.
    async fn held(self, store: &dyn ReportReader, session: &str) -> Held {
        let mut held = Held::new();
        let tables = [
            (ReportTable::Sections, self.formats.v1),
            (ReportTable::Students, self.formats.v2),
            (ReportTable::FormResponses, true),
        ];
        for (table, _) in tables.into_iter().filter(|(_, is_written)| *is_written) {
            for item in session_items(store, table, session).await {
                let sort_key = item[table.sort_key()].as_str().unwrap().to_owned();
                held.insert((table, sort_key), in_doubles(item));
            }
        }
        held
    }
}

type Key = (ReportTable, String);
type Held = BTreeMap<Key, Value>;

/// A store that records the writes and fails after a number of items.
struct Watched {
    store: Arc<dyn Reports>,
    written: Mutex<BTreeSet<Key>>,
    after: Mutex<Option<usize>>,
}

impl Watched {
    fn new(store: Arc<dyn Reports>) -> Self {
        Self { store, written: Mutex::default(), after: Mutex::default() }
    }

    /// How many items of this call are written.
    fn let_through(&self, items: usize) -> usize {
        let mut after = self.after.lock().unwrap();
        let through = after.map_or(items, |left| left.min(items));
        *after = after.map(|left| left - through);
        through
    }
}

fn broken(action: &'static str) -> StoreError {
    StoreError::Unavailable { action, table: "t".into(), cause: "broken off".into() }
}

#[async_trait]
impl ReportStore for Watched {
    async fn stored(&self, table: ReportTable, session_id: &str) -> Result<StoredItems, StoreError> {
        self.store.stored(table, session_id).await
    }

    async fn put(
        &self,
        table: ReportTable,
        mut items: Vec<ReportItem>,
        fence: &Fence,
    ) -> Result<PutOutcome, StoreError> {
        let (all, through) = (items.len(), self.let_through(items.len()));
        items.truncate(through);
        self.written.lock().unwrap().extend(items.iter().map(key_of));
        let outcome = self.store.put(table, items, fence).await?;
        if through < all { Err(broken("write")) } else { Ok(outcome) }
    }

    async fn delete(
        &self,
        table: ReportTable,
        session_id: &str,
        mut sort_keys: Vec<String>,
        fence: &Fence,
    ) -> Result<u64, StoreError> {
        let (all, through) = (sort_keys.len(), self.let_through(sort_keys.len()));
        sort_keys.truncate(through);
        let deleted = self.store.delete(table, session_id, sort_keys, fence).await?;
        if through < all { Err(broken("delete")) } else { Ok(deleted) }
    }
}

/// Asserts that repeated syncs of a test session write changed items only. The store holds no items of test sessions
/// whose ids begin with `session`, before and after the suite.
pub async fn unchanged_items(store: Arc<dyn Reports>, session: &str) {
    unchanged_items_are_not_written(&store, &format!("{session}-again")).await;
    new_form_response_writes_one_item(&store, &format!("{session}-form")).await;
    interrupted_run_is_finished(&store, &format!("{session}-crash")).await;
    items_of_older_version_are_rewritten_once(&store, &format!("{session}-older")).await;
    manual_changes_are_repaired(&store, &format!("{session}-by-hand")).await;
    earlier_run_keeps_items_of_later_run(&store, &format!("{session}-later")).await;
    forced_sync_continues_after_crash(&store, &format!("{session}-forced")).await;
    formats_and_kinds_can_change(&store, &format!("{session}-kinds")).await;
}

const THREE: [Student; 3] = [Student::new(1, 1), Student::new(2, 0), Student::new(3, 1)];

/// Deletes all items of the test session.
async fn clear(store: &Arc<dyn Reports>, session: &str) {
    let empty = ranked(session, true, "Sums", &[]);
    Sync::of(1_000_000).run(store.clone(), &empty).await.unwrap();
}

async fn unchanged_items_are_not_written(store: &Arc<dyn Reports>, session: &str) {
    let test = ranked(session, false, "Sums", &THREE);
    let first = Sync::of(1).run_and_check(store, &test).await;
    assert_eq!((first.written, first.unchanged), (3 * 3 + 3, 0));
    let again = Sync::of(2).run_and_check(store, &test).await;
    assert_eq!((again.written, again.unchanged, again.deleted), (0, 12, 0));
    // one student's marks change the cohort figures of all, but other students' v2 documents only on a change of ranks
    let changed = [THREE[0], Student::new(2, 2), THREE[2]];
    let changed = Sync::of(3).run_and_check(store, &ranked(session, false, "Sums", &changed)).await;
    assert_eq!((changed.written, changed.unchanged), (0, 12), "another wrong answer has the same marks");
    let without = ranked(session, false, "Sums", &THREE[..2]);
    assert_eq!(Sync::of(4).run_and_check(store, &without).await.deleted, 4);
    clear(store, session).await;
}

async fn new_form_response_writes_one_item(store: &Arc<dyn Reports>, session: &str) {
    let students: Vec<Student> = (0..40).map(|number| Student::new(number, 1)).collect();
    Sync::of(1).run_and_check(store, &ranked(session, true, "A form", &students[..39])).await;
    let more = Sync::of(2).run_and_check(store, &ranked(session, true, "A form", &students)).await;
    assert_eq!((more.written, more.unchanged), (3, 39 * 3));
    clear(store, session).await;
}

async fn interrupted_run_is_finished(store: &Arc<dyn Reports>, session: &str) {
    let (before, after) = (THREE, [Student::new(1, 0), THREE[1], Student::new(4, 1)]);
    for broken_after in [0, 1, 5, 13] {
        Sync::of(1).run(store.clone(), &ranked(session, false, "Sums", &before)).await.unwrap();
        let test = ranked(session, false, "Sums", &after);
        Sync::of(2).crash(store, &test, broken_after).await;
        Sync::of(3).run_and_check(store, &test).await;
        let again = Sync::of(4).run_and_check(store, &test).await;
        assert_eq!((again.written, again.deleted), (0, 0));
        clear(store, session).await;
    }
}

async fn items_of_older_version_are_rewritten_once(store: &Arc<dyn Reports>, session: &str) {
    let test = ranked(session, false, "Sums", &THREE);
    let (table, stamp) = (ReportTable::Sections, Sync::of(1).stamp());
    let unsealed: Vec<ReportItem> = reports::items(&test, table, stamp).collect();
    store.put(table, unsealed, &Fence::open()).await.unwrap();
    let run = Sync { formats: V1, ..Sync::of(2) };
    assert_eq!(run.run(store.clone(), &test).await.unwrap().written, 9);
    assert_eq!(run.run_and_check(store, &test).await.unchanged, 9);
    clear(store, session).await;
}

async fn manual_changes_are_repaired(store: &Arc<dyn Reports>, session: &str) {
    let test = ranked(session, false, "Sums", &THREE);
    let run = |generation| Sync { formats: V1, ..Sync::of(generation) };
    run(1).run_and_check(store, &test).await;
    let table = ReportTable::Sections;
    store.delete(table, session, vec!["u1#overall".to_owned()], &Fence::open()).await.unwrap();
    assert_eq!(run(2).run_and_check(store, &test).await.written, 1, "one deleted item");

    // an edit that keeps the digest
    let mut edited = run(3).items(&test).into_iter().next().unwrap();
    let ReportItem::Section(item) = &mut edited else { panic!("{edited:?}") };
    item.marks_scored = 99.0;
    store.put(table, vec![edited], &Fence::open()).await.unwrap();
    let unseen = run(4).run(store.clone(), &test).await.unwrap();
    assert_eq!((unseen.written, unseen.unchanged), (0, 9), "attributes are not compared");
    let forced = Sync { rewrite: true, ..run(5) }.run_and_check(store, &test).await;
    assert_eq!((forced.written, forced.unchanged), (9, 0));
    clear(store, session).await;
}

async fn earlier_run_keeps_items_of_later_run(store: &Arc<dyn Reports>, session: &str) {
    let test = ranked(session, false, "Sums", &THREE);
    Sync::of(9).run_and_check(store, &test).await;
    let fewer = ranked(session, false, "Sums", &THREE[..2]);
    let earlier = Sync::of(8).run(store.clone(), &fewer).await.unwrap();
    assert_eq!((earlier.unchanged, earlier.deleted), (0, 0));
    assert_eq!(Sync::of(9).run_and_check(store, &fewer).await.deleted, 4);
    clear(store, session).await;
}

async fn forced_sync_continues_after_crash(store: &Arc<dyn Reports>, session: &str) {
    let test = ranked(session, false, "Sums", &THREE);
    Sync::of(1).run_and_check(store, &test).await;
    let forced = |generation| Sync { rewrite: true, ..Sync::of(generation) };
    forced(2).crash(store, &test, 5).await;
    let more = Sync { first: Some(2), ..forced(3) };
    more.crash(store, &test, 2).await;
    let rest = Sync { first: Some(2), ..forced(4) }.run(store.clone(), &test).await.unwrap();
    assert_eq!((rest.written, rest.unchanged, rest.deleted), (12 - 5 - 2, 0, 0));
    let items = Sync::of(4).held(&**store, session).await;
    let writers: BTreeSet<String> = items.values().map(|item| item["sync_generation"].to_string()).collect();
    assert_eq!(writers, BTreeSet::from(["2.0", "3.0", "4.0"].map(str::to_owned)), "each item once");
    let changed = ranked(session, false, "Sums", &THREE[..2]);
    let changed = Sync { first: Some(2), ..forced(5) }.run(store.clone(), &changed).await.unwrap();
    assert_eq!((changed.written, changed.deleted), (7, 4), "all items change, except one student's v2 item");
    clear(store, session).await;
}

async fn formats_and_kinds_can_change(store: &Arc<dyn Reports>, session: &str) {
    let test = ranked(session, false, "Sums", &THREE);
    Sync { formats: V1, ..Sync::of(1) }.run_and_check(store, &test).await;
    let both = Sync::of(2).run_and_check(store, &test).await;
    assert_eq!((both.written, both.unchanged), (3, 9), "v2 is new, v1 is unchanged");
    let form = Sync::of(3).run_and_check(store, &ranked(session, true, "Sums", &THREE)).await;
    assert_eq!((form.written, form.unchanged, form.deleted), (9, 0, 12));
    clear(store, session).await;
}

fn key_of(item: &ReportItem) -> Key {
    (item.table(), item.sort_key().to_owned())
}

fn json(item: &ReportItem) -> Value {
    in_doubles(serde_json::to_value(item).unwrap())
}

fn unstamped(item: &Value) -> Value {
    let mut item = item.clone();
    let fields = item.as_object_mut().unwrap();
    fields.remove("inserted_at_timestamp");
    fields.remove("sync_generation");
    item
}

/// All numbers as doubles: a store may write `2.0` as `2`.
fn in_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => Number::from_f64(number.as_f64().unwrap()).into(),
        Value::Array(values) => Value::Array(values.into_iter().map(in_doubles).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, it)| (name, in_doubles(it))).collect::<Map<_, _>>())
        }
        other => other,
    }
}
