//! The path over stored bytes gives the same result as the path over decoded documents.

mod cohorts;
use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::{Bson, Document, RawDocument, RawDocumentBuf, bson, doc, rawdoc};
use cohorts::{TYPES, cohorts, raw};
use proptest::prelude::*;
use proptest::sample::Index;
use quiz_domain::{Quiz, SessionScorer, TakenDocument};

use crate::common::{now, question, quiz, session};

fn builder(quiz: &Document) -> SessionScorer {
    let (quiz, problems) = Quiz::read(quiz, &[]).unwrap();
    SessionScorer::new(quiz, session(), now(), problems)
}

/// Takes one document by the path over bytes, else by the decoding path. Returns the result, and whether the document was
/// usual.
fn take_fast(builder: &mut SessionScorer, document: &RawDocument, wants_attempt: bool) -> (String, bool) {
    match builder.take_raw(document, wants_attempt) {
        Some(taken) => (format!("{taken:?}"), true),
        None => (format!("{:?}", builder.take(&Document::try_from(document).unwrap())), false),
    }
}

fn outcome(builder: SessionScorer) -> String {
    let test = builder.finish().unwrap();
    format!("{:?} {:?} {:?}", test.start, test.results, test.problems)
}

/// Takes the documents by both paths and compares the results. Returns the number of usual documents.
fn compare_paths(quiz: &Document, sessions: &[RawDocumentBuf]) -> usize {
    let (mut plain, mut shown, mut scored) = (builder(quiz), builder(quiz), builder(quiz));
    let mut usual = 0;
    for document in sessions {
        let expected = plain.take(&Document::try_from(document).unwrap());
        assert_eq!(take_fast(&mut shown, document, true).0, format!("{expected:?}"));
        let (taken, is_usual) = take_fast(&mut scored, document, false);
        let expected =
            if is_usual { format!("{:?}", TakenDocument::Scored) } else { format!("{expected:?}") };
        assert_eq!(taken, expected);
        usual += usize::from(is_usual);
    }
    let expected = outcome(plain);
    assert_eq!(outcome(shown), expected);
    assert_eq!(outcome(scored), expected);
    usual
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn both_paths_give_the_same_result((quiz, sessions) in cohorts()) {
        compare_paths(&quiz, &sessions);
    }

    /// The path over bytes refuses every document that cannot be decoded.
    #[test]
    fn undecodable_bytes_are_unusual(
        (quiz, sessions) in cohorts(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..3),
    ) {
        for document in sessions {
            let mut bytes = document.into_bytes();
            for (at, byte) in &changes {
                let end = bytes.len();
                bytes[at.index(end - 5) + 4] = *byte;
            }
            let broken = RawDocumentBuf::from_bytes(bytes).unwrap();
            if Document::try_from(&broken).is_ok() {
                compare_paths(&quiz, &[broken]);
            } else {
                prop_assert!(builder(&quiz).take_raw(&broken, false).is_none());
                prop_assert!(builder(&quiz).take_raw(&broken, true).is_none());
            }
        }
    }
}

#[test]
fn documents_of_the_engine_are_usual() {
    let kinds = [
        "single-choice",
        "multi-choice",
        "matrix-match",
        "numerical-integer",
        "numerical-float",
        "subjective",
    ];
    let keys = [bson!([1]), bson!([0, 2]), bson!(["AP"]), bson!(3), bson!(1.5), Bson::Null];
    let kinds = kinds.iter().zip(keys).enumerate();
    let questions: Vec<Document> =
        kinds.map(|(at, (kind, key))| question(&format!("q{at}"), kind, key)).collect();
    let quiz = quiz(vec![doc! {"_id": "s", "title": "Set", "questions": questions}]);
    let answers = [
        [bson!([1]), bson!([2, 0]), bson!(["AP"]), bson!(3), bson!(1.52), bson!("because")],
        [bson!([2]), bson!([0]), bson!([]), bson!(4.0), bson!(1), bson!(" ")],
        [Bson::Null, Bson::Null, Bson::Null, Bson::Null, Bson::Null, bson!("é")],
    ];
    let sessions = answers.iter().enumerate().map(|(user, answers)| {
        let named = ["q0", "q1", "q2", "q3", "q4", "q5"].into_iter().zip(answers.clone()).collect::<Vec<_>>();
        raw(&crate::common::attempt(&format!("u{user}"), &named))
    });
    assert_eq!(compare_paths(&quiz, &sessions.collect::<Vec<_>>()), 3);
}

/// A quiz with two questions, and an attempt.
fn two_questions() -> (Document, Document) {
    let questions =
        vec![question("q0", "single-choice", bson!([1])), question("q1", "multi-choice", bson!([0, 2]))];
    let quiz = quiz(vec![doc! {"_id": "s", "title": "Set", "questions": questions}]);
    let mut attempt = crate::common::attempt("u", &[("q0", bson!([1])), ("q1", bson!([2, 0]))]);
    attempt.insert("start_quiz_time", "2024-04-30T04:29:00");
    attempt.insert("created_at", "2024-04-30T04:28:00");
    attempt.insert("total_time_spent", 7);
    (quiz, attempt)
}

#[test]
fn odd_field_gives_the_same_result() {
    let start = |time: &str| bson!({"event_type": "start-quiz", "created_at": time});
    let (early, late) = (start("2024-04-30T03:00:00"), start("2024-04-30T05:00:00"));
    let odd: Vec<(&str, Bson)> = vec![
        ("quiz_id", bson!("other")),
        ("quiz_id", Bson::ObjectId(ObjectId::from_bytes([7; 12]))),
        ("user_id", bson!("")),
        ("user_id", bson!(17)),
        ("_id", Bson::ObjectId(ObjectId::from_bytes([0x66; 12]))),
        ("events", bson!([late.clone(), early.clone()])),
        ("events", bson!([early.clone(), late])),
        ("events", bson!([{"event_type": "start-quiz"}, early])),
        ("events", bson!([])),
        ("events", Bson::Null),
        ("has_quiz_ended", bson!(1)),
        ("has_quiz_ended", Bson::Null),
        ("total_time_spent", bson!("7")),
        ("total_time_spent", bson!(f64::NAN)),
        ("session_answers", bson!([])),
        ("session_answers", Bson::Null),
    ];
    let (quiz, attempt) = two_questions();
    assert_eq!(compare_paths(&quiz, &[raw(&attempt)]), 1);
    for (field, value) in odd {
        let mut first = attempt.clone();
        first.insert(field, value.clone());
        compare_paths(&quiz, &[raw(&first)]);
        // the same field a second time: the last one counts
        let mut twice = raw(&attempt);
        twice.append(bson::raw::CString::try_from(field).unwrap(), bson::RawBson::try_from(value).unwrap());
        compare_paths(&quiz, &[twice]);
    }
}

#[test]
fn repeated_field_gives_the_same_result() {
    let (quiz, mut attempt) = two_questions();
    attempt.remove("session_answers");
    attempt.remove("events");
    let answer = rawdoc! {"answer": [1]};
    let answer = answer.get_array("answer").unwrap().to_owned();
    let record = rawdoc! {"question_id": "q1", "answer": [2], "visited": false, "time_spent": 1};
    for (field, value) in [
        ("question_id", bson!("q0")),
        ("question_id", Bson::Null),
        ("answer", Bson::Null),
        ("answer", bson!([2, 0])),
        ("visited", bson!(true)),
        ("time_spent", bson!(9)),
    ] {
        let mut twice = record.clone();
        twice.append(bson::raw::CString::try_from(field).unwrap(), bson::RawBson::try_from(value).unwrap());
        let mut records = bson::RawArrayBuf::new();
        records.push(rawdoc! {"question_id": "q0", "answer": answer.clone()});
        records.push(twice);
        let mut document = raw(&attempt);
        document.append(cstr!("session_answers"), records);
        compare_paths(&quiz, &[document]);
    }
    for (field, value) in [("event_type", "dummy-event"), ("created_at", "2024-04-30T03:00:00")] {
        let mut event = rawdoc! {"event_type": "start-quiz", "created_at": "2024-04-30T04:00:00"};
        event.append(bson::raw::CString::try_from(field).unwrap(), value);
        let mut events = bson::RawArrayBuf::new();
        events.push(event);
        let mut document = raw(&attempt);
        document.append(cstr!("events"), events);
        document.append(
            cstr!("session_answers"),
            bson::RawArrayBuf::from_iter([
                rawdoc! {"question_id": "q0", "answer": answer.clone()},
                rawdoc! {"question_id": "q1"},
            ]),
        );
        compare_paths(&quiz, &[document]);
    }
}

#[test]
fn odd_answer_gives_the_same_result() {
    let lists = |values: Vec<Bson>| values.into_iter().map(|value| bson!([value]));
    let scalars = vec![
        bson!(1),
        bson!(1_i64),
        bson!(1.0),
        bson!(1.5),
        bson!(-0.0),
        bson!(f64::NAN),
        bson!(f64::INFINITY),
        bson!(1e300),
        bson!(9_007_199_254_740_992.0),
        bson!((1_i64 << 53) + 1),
        bson!(i64::MAX),
        bson!(9_223_372_036_854_775_808.0),
        bson!(true),
        bson!("1"),
        bson!("AP"),
        bson!("\u{1c} "),
        Bson::Null,
        Bson::Undefined,
        bson!({"a": 1}),
        Bson::Symbol("AP".into()),
    ];
    let many = [15, 16, 17].map(|count| bson!(vec![1; count]));
    let answers = scalars.iter().cloned().chain(lists(scalars.clone())).chain(many);
    let answers: Vec<Bson> = answers.chain([bson!([]), bson!([1, 1]), bson!([[1]])]).collect();
    let keys = [
        bson!([1]),
        bson!([1.0, 0]),
        bson!(["AP"]),
        bson!([i64::MAX]),
        bson!(1),
        bson!(9_007_199_254_740_992.0),
    ];
    for kind in TYPES {
        for key in &keys {
            let quiz = quiz(vec![doc! {"_id": "s", "questions": [question("q", kind, key.clone())]}]);
            let attempt = |answer: &Bson| raw(&crate::common::attempt("u", &[("q", answer.clone())]));
            compare_paths(&quiz, &answers.iter().map(attempt).collect::<Vec<_>>());
        }
    }
}
