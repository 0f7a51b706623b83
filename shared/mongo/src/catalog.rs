use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use jiff::Timestamp;
use mongodb::{Collection, Cursor, Database};
use quiz_domain::from_utc;
use quiz_pipeline::ports::{CompletedQuiz, LastAnswer, SourceError};

use crate::connect;
use crate::documents::{decode_or_why, stored_forms, user_forms};
use crate::error::{MongoError, read_error};

/// Quizzes asked about in one query.
const QUIZZES_CHUNK: usize = 100;
const TITLES: &str = "the titles of quizzes";

/// Which quizzes there are, who has taken them, and when: what choosing tests to sync needs. It only reads.
#[derive(Clone, Debug)]
pub struct MongoCatalog {
    quizzes: Collection<RawDocumentBuf>,
    sessions: Collection<Document>,
}

impl MongoCatalog {
    /// Prepares the way to `database`; the first read connects.
    ///
    /// # Errors
    /// [`MongoError`] where the URI is none, or an SRV URI's hosts cannot be resolved.
    pub async fn connect(uri: &str, database: &str) -> Result<Self, MongoError> {
        let database: Database = connect::database(uri, database).await?;
        Ok(Self { quizzes: database.collection("quizzes"), sessions: database.collection("sessions") })
    }

    /// The quizzes whose `metadata.quiz_type` is this.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read.
    pub async fn of_type(&self, quiz_type: &str) -> Result<BTreeSet<String>, SourceError> {
        let what = format!("the quizzes of type {quiz_type}");
        let found = self.quizzes.find(doc! { "metadata.quiz_type": quiz_type });
        let found =
            found.projection(doc! { "_id": 1 }).await.map_err(|error| read_error(what.clone(), &error))?;
        let ids = decoded(found, &what).await?;
        Ok(ids.iter().filter_map(|quiz| id(quiz.get("_id")?)).collect())
    }

    /// The quizzes whose newest session document was written from `since` on and before `until`, oldest first.
    /// An index on `sessions.updated_at` spares reading all of them.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read.
    pub async fn last_answered(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<LastAnswer>, SourceError> {
        // the newest counts, so documents before `until` do not do alone
        let written = since.map(written_since).unwrap_or_default();
        let newest = doc! { "$group": { "_id": "$quiz_id", "at": { "$max": "$updated_at" } } };
        let found = self.aggregate("the session documents by time", vec![doc! { "$match": written }, newest]);
        let mut answered: Vec<LastAnswer> = found
            .await?
            .iter()
            .filter_map(|group| {
                Some(LastAnswer { quiz_id: id(group.get("_id")?)?, at: from_utc(group.get("at")?)? })
            })
            .filter(|it| since.is_none_or(|since| since <= it.at) && until.is_none_or(|until| it.at < until))
            .collect();
        answered.sort_by(|a, b| (a.at, &a.quiz_id).cmp(&(b.at, &b.quiz_id)));
        Ok(answered)
    }

    /// How many users have a session document of each quiz; a quiz that nobody has taken is left out.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read.
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

    /// Of each quiz the newest session document that was written from `since` on and before `until`: one that was
    /// written later than that hides no other. Each of the two reads is of a range of an index that begins with
    /// `sessions.updated_at`, and of nothing else where `quiz_id` comes next in it; the server gives it up after
    /// `patience`.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read, or not in time.
    pub async fn answered_within(
        &self,
        since: Timestamp,
        until: Timestamp,
        patience: Duration,
    ) -> Result<Vec<LastAnswer>, SourceError> {
        let newest = doc! { "$group": { "_id": "$quiz_id", "at": { "$max": "$updated_at" } } };
        // dates and texts are never in one range
        let (dates, texts) = forms_between(since, until);
        let read = |range: Document| {
            let pipeline = vec![doc! { "$match": { "updated_at": range } }, newest.clone()];
            self.aggregate_within("the session documents by time", pipeline, patience)
        };
        let (dates, texts) = futures::try_join!(read(dates), read(texts))?;
        let mut newest: HashMap<String, Timestamp> = HashMap::new();
        for group in dates.iter().chain(&texts) {
            let (quiz, at) = (group.get("_id").and_then(id), group.get("at").and_then(from_utc));
            if let (Some(quiz), Some(at)) = (quiz, at) {
                newest.entry(quiz).and_modify(|known| *known = at.max(*known)).or_insert(at);
            }
        }
        let mut answered: Vec<LastAnswer> =
            newest.into_iter().map(|(quiz_id, at)| LastAnswer { quiz_id, at }).collect();
        answered.sort_by(|a, b| (a.at, &a.quiz_id).cmp(&(b.at, &b.quiz_id)));
        Ok(answered)
    }

    /// Of these quizzes those that have ended session documents, written from `since` on and before `until`, of users
    /// other than the excluded.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read, or not in time.
    pub async fn completed_within(
        &self,
        quiz_ids: &[String],
        (since, until): (Timestamp, Timestamp),
        excluded: &HashSet<String>,
        patience: Duration,
    ) -> Result<Vec<CompletedQuiz>, SourceError> {
        let excluded: Vec<Bson> = excluded.iter().flat_map(|id| user_forms(id)).collect();
        let (dates, texts) = forms_between(since, until);
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
            let found = self.aggregate_within("the completions of quizzes", pipeline, patience).await?;
            completed.extend(found.iter().filter_map(|group| {
                Some(CompletedQuiz {
                    quiz_id: id(group.get("_id")?)?,
                    students: number(group.get("students")?)?,
                    newest: from_utc(group.get("at")?)?,
                })
            }));
        }
        Ok(completed)
    }

    /// Those of these quizzes that there are, with their titles.
    ///
    /// # Errors
    /// [`SourceError`] where they cannot be read.
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
        patience: Duration,
    ) -> Result<Vec<Document>, SourceError> {
        let failed = |error| read_error(what.to_owned(), &error);
        let asked = self.sessions.aggregate(pipeline).allow_disk_use(true).max_time(patience);
        decoded(asked.with_type::<RawDocumentBuf>().await.map_err(failed)?, what).await
    }

    async fn aggregate(&self, what: &str, pipeline: Vec<Document>) -> Result<Vec<Document>, SourceError> {
        let failed = |error| read_error(what.to_owned(), &error);
        let asked = self.sessions.aggregate(pipeline).allow_disk_use(true);
        decoded(asked.with_type::<RawDocumentBuf>().await.map_err(failed)?, what).await
    }
}

/// What can be read of the documents: one with a badly encoded id costs its neighbours nothing.
async fn decoded(mut cursor: Cursor<RawDocumentBuf>, what: &str) -> Result<Vec<Document>, SourceError> {
    let mut documents = Vec::new();
    while cursor.advance().await.map_err(|error| read_error(what.to_owned(), &error))? {
        documents.push(decode_or_why(cursor.current(), what));
    }
    Ok(documents)
}

/// Session documents written from then on; `updated_at` is a date, or text in UTC.
fn written_since(since: Timestamp) -> Document {
    let (date, text) = forms(since);
    doc! { "$or": [{ "updated_at": { "$gte": date } }, { "updated_at": { "$gte": text } }] }
}

/// Ranges of `updated_at`: of the dates, and of the texts.
fn forms_between(since: Timestamp, until: Timestamp) -> (Document, Document) {
    let ((since, since_text), (until, until_text)) = (forms(since), forms(until));
    (doc! { "$gte": since, "$lt": until }, doc! { "$gte": since_text, "$lt": until_text })
}

/// A time as a session document may have it: a date, or text in UTC.
fn forms(at: Timestamp) -> (DateTime, String) {
    (DateTime::from_millis(at.as_millisecond()), at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn id(value: &Bson) -> Option<String> {
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
