//! Six real quizzes from the Quiz Engine's API, with made-up attempts.

use mongodb::bson::{Bson, Document, bson, doc, serialize_to_document};
use quiz_sample::SampleDocuments;

const QUIZZES: [&str; 6] = [
    include_str!("../../../shared/domain/tests/it/fixtures/form_questionnaire.json"),
    include_str!("../../../shared/domain/tests/it/fixtures/homework_quiz.json"),
    include_str!("../../../shared/domain/tests/it/fixtures/matrix_matching_assessment.json"),
    include_str!("../../../shared/domain/tests/it/fixtures/multiple_question_set_omr_quiz.json"),
    include_str!("../../../shared/domain/tests/it/fixtures/partial_marking_assessment.json"),
    include_str!("../../../shared/domain/tests/it/fixtures/multiple_question_set_quiz.json"),
];

/// Each real quiz as a document with stubs after the tenth question of a set, and attempts of 12 users. Some users resumed
/// or did not end; answers are right, wrong, malformed or missing.
pub fn documents() -> SampleDocuments {
    let mut all = SampleDocuments { quizzes: Vec::new(), questions: Vec::new(), sessions: Vec::new() };
    for (number, json) in QUIZZES.into_iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let mut quiz = serialize_to_document(&value).unwrap();
        let quiz_id = format!("{number:024x}");
        quiz.insert("_id", &quiz_id);
        let mut questions: Vec<Document> = Vec::new();
        for (at, set) in quiz.get_array_mut("question_sets").unwrap().iter_mut().enumerate() {
            let set = set.as_document_mut().unwrap();
            let set_id = format!("{number:012x}{at:012x}");
            set.insert("_id", &set_id);
            for (place, question) in set.get_array_mut("questions").unwrap().iter_mut().enumerate() {
                let question = question.as_document_mut().unwrap();
                question.insert("_id", format!("{number:08x}{at:08x}{place:08x}"));
                question.insert("question_set_id", &set_id);
                questions.push(question.clone());
                if place >= 10 {
                    for full_only in ["text", "options", "metadata", "solution", "image"] {
                        question.remove(full_only);
                    }
                }
            }
        }
        all.sessions.extend((0..24).map(|session| session_of(&quiz_id, number, session, &questions)));
        all.questions.extend(questions);
        all.quizzes.push(quiz);
    }
    all
}

/// Attempts 0 to 23: users 0 to 11, each with two documents.
fn session_of(quiz_id: &str, number: usize, session: usize, questions: &[Document]) -> Document {
    let records = questions.iter().enumerate().map(|(place, question)| {
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
