//! Small test sessions, built from documents in the form of the Quiz Engine.
#![allow(clippy::unwrap_used, reason = "for tests only")]

use bson::{Bson, Document, doc};
use jiff::Timestamp;
use quiz_domain::{Quiz, SessionResult, SessionScorer, TestSession};
use quiz_sample::sapa;

/// A quiz with one set of single-choice questions; option 0 is right, and the marks are +4, −1, 0.
pub(crate) fn quiz(title: &str, questions: &[(&str, &str)]) -> Document {
    let questions: Vec<Bson> = questions
        .iter()
        .enumerate()
        .map(|(index, (subject, text))| {
            doc! {
                "_id": format!("q{index}"), "text": *text, "type": "single-choice",
                "options": [{"text": "one"}, {"text": "two"}], "correct_answer": [0],
                "metadata": {"subject": *subject, "chapter": format!("{subject} basics")},
            }
            .into()
        })
        .collect();
    doc! {
        "_id": "6715f621e1eb083bfa9b56cc", "title": title,
        "question_sets": [{
            "_id": "s1", "title": "Set", "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0},
            "questions": questions,
        }],
        "metadata": {"quiz_type": "assessment"},
    }
}

/// The result of a test session: user id, answers, and whether the attempt has ended.
pub(crate) fn test(quiz: &Document, attempts: &[(&str, Vec<Bson>, bool)]) -> SessionResult {
    let (quiz, problems) = Quiz::read(quiz, &[]).unwrap();
    let session = TestSession {
        session_id: format!("EnableStudents_{}", quiz.id),
        quiz_id: quiz.id.clone(),
        ..TestSession::default()
    };
    let documents = attempts.iter().enumerate().map(|(index, (user, answers, ended))| {
        let answers = answers.iter().enumerate().map(|(at, answer)| {
            let id = quiz.questions.get(at).map(|question| question.id.clone());
            Bson::from(doc! {"question_id": id, "answer": answer.clone(), "visited": true})
        });
        doc! {
            "_id": format!("6715f621e1eb083bfa9c{index:04x}"), "user_id": *user, "quiz_id": &quiz.id,
            "has_quiz_ended": *ended, "session_answers": answers.collect::<Vec<_>>(),
            "events": [{"event_type": "start-quiz", "created_at": "2024-10-21T04:30:00"}],
        }
    });
    let documents: Vec<Document> = documents.collect();
    let mut builder = SessionScorer::new(quiz, session, Timestamp::UNIX_EPOCH, problems);
    for document in &documents {
        let _ = builder.take(document);
    }
    builder.finish().unwrap()
}

/// `right` right answers, then `wrong` wrong ones, then skipped ones up to `all`.
pub(crate) fn answers(right: usize, wrong: usize, all: usize) -> Vec<Bson> {
    (0..all)
        .map(|at| match at {
            at if at < right => vec![0].into(),
            at if at < right + wrong => vec![1].into(),
            _ => Bson::Null,
        })
        .collect()
}

/// A form of a text, a single-choice, a multi-choice and a matrix question, with three responses.
pub(crate) fn form() -> SessionResult {
    let options =
        |texts: &[&str]| texts.iter().map(|text| doc! {"text": *text}.into()).collect::<Vec<Bson>>();
    let quiz = doc! {
        "_id": "6715f621e1eb083bfa9b56cc", "title": "Student Baseline Form",
        "question_sets": [{"_id": "s1", "title": "Baseline", "questions": [
            {"_id": "q0", "text": "What is your name?", "type": "subjective", "graded": false},
            {"_id": "q1", "text": "Which combination did you choose in 11th grade?", "type": "single-choice",
             "options": options(&["PCM (Physics, Chemistry, Mathematics)", "PCB"]), "graded": false},
            {"_id": "q2", "text": "Which subjects are you <b>good</b> at?", "type": "multi-choice",
             "options": options(&["Maths", "English", "Science", ""]), "graded": false},
            {"_id": "q3", "text": "How difficult are these?", "type": "matrix-rating", "graded": false,
             "options": options(&["Easy", "Hard"])},
        ]}],
        "metadata": {"quiz_type": "form"},
    };
    let rating: Bson = doc! {"Math": 1}.into();
    test(
        &quiz,
        &[
            ("u1", vec!["Asha Secretname".into(), vec![0].into(), vec![0, 2].into(), rating], true),
            ("u2", vec!["  ".into(), vec![1].into(), vec![2].into(), Bson::Null], true),
            ("u3", vec![Bson::Null, vec![0].into(), Bson::Array(vec![]), Bson::Null], false),
        ],
    )
}

/// The bundled sample as a test session.
pub(crate) fn sapa_test() -> SessionResult {
    let documents = sapa::documents().unwrap();
    let (quiz, problems) = Quiz::read(documents.quizzes.first().unwrap(), &documents.questions).unwrap();
    let session = TestSession {
        session_id: sapa::SESSION_ID.into(),
        quiz_id: sapa::QUIZ_ID.into(),
        ..TestSession::default()
    };
    let counts = |attempt: &&Document| {
        attempt.get_str("user_id").unwrap() != sapa::ADMINISTRATOR
            && attempt.get_bool("has_quiz_ended").unwrap()
    };
    let mut builder = SessionScorer::new(quiz, session, Timestamp::UNIX_EPOCH, problems);
    for document in documents.sessions.iter().filter(counts) {
        let _ = builder.take(document);
    }
    builder.finish().unwrap()
}
