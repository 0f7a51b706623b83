//! Makes report items from small quizzes with the domain's code.

use bson::{Bson, Document, bson, doc};
use jiff::Timestamp;
use quiz_domain::reports::{self, FormResponse, ReportItem, ReportTable, Stamp};
use quiz_domain::{Quiz, SessionResult, SessionScorer, TakenDocument, TestSession, Value};

const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
/// Items of one user: the whole test and two subjects, or three answers to a form.
const ITEMS_OF_A_USER: usize = 3;

/// The first `count` sealed items of a test session in the table, by user `u0`, `u1`, …, as the sync with this generation
/// writes them. They hold integers and fractions, texts in several scripts, lists and objects. The items of two
/// generations differ.
#[must_use]
pub fn items(table: ReportTable, session_id: &str, count: usize, generation: i64) -> Vec<ReportItem> {
    let test = test(table, session_id, count);
    let written_at = Timestamp::from_second(1_714_500_000 + generation).unwrap();
    let stamp = Stamp { written_at, generation };
    let mut items: Vec<_> = reports::items(&test, table, stamp).take(count).collect();
    items.iter_mut().for_each(ReportItem::seal);
    assert_eq!(items.len(), count, "the fixture has too few items");
    items
}

/// An item of at least 500,000 bytes.
#[must_use]
pub fn large_item(session_id: &str) -> ReportItem {
    ReportItem::FormResponse(Box::new(FormResponse {
        session_id: session_id.to_owned(),
        sort_key: "large#0".into(),
        user_id: "large".into(),
        question_position_index: 0,
        question_id: "q0".into(),
        question_set_title: None,
        question_text: None,
        priority: Value::Null,
        user_response: Value::Text("long answer ".repeat(50_000)),
        user_response_labels: None,
        is_answered: true,
        test_name: "A form".into(),
        start_date: "2024-04-30".into(),
        sync_generation: 1,
        content_digest: None,
    }))
}

/// A test session with enough users for `count` items.
fn test(table: ReportTable, session_id: &str, count: usize) -> SessionResult {
    let kind = if table == ReportTable::FormResponses { "form" } else { "assessment" };
    let (quiz, problems) = Quiz::read(&quiz(kind), &[]).unwrap();
    let session = TestSession {
        session_id: session_id.to_owned(),
        quiz_id: QUIZ.to_owned(),
        school: Some("JNV पुणे".into()),
        ..TestSession::default()
    };
    let now = Timestamp::from_second(1_714_500_000).unwrap();
    let mut builder = SessionScorer::new(quiz, session, now, problems);
    let users = if table == ReportTable::Students { count } else { count.div_ceil(ITEMS_OF_A_USER) };
    for user in 0..users {
        assert!(matches!(builder.take(&attempt(user)), TakenDocument::Attempt(_)));
    }
    builder.finish().unwrap()
}

pub(crate) fn quiz(kind: &str) -> Document {
    let question = |id: &str, subject: &str| {
        bson!({
            "_id": id, "type": "subjective", "graded": true, "correct_answer": Bson::Null, "text": "Why? कारण 🙂",
            "metadata": {"subject": subject, "chapter": "Optics & Waves", "priority": "high"},
        })
    };
    doc! {
        "_id": QUIZ, "title": "Näïve test – परीक्षा 🙂",
        "question_sets": [{"_id": "s", "title": "All", "marking_scheme": {"correct": 2.5, "wrong": -0.83, "skipped": 0},
            "questions": [question("a", "Physics"), question("b", "गणित"), question("c", "Physics")]}],
        "metadata": {"quiz_type": kind, "test_format": "chapter_test"},
    }
}

pub(crate) fn attempt(user: usize) -> Document {
    let number = i64::try_from(user).unwrap();
    let answers = match user % 4 {
        0 => vec![bson!("हाँ, because 🙂\n\"quoted\""), bson!(0.1), bson!(9_007_199_254_740_991_i64)],
        1 => vec![bson!([0, 2, Bson::Null]), bson!(-number), Bson::Null],
        2 => vec![bson!({"row": [1, 2.75], "दूसरी": "text"}), bson!(1e-7), bson!("")],
        _ => vec![bson!(true), bson!([]), bson!({})],
    };
    let record = |(id, answer): (&str, Bson)| bson!({"question_id": id, "answer": answer});
    let records: Vec<Bson> = ["a", "b", "c"].into_iter().zip(answers).map(record).collect();
    doc! {
        "_id": format!("{number:024x}"), "user_id": format!("u{user}"), "quiz_id": QUIZ,
        "has_quiz_ended": !user.is_multiple_of(3),
        "events": [{"event_type": "start-quiz", "created_at": "2024-04-30T04:30:00"}],
        "session_answers": records,
    }
}
