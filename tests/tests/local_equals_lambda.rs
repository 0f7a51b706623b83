//! `quiz-etl local` on a dump of several quizzes gives the same items as the deployed Lambda gives for the same
//! documents in MongoDB.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::process::Command;

use mongodb::bson::{Bson, Document, bson, doc, serialize_to_document};
use quiz_domain::reports::ReportTable;
use quiz_local::SqliteStore;
use quiz_sample::{SampleDocuments, write_dump};
use quiz_stack::Delivery;
use support::{Pipeline, binary, comparable};

const QUIZZES: [&str; 6] = [
    include_str!("../../shared/domain/tests/fixtures/form_questionnaire.json"),
    include_str!("../../shared/domain/tests/fixtures/homework_quiz.json"),
    include_str!("../../shared/domain/tests/fixtures/matrix_matching_assessment.json"),
    include_str!("../../shared/domain/tests/fixtures/multiple_question_set_omr_quiz.json"),
    include_str!("../../shared/domain/tests/fixtures/partial_marking_assessment.json"),
    include_str!("../../shared/domain/tests/fixtures/multiple_question_set_quiz.json"),
];

/// Of each real quiz a document with stubs after the tenth question of a set, and sessions of 12 users: some resumed,
/// some not ended, answers right, wrong, of odd shapes, or none.
fn documents() -> SampleDocuments {
    let mut all = SampleDocuments { quizzes: Vec::new(), questions: Vec::new(), sessions: Vec::new() };
    for (number, json) in QUIZZES.into_iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let mut quiz = serialize_to_document(&value).unwrap();
        let quiz_id = format!("{number:024x}");
        quiz.insert("_id", &quiz_id);
        let mut asked: Vec<Document> = Vec::new();
        for (at, set) in quiz.get_array_mut("question_sets").unwrap().iter_mut().enumerate() {
            let set = set.as_document_mut().unwrap();
            let set_id = format!("{number:012x}{at:012x}");
            set.insert("_id", &set_id);
            for (place, question) in set.get_array_mut("questions").unwrap().iter_mut().enumerate() {
                let question = question.as_document_mut().unwrap();
                question.insert("_id", format!("{number:08x}{at:08x}{place:08x}"));
                question.insert("question_set_id", &set_id);
                asked.push(question.clone());
                if place >= 10 {
                    for full_only in ["text", "options", "metadata", "solution", "image"] {
                        question.remove(full_only);
                    }
                }
            }
        }
        all.sessions.extend((0..24).map(|session| session_of(&quiz_id, number, session, &asked)));
        all.questions.extend(asked);
        all.quizzes.push(quiz);
    }
    all
}

/// Sessions 0 to 23: users 0 to 11, each with two documents.
fn session_of(quiz_id: &str, number: usize, session: usize, asked: &[Document]) -> Document {
    let records = asked.iter().enumerate().map(|(place, question)| {
        let key = question.get("correct_answer").cloned().unwrap_or(Bson::Null);
        let answer = match (session * 7 + place * 3 + number) % 6 {
            0 | 1 => key,
            2 => Bson::Null,
            3 => bson!([1]),
            4 => bson!(2.5),
            _ => bson!("some text"),
        };
        doc! {"question_id": question.get_str("_id").unwrap(), "answer": answer, "visited": true, "time_spent": 5}
    });
    doc! {
        "_id": format!("{:016x}{session:08x}", number + 1), "user_id": format!("user {}", session % 12),
        "quiz_id": quiz_id, "has_quiz_ended": !session.is_multiple_of(5), "created_at": "2024-04-30T04:30:00",
        "events": [{"event_type": "start-quiz", "created_at": format!("2024-04-30T04:3{}:00", number)}],
        "session_answers": records.map(Bson::from).collect::<Vec<_>>(),
    }
}

#[tokio::test]
async fn the_embedded_pipeline_and_the_deployed_one_write_the_same_items() {
    let documents = documents();
    let folder = tempfile::tempdir().unwrap();
    write_dump(&folder.path().join("dump"), &documents, true).unwrap();
    let out = folder.path().join("out");
    let local = Command::new(binary("quiz-etl"))
        .args(["local", "--source"])
        .arg(folder.path().join("dump"))
        .arg("--out")
        .arg(&out)
        .env("REPORT_FORMATS", "v1,v2")
        .output()
        .unwrap();
    assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));

    let pipeline = Pipeline::deploy(&documents, Delivery::Envelope).await;
    let ids: Vec<String> = documents.quizzes.iter().map(|it| it.get_str("_id").unwrap().to_owned()).collect();
    pipeline.publish_and_wait(&ids).await;

    let store = SqliteStore::open_existing(out.join("reports.db")).unwrap();
    let mut compared = 0;
    for id in &ids {
        for (table, name) in [
            (ReportTable::Sections, &pipeline.v1),
            (ReportTable::Students, &pipeline.v2),
            (ReportTable::FormResponses, &pipeline.forms),
        ] {
            let local = store.session_items(table, id).await.unwrap();
            let lambda = pipeline.session_items(name, id).await;
            let [local, lambda] =
                [local, lambda].map(|items| items.into_iter().map(comparable).collect::<Vec<_>>());
            assert_eq!(local, lambda, "{name} of quiz {id}");
            compared += local.len();
        }
    }
    assert_eq!(compared, 8 * 12 + 5 * 12 * 2 + 5 * 12);
}
