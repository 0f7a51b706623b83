//! Queries over many quizzes: which quizzes exist, who has attempts of them, and when the newest was written.
//! Backfill and reconcile choose the test sessions to sync from these facts.
//!
//! The Quiz Engine stores `updated_at` either as a date or as text in UTC, and MongoDB compares values of one type
//! only. So each query by time has one range for dates and one for texts ([`between`], [`since_filter`]).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use jiff::Timestamp;
use mongodb::{Collection, Cursor, Database};
use quiz_domain::read_utc_time;
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError};

use crate::connect;
use crate::documents::{decode_or_placeholder, stored_forms, user_forms};
use crate::error::{MongoError, read_error};

/// Quizzes in one query.
const QUIZZES_CHUNK: usize = 100;
const TITLES: &str = "the titles of quizzes";
const ATTEMPTS_BY_TIME: &str = "the attempts by time";

/// Reads which quizzes exist, how many students attempted them, and when.
#[derive(Clone, Debug)]
pub struct MongoCatalog {
    pub(crate) quizzes: Collection<RawDocumentBuf>,
    pub(crate) questions: Collection<RawDocumentBuf>,
    sessions: Collection<Document>,
}

impl MongoCatalog {
    /// Makes a catalog for `database`; the first read connects.
    ///
    /// # Errors
    /// [`MongoError`] if the URI is invalid, or the hosts of an SRV URI cannot be resolved.
    pub async fn connect(uri: &str, database: &str) -> Result<Self, MongoError> {
        let database: Database = connect::database(uri, database).await?;
        Ok(Self {
            quizzes: database.collection("quizzes"),
            questions: database.collection("questions"),
            sessions: database.collection("sessions"),
        })
    }

    /// Returns the ids of the quizzes with this `metadata.quiz_type`.
    ///
    /// # Errors
    /// [`SourceError`] if the quizzes cannot be read.
    pub async fn of_type(&self, quiz_type: &str) -> Result<BTreeSet<String>, SourceError> {
        let what = format!("the quizzes of type {quiz_type}");
        let found = self.quizzes.find(doc! { "metadata.quiz_type": quiz_type });
        let found =
            found.projection(doc! { "_id": 1 }).await.map_err(|error| read_error(what.clone(), &error))?;
        let ids = decoded(found, &what).await?;
        Ok(ids.iter().filter_map(|quiz| id(quiz.get("_id")?)).collect())
    }

    /// Returns the quizzes whose newest attempt was written at `since` or later and before `until`, oldest first.
    /// Without an index on `sessions.updated_at` the server reads all attempts.
    ///
    /// # Errors
    /// [`SourceError`] if the attempts cannot be read.
    pub async fn last_answered(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<LastAnswer>, SourceError> {
        // The query has no upper limit: an attempt after `until` excludes its quiz.
        let written = since.map(since_filter).unwrap_or_default();
        let found = self.aggregate(ATTEMPTS_BY_TIME, vec![doc! { "$match": written }, newest_per_quiz()]);
        let mut answered: Vec<LastAnswer> = found
            .await?
            .iter()
            .filter_map(|group| {
                Some(LastAnswer { quiz_id: id(group.get("_id")?)?, at: read_utc_time(group.get("at")?)? })
            })
            .filter(|quiz| {
                since.is_none_or(|since| since <= quiz.at) && until.is_none_or(|until| quiz.at < until)
            })
            .collect();
        answered.sort_by(|a, b| (a.at, &a.quiz_id).cmp(&(b.at, &b.quiz_id)));
        Ok(answered)
    }

    /// Counts the users with an attempt of each quiz. A quiz without attempts is not in the map.
    ///
    /// # Errors
    /// [`SourceError`] if the attempts cannot be read.
    pub async fn students(&self, quiz_ids: &[String]) -> Result<HashMap<String, u64>, SourceError> {
        let mut students: HashMap<String, u64> = HashMap::new();
        for chunk in quiz_ids.chunks(QUIZZES_CHUNK) {
            let ids: Vec<Bson> = chunk.iter().flat_map(|id| stored_forms(id)).collect();
            let pipeline = vec![
                doc! { "$match": { "quiz_id": { "$in": ids } } },
                doc! { "$group": { "_id": { "quiz": "$quiz_id", "user": "$user_id" } } },
                doc! { "$group": { "_id": "$_id.quiz", "students": { "$sum": 1 } } },
            ];
            for group in self.aggregate("the numbers of students", pipeline).await? {
                let (quiz, count) = (group.get("_id").and_then(id), group.get("students").and_then(number));
                if let (Some(quiz), Some(count)) = (quiz, count) {
                    *students.entry(quiz).or_default() += count;
                }
            }
        }
        Ok(students)
    }

    /// Returns the quizzes of which a user has attempts.
    ///
    /// With the index `{quiz_id, user_id}` the server seeks once for each quiz, and reads only the user's attempts.
    ///
    /// # Errors
    /// [`SourceError`] if the attempts cannot be read.
    pub async fn quizzes_of(&self, user_id: &str) -> Result<BTreeSet<String>, SourceError> {
        let pipeline = vec![
            // the condition on the quiz lets the server use the index
            doc! { "$match": { "quiz_id": { "$exists": true }, "user_id": { "$in": user_forms(user_id) } } },
            doc! { "$group": { "_id": "$quiz_id" } },
        ];
        let groups = self.aggregate("the attempts of one student", pipeline).await?;
        let quiz = |group: &Document| group.get("_id").and_then(id).unwrap_or_else(|| "unknown".to_owned());
        Ok(groups.iter().map(quiz).collect())
    }

    /// Returns, for each quiz, the newest attempt written at `since` or later and before `until`. Attempts after
    /// `until` are ignored, so a quiz with later attempts is included too.
    ///
    /// Each of the two queries reads one range of an index that begins with `sessions.updated_at`; with the index
    /// `{updated_at, quiz_id}` the server reads no documents. The server ends each query after `timeout`.
    ///
    /// # Errors
    /// [`SourceError`] if the attempts cannot be read within `timeout`.
    pub async fn answered_within(
        &self,
        since: Timestamp,
        until: Timestamp,
        timeout: Duration,
    ) -> Result<Vec<LastAnswer>, SourceError> {
        let (dates, texts) = between(since, until);
        let read = |range: Document| {
            let pipeline = vec![doc! { "$match": { "updated_at": range } }, newest_per_quiz()];
            self.aggregate_within(ATTEMPTS_BY_TIME, pipeline, timeout)
        };
        let (dates, texts) = futures::try_join!(read(dates), read(texts))?;
        let mut newest: HashMap<String, Timestamp> = HashMap::new();
        for group in dates.iter().chain(&texts) {
            let (quiz, at) = (group.get("_id").and_then(id), group.get("at").and_then(read_utc_time));
            if let (Some(quiz), Some(at)) = (quiz, at) {
                newest.entry(quiz).and_modify(|known| *known = at.max(*known)).or_insert(at);
            }
        }
        let mut answered: Vec<LastAnswer> =
            newest.into_iter().map(|(quiz_id, at)| LastAnswer { quiz_id, at }).collect();
        answered.sort_by(|a, b| (a.at, &a.quiz_id).cmp(&(b.at, &b.quiz_id)));
        Ok(answered)
    }

    /// Returns those of `quiz_ids` with ended attempts that were written at `since` or later and before `until`. The
    /// attempts of `excluded` users do not count.
    ///
    /// # Errors
    /// [`SourceError`] if the attempts cannot be read within `timeout`.
    pub async fn completed_within(
        &self,
        quiz_ids: &[String],
        (since, until): (Timestamp, Timestamp),
        excluded: &HashSet<String>,
        timeout: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError> {
        let excluded: Vec<Bson> = excluded.iter().flat_map(|id| user_forms(id)).collect();
        let (dates, texts) = between(since, until);
        let mut completed = Vec::new();
        for chunk in quiz_ids.chunks(QUIZZES_CHUNK) {
            let ids: Vec<Bson> = chunk.iter().flat_map(|id| stored_forms(id)).collect();
            let pipeline = vec![
                doc! { "$match": {
                    "quiz_id": { "$in": ids }, "user_id": { "$nin": &excluded }, "has_quiz_ended": true,
                    "$or": [{ "updated_at": &dates }, { "updated_at": &texts }],
                } },
                doc! { "$group": {
                    "_id": { "quiz": "$quiz_id", "user": "$user_id" }, "at": { "$max": "$updated_at" },
                } },
                doc! { "$group": {
                    "_id": "$_id.quiz", "students": { "$sum": 1 }, "at": { "$max": "$at" },
                } },
            ];
            let found = self.aggregate_within("the completions of quizzes", pipeline, timeout).await?;
            completed.extend(found.iter().filter_map(|group| {
                Some(CompletedQuiz {
                    quiz_id: id(group.get("_id")?)?,
                    students: number(group.get("students")?)?,
                    newest: read_utc_time(group.get("at")?)?,
                })
            }));
        }
        Ok(completed)
    }

    /// Returns the titles of those of `quiz_ids` that exist; `None` for a quiz without a title.
    ///
    /// # Errors
    /// [`SourceError`] if the quizzes cannot be read.
    pub async fn titles(&self, quiz_ids: &[String]) -> Result<HashMap<String, Option<String>>, SourceError> {
        let failed = |error| read_error(TITLES.to_owned(), &error);
        let mut titles = HashMap::new();
        for chunk in quiz_ids.chunks(QUIZZES_CHUNK) {
            let ids: Vec<Bson> = chunk.iter().flat_map(|id| stored_forms(id)).collect();
            let found = self.quizzes.find(doc! { "_id": { "$in": ids } }).projection(doc! { "title": 1 });
            let quizzes = decoded(found.await.map_err(failed)?, TITLES).await?;
            titles.extend(quizzes.iter().filter_map(|quiz| {
                let title = quiz.get_str("title").ok().map(str::trim).filter(|title| !title.is_empty());
                Some((id(quiz.get("_id")?)?, title.map(str::to_owned)))
            }));
        }
        Ok(titles)
    }

    async fn aggregate_within(
        &self,
        what: &str,
        pipeline: Vec<Document>,
        timeout: Duration,
    ) -> Result<Vec<Document>, SourceError> {
        let failed = |error| read_error(what.to_owned(), &error);
        let aggregate = self.sessions.aggregate(pipeline).allow_disk_use(true).max_time(timeout);
        decoded(aggregate.with_type::<RawDocumentBuf>().await.map_err(failed)?, what).await
    }

    async fn aggregate(&self, what: &str, pipeline: Vec<Document>) -> Result<Vec<Document>, SourceError> {
        let failed = |error| read_error(what.to_owned(), &error);
        let aggregate = self.sessions.aggregate(pipeline).allow_disk_use(true);
        decoded(aggregate.with_type::<RawDocumentBuf>().await.map_err(failed)?, what).await
    }
}

/// Reads all documents of a cursor. A document that cannot be decoded becomes a placeholder, so the others are read.
pub(crate) async fn decoded(
    mut cursor: Cursor<RawDocumentBuf>,
    what: &str,
) -> Result<Vec<Document>, SourceError> {
    let mut documents = Vec::new();
    while cursor.advance().await.map_err(|error| read_error(what.to_owned(), &error))? {
        documents.push(decode_or_placeholder(cursor.current(), what));
    }
    Ok(documents)
}

/// The stage that finds the newest `updated_at` of each quiz.
fn newest_per_quiz() -> Document {
    doc! { "$group": { "_id": "$quiz_id", "at": { "$max": "$updated_at" } } }
}

/// The filter for attempts written at `since` or later.
fn since_filter(since: Timestamp) -> Document {
    let (date, text) = date_and_text(since);
    doc! { "$or": [{ "updated_at": { "$gte": date } }, { "updated_at": { "$gte": text } }] }
}

/// The ranges of `updated_at` for dates and for texts.
fn between(since: Timestamp, until: Timestamp) -> (Document, Document) {
    let ((since, since_text), (until, until_text)) = (date_and_text(since), date_and_text(until));
    (doc! { "$gte": since, "$lt": until }, doc! { "$gte": since_text, "$lt": until_text })
}

/// Both stored forms of a time: a date, and text in UTC.
fn date_and_text(at: Timestamp) -> (DateTime, String) {
    (DateTime::from_millis(at.as_millisecond()), at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

pub(crate) fn id(value: &Bson) -> Option<String> {
    match value {
        Bson::String(id) => Some(id.clone()),
        Bson::ObjectId(id) => Some(id.to_hex()),
        _ => None,
    }
}

fn number(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}
