//! Reads for one sync: the quiz, its questions and its attempts.
//!
//! Ids are stored as text or as `ObjectId`, so each query matches both forms. One bad document must not end a sync:
//! it becomes a placeholder that the domain counts as a problem (`docs/decisions/0004-what-does-not-fit.md`).

use async_trait::async_trait;
use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::{StreamExt, stream};
use mongodb::{Collection, Database};
use quiz_domain::{AttemptHead, ProblemKind, Problems, replaces, unreadable_cause};
use quiz_pipeline::ports::{AnswerSource, AttemptStream, DocumentStream, QuizDocuments, SourceError};

use crate::attempts::AttemptReader;
use crate::connect;
use crate::documents::{decode_or_placeholder, stored_forms, user_forms};
use crate::error::{MongoError, read_error};

/// Documents of one reply; a head has about 120 bytes.
const HEADS_BATCH: u32 = 2_000;
const QUESTIONS_BATCH: u32 = 500;
/// Users in one query.
const USERS_CHUNK: usize = 1_000;

/// The Quiz Engine's database as a source of quizzes and attempts. It pools its connections: make one and share it.
#[derive(Clone, Debug)]
pub struct MongoSource {
    quizzes: Collection<RawDocumentBuf>,
    questions: Collection<RawDocumentBuf>,
    sessions: Collection<RawDocumentBuf>,
}

impl MongoSource {
    /// Makes a source for `database`; the first read connects. All reads go to the primary, even if the URI prefers
    /// secondaries.
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

    /// Reads like [`AnswerSource::attempt_heads`], into a stream that does not borrow the source.
    ///
    /// # Errors
    /// [`SourceError`] if the first heads cannot be read.
    pub async fn heads(&self, quiz_id: &str) -> Result<DocumentStream<'static>, SourceError> {
        let what = format!("the attempts of quiz {quiz_id}");
        let find = self.sessions.find(doc! { "quiz_id": { "$in": stored_forms(quiz_id) } });
        let found = find.projection(head_fields()).batch_size(HEADS_BATCH).await;
        let cursor = found.map_err(|error| read_error(what.clone(), &error))?;
        let heads = stream::try_unfold((cursor, what), |(mut cursor, what)| async move {
            let has_document = cursor.advance().await.map_err(|error| read_error(what.clone(), &error))?;
            Ok(has_document.then(|| (decode_or_placeholder(cursor.current(), &what), (cursor, what))))
        });
        Ok(heads.boxed())
    }

    /// Reads like [`AnswerSource::attempts`], into a stream that does not borrow the source.
    #[must_use]
    pub fn attempt_batches(&self, quiz_id: &str, keys: Vec<Bson>) -> AttemptStream<'static> {
        let what = format!("attempts of quiz {quiz_id}");
        let reader = AttemptReader::new(self.sessions.clone(), keys);
        let batches = stream::try_unfold(reader, move |mut reader| {
            let what = what.clone();
            async move {
                let next = reader.next().await.map_err(|error| read_error(what, &error))?;
                Ok(next.map(|batch| (batch, reader)))
            }
        });
        batches.boxed()
    }

    async fn read_questions(&self, quiz: &Document, quiz_id: &str) -> Result<Vec<Document>, SourceError> {
        let sets = set_ids(quiz);
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let what = format!("the questions of quiz {quiz_id}");
        let failed = |error| read_error(what.clone(), &error);
        let find = self.questions.find(doc! { "question_set_id": { "$in": sets } });
        let mut cursor = find.sort(doc! { "_id": 1 }).batch_size(QUESTIONS_BATCH).await.map_err(&failed)?;
        let mut questions = Vec::new();
        while cursor.advance().await.map_err(&failed)? {
            questions.push(decode_or_placeholder(cursor.current(), &what));
        }
        Ok(questions)
    }
}

/// The ids of the quiz's question sets, each in all stored forms of a reference to it.
pub(crate) fn set_ids(quiz: &Document) -> Vec<Bson> {
    let sets = quiz.get_array("question_sets").map(Vec::as_slice).unwrap_or_default();
    let ids = sets.iter().filter_map(|set| set.as_document()?.get("_id"));
    ids.flat_map(|id| match id {
        Bson::String(id) => stored_forms(id),
        Bson::ObjectId(id) => stored_forms(&id.to_hex()),
        other => vec![other.clone()],
    })
    .collect()
}

#[async_trait]
impl AnswerSource for MongoSource {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        let what = format!("quiz {quiz_id}");
        let find = self.quizzes.find(doc! { "_id": { "$in": stored_forms(quiz_id) } });
        let failed = |error| read_error(what.clone(), &error);
        // one document can exist for each id type; text ids sort first
        let mut cursor = find.sort(doc! { "_id": 1 }).limit(2).await.map_err(&failed)?;
        let mut stored = Vec::new();
        while cursor.advance().await.map_err(&failed)? {
            stored.push(decode_or_placeholder(cursor.current(), &what));
        }
        let mut problems = Problems::default();
        if stored.len() > 1 {
            let example = format!("quiz document {quiz_id} is stored {} times", stored.len());
            problems.add(ProblemKind::DocumentStoredTwice, example);
        }
        let newest =
            stored.into_iter().reduce(|kept, other| if replaces(&other, &kept) { other } else { kept });
        let Some(quiz) = newest else { return Ok(None) };
        if let Some(why) = unreadable_cause(&quiz) {
            return Err(SourceError::Corrupt { what, cause: why.into() });
        }
        let questions = self.read_questions(&quiz, quiz_id).await?;
        Ok(Some(QuizDocuments { quiz, questions, problems }))
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        self.heads(quiz_id).await
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        let what = format!("the attempts of {} users of quiz {quiz_id}", user_ids.len());
        let failed = |error| read_error(what.clone(), &error);
        let mut heads = Vec::new();
        for users in user_ids.chunks(USERS_CHUNK) {
            let users: Vec<Bson> = users.iter().flat_map(|id| user_forms(id)).collect();
            let quiz = stored_forms(quiz_id);
            let find = self.sessions.find(doc! { "quiz_id": { "$in": quiz }, "user_id": { "$in": users } });
            let found = find.projection(head_fields()).batch_size(HEADS_BATCH).await;
            let mut cursor = found.map_err(&failed)?;
            while cursor.advance().await.map_err(&failed)? {
                heads.push(decode_or_placeholder(cursor.current(), &what));
            }
        }
        Ok(heads)
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        Ok(self.attempt_batches(quiz_id, keys))
    }
}

fn head_fields() -> Document {
    AttemptHead::FIELDS.into_iter().map(|field| (field.to_owned(), Bson::Int32(1))).collect()
}
