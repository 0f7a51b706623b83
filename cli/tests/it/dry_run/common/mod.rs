//! Small cohorts, a store to sync them to, and an independent count of its changes.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its part, and may panic")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bson::{Bson, bson, doc};
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_etl::dry_run::{CanHold, Change, DryRun, OldAndNew, ReportCounts, SessionDifference, SessionToTry};
use quiz_events::{SessionDescription, SessionTarget};
use quiz_local::{DumpSource, SqliteStore};
use quiz_pipeline::ports::{AnswerSource, SystemClock};
use quiz_pipeline::{ReportSink, SessionRequest, SyncOutcome};
use quiz_sample::{SampleDocuments, write_dump};
use quiz_suites::function::SingleSync;
use quiz_suites::store::session_items;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

pub const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
pub const SESSION: &str = "Group_6715f621e1eb083bfa9b56cc";
pub const BOTH: ReportFormats = ReportFormats { v1: true, v2: true };

/// For each question the chosen option, or `None` without an answer; option 1 is correct.
pub type Answers = [Option<i32>; 3];

#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub answers: Answers,
    pub ended: bool,
}

/// A quiz of three questions in two subjects, with its attempts by user id.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    pub kind: &'static str,
    pub title: String,
    pub attempts: BTreeMap<String, Attempt>,
}

impl Cohort {
    pub fn assessment(attempts: &[(&str, Answers)]) -> Self {
        let attempt = |(user, answers): &(&str, Answers)| {
            ((*user).to_owned(), Attempt { answers: *answers, ended: true })
        };
        Self {
            kind: "assessment",
            title: "Sums".to_owned(),
            attempts: attempts.iter().map(attempt).collect(),
        }
    }

    pub fn form(attempts: &[(&str, Answers)]) -> Self {
        Self { kind: "form", ..Self::assessment(attempts) }
    }

    pub fn documents(&self) -> SampleDocuments {
        let question = |at: usize| {
            let subject = if at == 0 { "Physics" } else { "Biology" };
            doc! {
                "_id": format!("q{at}"), "question_set_id": "s", "type": "single-choice", "graded": true,
                "correct_answer": [1], "text": format!("question {at}"),
                "options": [{"text": "zero"}, {"text": "one"}, {"text": "two"}], "metadata": {"subject": subject},
            }
        };
        let questions: Vec<_> = (0..3).map(question).collect();
        let quiz = doc! {
            "_id": QUIZ, "title": &self.title, "metadata": {"quiz_type": self.kind},
            "question_sets": [{
                "_id": "s", "title": "All", "max_questions_allowed_to_attempt": 3,
                "marking_scheme": {"correct": 4, "wrong": 0, "skipped": 0}, "questions": questions.clone(),
            }],
        };
        let session = |(user, attempt): (&String, &Attempt)| {
            let record = |(at, answer): (usize, &Option<i32>)| {
                let answer = answer.map_or(Bson::Null, |option| bson!([option]));
                bson!({"question_id": format!("q{at}"), "answer": answer, "visited": true})
            };
            let records: Vec<Bson> = attempt.answers.iter().enumerate().map(record).collect();
            doc! {
                "_id": format!("of {user}"), "user_id": user, "quiz_id": QUIZ, "has_quiz_ended": attempt.ended,
                "created_at": "2024-04-30T04:30:00", "session_answers": records,
            }
        };
        SampleDocuments {
            quizzes: vec![quiz],
            questions,
            sessions: self.attempts.iter().map(session).collect(),
        }
    }
}

pub fn test_to_try() -> SessionToTry {
    SessionToTry { target: SessionTarget::new(SESSION, None, "session_id").unwrap(), description: None }
}

/// All items of the test session, by table and sort key.
pub type Dump = BTreeMap<(ReportTable, String), Value>;

/// A store in a folder that is synced from dumps.
pub struct SyncedStore {
    folder: TempDir,
    pub store: Arc<SqliteStore>,
    pub formats: ReportFormats,
    pub can_hold: CanHold,
    /// Whether the syncs are forced.
    pub rewrite: bool,
}

impl SyncedStore {
    pub fn new(formats: ReportFormats) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap());
        Self { folder, store, formats, can_hold: |_| Ok(()), rewrite: false }
    }

    pub fn source(&self, cohort: &Cohort) -> Arc<dyn AnswerSource> {
        let dump = self.folder.path().join("dump");
        write_dump(&dump, &cohort.documents(), false).unwrap();
        Arc::new(DumpSource::open(dump).unwrap())
    }

    pub fn dry(&self, source: Arc<dyn AnswerSource>) -> DryRun {
        DryRun {
            source,
            reports: self.store.clone(),
            formats: self.formats,
            can_hold: self.can_hold,
            warehouse: true,
            excluded_users: HashSet::from(["test_admin".to_owned()]),
            clock: Arc::new(SystemClock),
            rewrite: self.rewrite,
        }
    }

    /// Runs the dry run, and asserts that it writes nothing.
    pub async fn predict(&self, cohort: &Cohort) -> SessionDifference {
        self.predict_described(cohort, None).await
    }

    pub async fn predict_described(
        &self,
        cohort: &Cohort,
        description: Option<SessionDescription>,
    ) -> SessionDifference {
        let (before, bytes) = (self.dump().await, self.bytes());
        let dry = self.dry(self.source(cohort));
        let test = SessionToTry { description, ..test_to_try() };
        let difference = dry.test(&test).await.unwrap();
        assert!(self.bytes() == bytes, "the store's files have changed");
        assert_eq!(self.dump().await, before);
        difference
    }

    /// Runs the real sync.
    pub async fn sync(&self, cohort: &Cohort, description: Option<SessionDescription>) -> SyncOutcome {
        let sink = Arc::new(ReportSink::new(self.store.clone(), self.formats));
        let request = SessionRequest { description, ..SessionRequest::new(test_to_try().target) };
        let sync = SingleSync::new(self.source(cohort), sink).rewrite(self.rewrite);
        sync.run(&request).await.unwrap()
    }

    pub async fn dump(&self) -> Dump {
        let mut dump = Dump::new();
        for table in ReportTable::ALL {
            for item in session_items(&*self.store, table, SESSION).await {
                let sort_key = item[table.sort_key()].as_str().unwrap().to_owned();
                dump.insert((table, sort_key), item);
            }
        }
        dump
    }

    /// Removes the digest of an item, as in items of an older version.
    pub fn remove_digest(&self, table: ReportTable, sort_key: &str) {
        let connection = Connection::open(self.folder.path().join("reports.db")).unwrap();
        let update = format!(
            r#"UPDATE "{}" SET "item" = json_remove("item", '$.content_digest') WHERE "{}" = ?1"#,
            table.default_name(),
            table.sort_key()
        );
        assert_eq!(connection.execute(&update, [sort_key]).unwrap(), 1);
    }

    /// The bytes of the database and its log.
    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = ["reports.db", "reports.db-wal"].map(|name| self.folder.path().join(name));
        files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
    }
}

/// Changes of items and reports, counted without digests.
#[derive(Debug, Default, PartialEq)]
pub struct Counted {
    pub reports: ReportCounts,
    /// By table: new, changed, unchanged, deleted.
    pub items: BTreeMap<ReportTable, [u64; 4]>,
}

impl Counted {
    pub fn between(before: &Dump, after: &Dump) -> Self {
        let mut counted = Self::default();
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let [old, new] = [before, after].map(|dump| dump.get(key).map(content));
            let position = match (old, new) {
                (None, _) => 0,
                (old, new) if old == new => 2,
                (_, Some(_)) => 1,
                (_, None) => 3,
            };
            *counted.items.entry(key.0).or_default().get_mut(position).unwrap() += 1;
        }
        for user in users(before).union(&users(after)) {
            let [old, new] = [before, after].map(|dump| items_of_user(dump, user));
            let count = match (old.is_empty(), new.is_empty()) {
                (true, _) => &mut counted.reports.new,
                (_, true) => &mut counted.reports.removed,
                _ if old == new => &mut counted.reports.unchanged,
                _ => &mut counted.reports.changed,
            };
            *count += 1;
        }
        counted
    }

    pub fn predicted(difference: &SessionDifference) -> Self {
        let items = difference.items.iter();
        Self {
            reports: difference.reports,
            items: items
                .map(|counts| (counts.table, [counts.new, counts.changed, counts.unchanged, counts.deleted]))
                .collect(),
        }
    }
}

/// The overall changes of all students with a result in both dumps, by user id.
pub fn changes(before: &Dump, after: &Dump) -> Vec<Change> {
    let overall = |dump: &Dump, user: &str| {
        let v1 = dump.get(&(ReportTable::Sections, format!("{user}#overall")));
        let v2 = dump.get(&(ReportTable::Students, user.to_owned())).map(|item| &item["overall_performance"]);
        let item = v1.or(v2)?;
        let rank = item["rank"].as_u64().map(|rank| u32::try_from(rank).unwrap());
        Some((item["marks_scored"].as_f64()?, rank))
    };
    let both = users(before).into_iter().filter_map(|user| {
        let ((old, old_rank), (new, new_rank)) = (overall(before, &user)?, overall(after, &user)?);
        let (marks, rank) = (OldAndNew { old, new }, OldAndNew { old: old_rank, new: new_rank });
        Some(Change { user_id: user, marks, rank })
    });
    both.collect()
}

fn users(dump: &Dump) -> BTreeSet<String> {
    dump.values().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
}

fn items_of_user<'a>(dump: &'a Dump, user: &str) -> BTreeMap<&'a (ReportTable, String), Value> {
    let own = dump.iter().filter(|(_, item)| item["user_id"] == user);
    own.map(|(key, item)| (key, content(item))).collect()
}

/// An item without the fields that differ from run to run.
fn content(item: &Value) -> Value {
    let mut item = item.clone();
    let fields = item.as_object_mut().unwrap();
    fields.remove("inserted_at_timestamp");
    fields.remove("sync_generation");
    fields.remove("content_digest");
    item
}
