//! The suite of [`AnswerSource`].

mod documents;

use std::collections::BTreeMap;

use bson::oid::ObjectId;
use bson::{Bson, Document};
use futures::{StreamExt, TryStreamExt};
use quiz_domain::{AttemptHead, user_id};
use quiz_pipeline::ports::{AnswerSource, AttemptBatch, AttemptStream, DocumentStream, SourceError};

pub use documents::{Collections, documents};
pub use documents::{EMPTY_QUIZ, OBJECT_ID_QUIZ, TEXT_QUIZ};

/// Asserts the promises of the port for a source with exactly [`documents`].
pub async fn answer_source(source: &dyn AnswerSource) {
    let stored = documents();
    quiz_is_found_by_either_id_type(source, &stored).await;
    unknown_quiz_is_none(source).await;
    heads_cover_all_attempts_of_quiz(source, &stored).await;
    heads_of_some_users_are_found(source, &stored).await;
    attempts_match_the_requested_keys(source, &stored).await;
    deleted_document_is_skipped(source, &stored).await;
    dropped_stream_disturbs_no_later_stream(source, &stored).await;
    two_quizzes_are_read_concurrently(source, &stored).await;
}

async fn quiz_is_found_by_either_id_type(source: &dyn AnswerSource, stored: &Collections) {
    for quiz_id in [TEXT_QUIZ, OBJECT_ID_QUIZ, EMPTY_QUIZ] {
        let found = source.quiz(quiz_id).await.unwrap().unwrap_or_else(|| panic!("quiz {quiz_id} is lost"));
        assert_eq!(found.quiz, *stored.quiz(quiz_id), "quiz {quiz_id} differs");
        let questions = by_id(found.questions);
        assert_eq!(questions, by_id(stored.questions_of(quiz_id)), "questions of quiz {quiz_id}");
    }
}

async fn unknown_quiz_is_none(source: &dyn AnswerSource) {
    for quiz_id in ["6715f621e1eb083bfa9b0000", "no hex"] {
        assert!(source.quiz(quiz_id).await.unwrap().is_none(), "quiz {quiz_id:?} does not exist");
        assert!(heads(source, quiz_id).await.is_empty(), "quiz {quiz_id:?} has sessions");
    }
}

async fn heads_cover_all_attempts_of_quiz(source: &dyn AnswerSource, stored: &Collections) {
    for quiz_id in [TEXT_QUIZ, OBJECT_ID_QUIZ, EMPTY_QUIZ] {
        let expected = stored.sessions_of(quiz_id).into_iter().map(|document| {
            let head =
                document.into_iter().filter(|(field, _)| AttemptHead::FIELDS.contains(&field.as_str()));
            head.collect::<Document>()
        });
        assert_same(heads(source, quiz_id).await, expected.collect(), "heads");
    }
}

async fn heads_of_some_users_are_found(source: &dyn AnswerSource, stored: &Collections) {
    for quiz_id in [TEXT_QUIZ, OBJECT_ID_QUIZ] {
        let all = heads(source, quiz_id).await;
        let mut users: Vec<String> = all.iter().filter_map(user_id).step_by(3).collect();
        let expected = all.into_iter().filter(|head| user_id(head).is_some_and(|user| users.contains(&user)));
        let expected: Vec<Document> = expected.collect();
        assert!(!expected.is_empty() && expected.len() < stored.sessions_of(quiz_id).len());
        users.push("unknown user".to_owned());
        assert_same(source.heads_of(quiz_id, &users).await.unwrap(), expected, "heads of users");
        assert!(source.heads_of(quiz_id, &[]).await.unwrap().is_empty());
    }
}

async fn attempts_match_the_requested_keys(source: &dyn AnswerSource, stored: &Collections) {
    for quiz_id in [TEXT_QUIZ, OBJECT_ID_QUIZ] {
        let all = stored.sessions_of(quiz_id);
        assert_same(attempts(source, quiz_id, keys(&all)).await, all.clone(), "all attempts");
        let some: Vec<Document> = all.into_iter().step_by(7).collect();
        assert_same(attempts(source, quiz_id, keys(&some)).await, some, "every seventh attempt");
    }
    assert!(attempts(source, TEXT_QUIZ, Vec::new()).await.is_empty(), "no key yields documents");
}

async fn deleted_document_is_skipped(source: &dyn AnswerSource, stored: &Collections) {
    let some: Vec<Document> = stored.sessions_of(TEXT_QUIZ).into_iter().take(3).collect();
    let mut requested = keys(&some);
    requested.insert(1, Bson::String("ffffffffffffffffffffffff".into()));
    requested.push(Bson::ObjectId(ObjectId::from_bytes([0xee; 12])));
    assert_same(attempts(source, TEXT_QUIZ, requested).await, some, "attempts among deleted ones");
}

async fn dropped_stream_disturbs_no_later_stream(source: &dyn AnswerSource, stored: &Collections) {
    let all = stored.sessions_of(TEXT_QUIZ);
    let first: Vec<_> = source.attempt_heads(TEXT_QUIZ).await.unwrap().take(3).collect().await;
    assert_eq!(first.len(), 3);
    let first: Vec<_> = source.attempts(TEXT_QUIZ, keys(&all)).await.unwrap().take(1).collect().await;
    assert_eq!(first.len(), 1);
    assert_eq!(
        attempts(source, TEXT_QUIZ, keys(&all)).await.len(),
        all.len(),
        "a later stream is incomplete"
    );
}

async fn two_quizzes_are_read_concurrently(source: &dyn AnswerSource, stored: &Collections) {
    let (expected_one, expected_other) = (stored.sessions_of(TEXT_QUIZ), stored.sessions_of(OBJECT_ID_QUIZ));
    let (one, other) = futures::join!(
        attempts(source, TEXT_QUIZ, keys(&expected_one)),
        attempts(source, OBJECT_ID_QUIZ, keys(&expected_other))
    );
    assert_same(one, expected_one, "first concurrent read");
    assert_same(other, expected_other, "second concurrent read");
}

async fn heads(source: &dyn AnswerSource, quiz_id: &str) -> Vec<Document> {
    all(source.attempt_heads(quiz_id).await.unwrap()).await
}

async fn attempts(source: &dyn AnswerSource, quiz_id: &str, keys: Vec<Bson>) -> Vec<Document> {
    decoded(source.attempts(quiz_id, keys).await.unwrap()).await.unwrap()
}

/// The documents of a stream's batches.
///
/// # Errors
/// The stream's.
pub async fn decoded(batches: AttemptStream<'_>) -> Result<Vec<Document>, SourceError> {
    let batches: Vec<AttemptBatch> = batches.try_collect().await?;
    let documents = batches.iter().flat_map(|batch| batch.documents().map(|raw| batch.decode(raw)));
    Ok(documents.collect())
}

async fn all(stream: DocumentStream<'_>) -> Vec<Document> {
    stream.try_collect().await.unwrap()
}

fn keys(documents: &[Document]) -> Vec<Bson> {
    documents.iter().map(|document| document["_id"].clone()).collect()
}

/// Asserts that two lists of documents are equal in any order.
fn assert_same(found: Vec<Document>, expected: Vec<Document>, what: &str) {
    assert_eq!(found.len(), expected.len(), "number of {what}");
    let (found, expected) = (by_id(found), by_id(expected));
    for (id, document) in expected {
        assert_eq!(found.get(&id), Some(&document), "{what}: {id}");
    }
}

fn by_id(documents: Vec<Document>) -> BTreeMap<String, Document> {
    documents.into_iter().map(|document| (format!("{:?}", document["_id"]), document)).collect()
}
