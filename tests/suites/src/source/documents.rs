use bson::oid::ObjectId;
use bson::{Bson, Document, bson, doc};

/// A quiz whose ids are stored as text, as in the Quiz Engine.
pub const TEXT_QUIZ: &str = "6715f621e1eb083bfa9b56c1";
/// A quiz whose ids are stored as `ObjectId`s.
pub const OBJECT_ID_QUIZ: &str = "6715f621e1eb083bfa9b56c2";
/// A quiz without questions and without attempts.
pub const EMPTY_QUIZ: &str = "6715f621e1eb083bfa9b56c3";

const LONG_SET: &str = "6715f621e1eb083bfa9b57a1";
const SHORT_SET: &str = "6715f621e1eb083bfa9b57a2";
const OTHER_SET: &str = "6715f621e1eb083bfa9b57a3";
const FOREIGN_SET: &str = "6715f621e1eb083bfa9b57ff";

/// Users of [`TEXT_QUIZ`]; every fifth user resumed and has two documents.
const USERS: u32 = 1_000;

/// The documents of the source under test.
#[derive(Clone, Debug, Default)]
pub struct Collections {
    pub quizzes: Vec<Document>,
    pub questions: Vec<Document>,
    pub sessions: Vec<Document>,
}

impl Collections {
    pub(super) fn quiz(&self, quiz_id: &str) -> &Document {
        self.quizzes.iter().find(|quiz| is(quiz.get("_id"), quiz_id)).unwrap()
    }

    pub(super) fn questions_of(&self, quiz_id: &str) -> Vec<Document> {
        let sets: &[&str] = match quiz_id {
            TEXT_QUIZ => &[LONG_SET, SHORT_SET],
            OBJECT_ID_QUIZ => &[OTHER_SET],
            _ => &[],
        };
        let is_in_sets =
            |question: &&Document| sets.iter().any(|set| is(question.get("question_set_id"), set));
        self.questions.iter().filter(is_in_sets).cloned().collect()
    }

    pub(super) fn sessions_of(&self, quiz_id: &str) -> Vec<Document> {
        self.sessions.iter().filter(|session| is(session.get("quiz_id"), quiz_id)).cloned().collect()
    }
}

fn is(stored: Option<&Bson>, id: &str) -> bool {
    stored == Some(&text(id)) || stored == Some(&object_id(id))
}

/// Three quizzes in one store: ids as text and as `ObjectId`s, sets with more questions than a quiz document holds in
/// full, users with several attempts, and malformed documents. The attempts are more than a server sends in one batch,
/// and the attempts of the quizzes alternate.
#[must_use]
pub fn documents() -> Collections {
    let questions_of = |set: &str, count: u32, id: fn(&str) -> Bson| -> Vec<Document> {
        (0..count).map(|number| question(set, number, id)).collect()
    };
    let long = questions_of(LONG_SET, 15, text);
    let short = questions_of(SHORT_SET, 2, text);
    let other = questions_of(OTHER_SET, 12, object_id);
    let quizzes = vec![
        doc! {"_id": EMPTY_QUIZ, "title": "A quiz without anything", "question_sets": [], "metadata": Bson::Null},
        quiz(TEXT_QUIZ, text, &[(LONG_SET, &long), (SHORT_SET, &short)]),
        quiz(OBJECT_ID_QUIZ, object_id, &[(OTHER_SET, &other)]),
    ];
    let mut questions = questions_of(FOREIGN_SET, 3, text);
    questions.extend(other);
    questions.extend(long);
    questions.extend(short);
    // questions can store their set's id as the other type
    questions[20].insert("question_set_id", object_id(LONG_SET));
    questions.push(doc! {"_id": "of no set", "question_set_id": Bson::Null, "text": "?"});
    Collections { quizzes, questions, sessions: sessions() }
}

fn quiz(quiz_id: &str, id: fn(&str) -> Bson, sets: &[(&str, &[Document])]) -> Document {
    let sets = sets.iter().map(|(set, questions)| {
        let questions = questions.iter().enumerate().map(|(number, question)| {
            let mut question = question.clone();
            if number >= 10 {
                for field in ["text", "options", "metadata"] {
                    question.remove(field);
                }
            }
            question
        });
        doc! {
            "_id": id(set), "title": "All questions", "questions": questions.collect::<Vec<_>>(),
            "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0},
        }
    });
    doc! {
        "_id": id(quiz_id), "title": format!("परीक्षा of quiz {quiz_id}"),
        "question_sets": sets.collect::<Vec<_>>(),
        "metadata": {"quiz_type": "assessment", "grade": "12"},
    }
}

fn question(set: &str, number: u32, id: fn(&str) -> Bson) -> Document {
    let own = format!("{}{number:04x}", &set[4..]);
    doc! {
        "_id": id(&own), "question_set_id": id(set), "type": "single-choice", "graded": true,
        "force_correct": false, "correct_answer": [0], "text": format!("Question {number}?"),
        "options": [{"text": "yes"}, {"text": "no"}],
        "metadata": {"subject": "Physics", "chapter": format!("Chapter {}", number % 4)},
    }
}

fn sessions() -> Vec<Document> {
    let mut sessions = Vec::new();
    for user in 0..USERS {
        let id: fn(&str) -> Bson = if user % 3 == 0 { object_id } else { text };
        sessions.push(session(&format!("a{user:023x}"), TEXT_QUIZ, id, &format!("user-{user}")));
        if user % 5 == 0 {
            let mut resumed = session(&format!("b{user:023x}"), TEXT_QUIZ, id, &format!("user-{user}"));
            resumed.insert("has_quiz_ended", false);
            sessions.push(resumed);
        }
        if user % 30 == 0 {
            let other = session(&format!("c{user:023x}"), OBJECT_ID_QUIZ, object_id, &format!("user-{user}"));
            sessions.push(other);
        }
    }
    sessions.extend(odd_ones());
    sessions
}

/// Documents without an attempt or without a quiz; the source returns them, too.
fn odd_ones() -> Vec<Document> {
    let id = "d00000000000000000000001";
    vec![
        doc! {"_id": id, "quiz_id": TEXT_QUIZ},
        // the same hex with another type is another document
        doc! {"_id": object_id(id), "quiz_id": TEXT_QUIZ, "user_id": "twin", "has_quiz_ended": true},
        doc! {"_id": 7, "quiz_id": TEXT_QUIZ, "user_id": 42, "has_quiz_ended": "yes"},
        doc! {"_id": "odd answers", "quiz_id": TEXT_QUIZ, "user_id": Bson::Null, "session_answers": "none"},
        doc! {"_id": "no quiz", "user_id": "user-1", "has_quiz_ended": true},
        doc! {"_id": "null quiz", "quiz_id": Bson::Null, "user_id": "user-1", "has_quiz_ended": true},
        doc! {"_id": "quiz as number", "quiz_id": 6715, "user_id": "user-1", "has_quiz_ended": true},
        doc! {"_id": "quiz as object", "quiz_id": {"id": TEXT_QUIZ}, "user_id": "user-1"},
        doc! {"_id": "empty quiz", "quiz_id": "", "user_id": "user-1"},
    ]
}

fn session(session_id: &str, quiz_id: &str, id: fn(&str) -> Bson, user_id: &str) -> Document {
    let answers: Vec<Bson> = (0..15)
        .map(|number| bson!({"question_id": format!("{}{number:04x}", &LONG_SET[4..]), "answer": [number % 4]}))
        .collect();
    doc! {
        "_id": id(session_id), "user_id": user_id, "quiz_id": id(quiz_id), "has_quiz_ended": true,
        "created_at": "2024-04-30T04:30:00.123000",
        "updated_at": bson::DateTime::from_millis(1_714_451_400_123),
        "events": [{"event_type": "start-quiz", "created_at": "2024-04-30T04:30:00"}],
        "session_answers": answers, "total_time_spent": 61.5,
    }
}

fn text(id: &str) -> Bson {
    Bson::String(id.to_owned())
}

fn object_id(id: &str) -> Bson {
    Bson::ObjectId(ObjectId::parse_str(id).unwrap())
}
