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

/// Asserts that a source which holds exactly [`documents`] does what the port promises.
pub async fn answer_source(source: &dyn AnswerSource) {
    let stored = documents();
    a_quiz_is_found_whatever_its_id_is_stored_as(source, &stored).await;
    an_unknown_quiz_is_none(source).await;
    heads_are_of_all_sessions_of_the_quiz(source, &stored).await;
    heads_of_some_users_are_found(source, &stored).await;
    attempts_are_the_documents_asked_for(source, &stored).await;
    a_document_that_is_gone_is_left_out(source, &stored).await;
    a_stream_can_be_left_half_way(source, &stored).await;
    tests_are_read_side_by_side(source, &stored).await;
}

async fn a_quiz_is_found_whatever_its_id_is_stored_as(source: &dyn AnswerSource, stored: &Collections) {
    for quiz_id in [TEXT_QUIZ, OBJECT_ID_QUIZ, EMPTY_QUIZ] {
        let found = source.quiz(quiz_id).await.unwrap().unwrap_or_else(|| panic!("quiz {quiz_id} is lost"));
        assert_eq!(found.quiz, *stored.quiz(quiz_id), "quiz {quiz_id} is another");
        let questions = by_id(found.questions);
        assert_eq!(questions, by_id(stored.questions_of(quiz_id)), "questions of quiz {quiz_id}");
    }
}

async fn an_unknown_quiz_is_none(source: &dyn AnswerSource) {
    for quiz_id in ["6715f621e1eb083bfa9b0000", "no hex"] {
        assert!(source.quiz(quiz_id).await.unwrap().is_none(), "quiz {quiz_id:?} came from nowhere");
        assert!(heads(source, quiz_id).await.is_empty(), "quiz {quiz_id:?} has sessions");
    }
}

async fn heads_are_of_all_sessions_of_the_quiz(source: &dyn AnswerSource, stored: &Collections) {
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
        let expected = all.into_iter().filter(|head| user_id(head).is_some_and(|it| users.contains(&it)));
        let expected: Vec<Document> = expected.collect();
        assert!(!expected.is_empty() && expected.len() < stored.sessions_of(quiz_id).len());
        users.push("nobody".to_owned());
        assert_same(source.heads_of(quiz_id, &users).await.unwrap(), expected, "heads of users");
        assert!(source.heads_of(quiz_id, &[]).await.unwrap().is_empty());
    }
}

async fn attempts_are_the_documents_asked_for(source: &dyn AnswerSource, stored: &Collections) {
    for quiz_id in [TEXT_QUIZ, OBJECT_ID_QUIZ] {
        let all = stored.sessions_of(quiz_id);
        assert_same(attempts(source, quiz_id, keys(&all)).await, all.clone(), "all attempts");
        let some: Vec<Document> = all.into_iter().step_by(7).collect();
        assert_same(attempts(source, quiz_id, keys(&some)).await, some, "every seventh attempt");
    }
    assert!(attempts(source, TEXT_QUIZ, Vec::new()).await.is_empty(), "no key yields documents");
}

async fn a_document_that_is_gone_is_left_out(source: &dyn AnswerSource, stored: &Collections) {
    let some: Vec<Document> = stored.sessions_of(TEXT_QUIZ).into_iter().take(3).collect();
    let mut asked = keys(&some);
    asked.insert(1, Bson::String("ffffffffffffffffffffffff".into()));
    asked.push(Bson::ObjectId(ObjectId::from_bytes([0xee; 12])));
    assert_same(attempts(source, TEXT_QUIZ, asked).await, some, "attempts beside gone ones");
}

async fn a_stream_can_be_left_half_way(source: &dyn AnswerSource, stored: &Collections) {
    let all = stored.sessions_of(TEXT_QUIZ);
    let first: Vec<_> = source.attempt_heads(TEXT_QUIZ).await.unwrap().take(3).collect().await;
    assert_eq!(first.len(), 3);
    let first: Vec<_> = source.attempts(TEXT_QUIZ, keys(&all)).await.unwrap().take(1).collect().await;
    assert_eq!(first.len(), 1);
    assert_eq!(attempts(source, TEXT_QUIZ, keys(&all)).await.len(), all.len(), "a later stream suffers");
}

async fn tests_are_read_side_by_side(source: &dyn AnswerSource, stored: &Collections) {
    let (of_one, of_other) = (stored.sessions_of(TEXT_QUIZ), stored.sessions_of(OBJECT_ID_QUIZ));
    let (one, other) = futures::join!(
        attempts(source, TEXT_QUIZ, keys(&of_one)),
        attempts(source, OBJECT_ID_QUIZ, keys(&of_other))
    );
    assert_same(one, of_one, "one of two at a time");
    assert_same(other, of_other, "the other of two at a time");
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

/// Equal as sets, whatever the order.
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
