//! Reads answers from a folder that `mongodump` wrote.
//!
//! The source reads each file once and keeps an index of ids and byte offsets in memory. It then reads single documents
//! at their offsets, so memory does not grow with the size of the answers. A gzipped file is unpacked once into a
//! temporary file, because a gzip cannot be read at an offset.

mod collection;
mod decode;
mod error;
mod files;
mod format;
mod index;
mod reader;
mod stream;
mod unpack;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, Document};
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream as streams};
use quiz_domain::{ProblemKind, Problems, unreadable_cause, user_id};
use quiz_pipeline::ports::{AnswerSource, AttemptStream, DocumentStream, QuizDocuments, SourceError};
use tokio::sync::OnceCell;

pub use error::DumpError;
pub use index::DumpedQuiz;

use collection::Collection;
use files::Files;
use index::{Questions, Quizzes, Sessions};
use reader::DocumentPosition;

/// A dump of the Quiz Engine's collections: `quizzes`, `questions` and `sessions`, as `.bson` or
/// `.bson.gz`. Memory holds ids and offsets only; documents are read on demand.
///
/// A document that cannot be decoded is reported alone: its neighbours are read, as long as its length is right.
#[derive(Debug)]
pub struct DumpSource {
    files: Files,
    quizzes: Quizzes,
    questions: OnceCell<Questions>,
    sessions: OnceCell<Sessions>,
}

impl DumpSource {
    /// Finds the files in the folder, or in its only sub-folder with a dump, and lists the quizzes. Blocks while the
    /// quizzes' file is read.
    ///
    /// # Errors
    /// [`DumpError`] where the folder, its quizzes or its sessions are missing, a collection has two files, or the
    /// quizzes cannot be read. A missing questions file is no error: the questions embedded in the quizzes are used.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, DumpError> {
        let files = Files::find(folder.as_ref())?;
        let quizzes = Quizzes::read(&files.quizzes)?;
        Ok(Self { files, quizzes, questions: OnceCell::new(), sessions: OnceCell::new() })
    }

    /// All quizzes of the dump, in the order of the file.
    #[must_use]
    pub fn quizzes(&self) -> &[DumpedQuiz] {
        &self.quizzes.listed
    }

    /// The ids of all quizzes, in the order of the file.
    pub fn quiz_ids(&self) -> impl Iterator<Item = &str> {
        self.quizzes.listed.iter().map(|quiz| quiz.id.as_str())
    }

    /// Whether the dump holds the questions' full documents.
    #[must_use]
    pub fn has_questions(&self) -> bool {
        self.files.questions.is_some()
    }

    async fn sessions(&self) -> Result<&Sessions, SourceError> {
        let collection = Arc::clone(&self.files.sessions);
        self.sessions.get_or_try_init(|| blocking(collection, Sessions::read)).await
    }

    async fn questions_of(&self, sets: &HashSet<String>) -> Result<Vec<Document>, SourceError> {
        let Some(questions) = &self.files.questions else { return Ok(Vec::new()) };
        let index =
            self.questions.get_or_try_init(|| blocking(Arc::clone(questions), Questions::read)).await?;
        stream::documents(Arc::clone(questions), index.of(sets)).try_collect().await
    }
}

#[async_trait]
impl AnswerSource for DumpSource {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        let Some(stored) = self.quizzes.find(quiz_id) else { return Ok(None) };
        let file = &self.files.quizzes;
        let Some(quiz) = stream::documents(Arc::clone(file), vec![stored.place]).try_next().await? else {
            return Ok(None);
        };
        if let Some(why) = unreadable_cause(&quiz) {
            let what = format!("quiz {quiz_id} of {}", file.path().display());
            return Err(SourceError::Corrupt { what, cause: why.into() });
        }
        let mut problems = Problems::default();
        if stored.copies > 1 {
            let example = format!("quiz document {quiz_id} is stored {} times", stored.copies);
            problems.add(ProblemKind::DocumentStoredTwice, example);
        }
        let questions = self.questions_of(&set_ids(&quiz)).await?;
        Ok(Some(QuizDocuments { quiz, questions, problems }))
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        let heads = self.sessions().await?.of(quiz_id).iter();
        Ok(streams::iter(heads.map(|head| Ok(head.document()))).boxed())
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        let users: HashSet<&str> = user_ids.iter().map(String::as_str).collect();
        let is_theirs = |head: &Document| user_id(head).is_some_and(|user| users.contains(user.as_str()));
        self.attempt_heads(quiz_id).await?.try_filter(|head| ready(is_theirs(head))).try_collect().await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let places: Vec<DocumentPosition> = self.sessions().await?.places(quiz_id, &keys);
        Ok(stream::batches(Arc::clone(&self.files.sessions), places).boxed())
    }
}

fn set_ids(quiz: &Document) -> HashSet<String> {
    let sets = quiz.get_array("question_sets").map(Vec::as_slice).unwrap_or_default();
    let ids = sets.iter().filter_map(|set| match set.as_document()?.get("_id")? {
        Bson::String(id) => Some(id.clone()),
        Bson::ObjectId(id) => Some(id.to_hex()),
        _ => None,
    });
    ids.collect()
}

async fn blocking<T: Send + 'static>(
    collection: Arc<Collection>,
    read: fn(&Collection) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let what = collection.path().display().to_string();
    tokio::task::spawn_blocking(move || read(&collection))
        .await
        .map_err(|cause| SourceError::Unavailable { what, cause: Box::new(cause) })?
}
