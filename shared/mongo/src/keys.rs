//! The keys of many quizzes, for a comparison with the keys that their syncs used.

use std::collections::HashMap;

use bson::{Bson, Document, doc};
use quiz_domain::{KeyDigest, Quiz, replaces};
use quiz_pipeline::ports::SourceError;

use crate::catalog::{MongoCatalog, decoded, id};
use crate::documents::stored_forms;
use crate::error::read_error;
use crate::source::set_ids;

/// Quizzes in memory at the same time, each with some 20 kB.
const QUIZZES_AT_ONCE: usize = 50;
const KEYS: &str = "the keys of quizzes";
/// Most bytes of a question are in fields that decide no mark.
const UNREAD: [&str; 5] = ["text", "options", "solution", "image", "instructions"];

impl MongoCatalog {
    /// Returns the digests of the keys of these quizzes, without those that do not exist or cannot be read.
    ///
    /// # Errors
    /// [`SourceError`] if the quizzes or their questions cannot be read.
    pub async fn keys(&self, quiz_ids: &[String]) -> Result<HashMap<String, KeyDigest>, SourceError> {
        let failed = |error| read_error(KEYS.to_owned(), &error);
        let mut keys = HashMap::with_capacity(quiz_ids.len());
        for chunk in quiz_ids.chunks(QUIZZES_AT_ONCE) {
            // read the quizzes
            let ids: Vec<Bson> = chunk.iter().flat_map(|id| stored_forms(id)).collect();
            let unread: Document = UNREAD
                .iter()
                .map(|field| (format!("question_sets.questions.{field}"), Bson::Int32(0)))
                .collect();
            let find = self.quizzes.find(doc! { "_id": { "$in": ids } }).projection(unread);
            let mut quizzes: HashMap<String, Document> = HashMap::new();
            for quiz in decoded(find.sort(doc! { "_id": 1 }).await.map_err(failed)?, KEYS).await? {
                let Some(quiz_id) = quiz.get("_id").and_then(id) else { continue };
                match quizzes.get(&quiz_id) {
                    Some(kept) if !replaces(&quiz, kept) => {}
                    _ => drop(quizzes.insert(quiz_id, quiz)),
                }
            }
            // read their questions, by set
            let sets: Vec<Bson> = quizzes.values().flat_map(set_ids).collect();
            let unread: Document = UNREAD.iter().map(|field| ((*field).to_owned(), Bson::Int32(0))).collect();
            let find = self.questions.find(doc! { "question_set_id": { "$in": sets } }).projection(unread);
            let questions = decoded(find.sort(doc! { "_id": 1 }).await.map_err(failed)?, KEYS).await?;
            // read the keys; quizzes may share a set
            keys.extend(quizzes.into_iter().filter_map(|(quiz_id, quiz)| {
                let sets = set_ids(&quiz);
                let is_own = |question: &&Document| {
                    question.get("question_set_id").is_some_and(|set| sets.contains(set))
                };
                let own: Vec<Document> = questions.iter().filter(is_own).cloned().collect();
                Some((quiz_id, Quiz::read(&quiz, &own).ok()?.0.key_digest()))
            }));
        }
        Ok(keys)
    }
}
