//! The quick way through stored bytes comes to what the plain way comes to, whatever is stored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::{Binary, Bson, DateTime, Decimal128, Document, RawDocument, RawDocumentBuf, bson, doc, rawdoc};
use common::{now, question, quiz, session};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use quiz_domain::{Quiz, Taken, TestBuilder};

const TYPES: [&str; 10] = [
    "single-choice",
    "multi-choice",
    "numerical-integer",
    "numerical-float",
    "matrix-match",
    "subjective",
    "matrix-rating",
    "matrix-numerical",
    "matrix-subjective",
    "essay",
];

fn builder(quiz: &Document) -> TestBuilder {
    let (quiz, problems) = Quiz::read(quiz, &[]).unwrap();
    TestBuilder::new(quiz, session(), now(), problems)
}

/// What is shown of an attempt, and whether the document was of the usual shape.
fn quick(builder: &mut TestBuilder, document: &RawDocument, wants_attempt: bool) -> (String, bool) {
    match builder.take_raw(document, wants_attempt) {
        Some(taken) => (format!("{taken:?}"), true),
        None => (format!("{:?}", builder.take(&Document::try_from(document).unwrap())), false),
    }
}

fn outcome(builder: TestBuilder) -> String {
    let test = builder.finish().unwrap();
    format!("{:?} {:?} {:?}", test.start, test.results, test.problems)
}

/// Takes the documents both ways; tells how many were usual.
fn same(quiz: &Document, sessions: &[RawDocumentBuf]) -> usize {
    let (mut plain, mut shown, mut scored) = (builder(quiz), builder(quiz), builder(quiz));
    let mut usual = 0;
    for document in sessions {
        let expected = plain.take(&Document::try_from(document).unwrap());
        assert_eq!(quick(&mut shown, document, true).0, format!("{expected:?}"));
        let (taken, is_usual) = quick(&mut scored, document, false);
        let expected = if is_usual { format!("{:?}", Taken::Scored) } else { format!("{expected:?}") };
        assert_eq!(taken, expected);
        usual += usize::from(is_usual);
    }
    let expected = outcome(plain);
    assert_eq!(outcome(shown), expected);
    assert_eq!(outcome(scored), expected);
    usual
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

/// An answer or a key of the shape that the type has.
fn fitting(kind: &'static str) -> BoxedStrategy<Bson> {
    let option = || {
        prop_oneof![4 => (0..4_i32).prop_map(Bson::from), 1 => (0..4_i64).prop_map(Bson::from),
        1 => (0..4_u8).prop_map(|it| Bson::from(f64::from(it)))]
    };
    let pair = || select(vec!["AP", "BQ", "CR"]).prop_map(Bson::from);
    let row = || select(vec!["row 1", "row 2"]).prop_map(str::to_owned);
    match kind {
        "single-choice" | "multi-choice" => {
            prop::collection::vec(option(), 0..4).prop_map(Bson::Array).boxed()
        }
        "matrix-match" => prop::collection::vec(pair(), 0..4).prop_map(Bson::Array).boxed(),
        "numerical-integer" | "numerical-float" => prop_oneof![
            option(),
            (0..4_u8, 0..3_u8)
                .prop_map(|(whole, part)| Bson::from(f64::from(whole) + f64::from(part) * 0.04))
        ]
        .boxed(),
        "subjective" | "essay" => "[a ]{0,2}".prop_map(Bson::from).boxed(),
        _ => prop::collection::vec((row(), option()), 0..3)
            .prop_map(|rows| Bson::Document(rows.into_iter().collect()))
            .boxed(),
    }
}

/// Values that few answers and few fields have.
fn odd() -> impl Strategy<Value = Bson> {
    let scalar = prop_oneof![
        Just(Bson::Null),
        Just(Bson::Undefined),
        Just(Bson::MinKey),
        any::<bool>().prop_map(Bson::from),
        (-1..3_i32).prop_map(Bson::from),
        select(vec![0, -1, i64::MAX, (1 << 53) + 1]).prop_map(Bson::from),
        select(vec![0.0, -0.0, 0.5, 9_007_199_254_740_992.0, 1e300, f64::NAN, f64::INFINITY])
            .prop_map(Bson::from),
        select(vec!["", " ", "q0", "q1", "quiz", "start-quiz", "é", "2024-04-30T05:00:00"])
            .prop_map(Bson::from),
        any::<[u8; 12]>().prop_map(|it| Bson::ObjectId(ObjectId::from_bytes(it))),
        (0..2_000_000_000_000_i64).prop_map(|it| Bson::DateTime(DateTime::from_millis(it))),
        Just(Bson::DateTime(DateTime::MAX)),
        Just(Bson::Decimal128("1.5".parse::<Decimal128>().unwrap())),
        Just(Bson::Symbol("q0".into())),
        Just(Bson::Binary(Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1] })),
    ];
    scalar.prop_recursive(10, 40, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Bson::Array),
            prop::collection::vec((select(vec!["a", "answer", "event_type", "é"]), inner), 0..3).prop_map(
                |it| Bson::Document(it.into_iter().map(|(key, it)| (key.to_owned(), it)).collect())
            ),
        ]
    })
}

/// A value as it usually is, or now and then an odd one.
fn mostly(usual: BoxedStrategy<Bson>) -> impl Strategy<Value = Bson> {
    prop_oneof![30 => usual, 3 => Just(Bson::Null), 1 => odd()]
}

fn sets() -> impl Strategy<Value = Vec<(&'static str, Document)>> {
    let kinds = prop_oneof![5 => select(TYPES[..6].to_vec()), 1 => select(TYPES.to_vec())];
    let asked = kinds.prop_flat_map(|kind| {
        let given = |key: &Bson| key.as_array().is_none_or(|key| !key.is_empty());
        let key = prop_oneof![20 => fitting(kind).prop_filter("no key", given), 1 => mostly(fitting(kind))];
        (Just(kind), key, 0..10_u8, 0..3_usize).prop_map(|(kind, key, flags, subject)| {
            let mut asked = question("", kind, key);
            asked.insert("graded", flags != 0);
            asked.insert("force_correct", flags == 1);
            let subject = ["Physics", "Chemistry", "Maths"][subject];
            asked.insert("metadata", bson!({"subject": subject, "chapter": "One"}));
            (kind, asked)
        })
    });
    prop::collection::vec(asked, 1..6)
}

/// A quiz of up to three sets, and the types of its questions.
fn quizzes() -> impl Strategy<Value = (Document, Vec<&'static str>)> {
    let set = (sets(), prop::option::of(0..7_i32), any::<bool>());
    let ids = prop_oneof![6 => Just("text"), 2 => Just("object id"), 1 => Just("twice"), 1 => Just("none")];
    (prop::collection::vec(set, 1..4), ids, 0..12_u8).prop_map(|(sets, ids, form)| {
        let mut types = Vec::new();
        let sets = sets.into_iter().enumerate().map(|(at, (asked, limit, partial))| {
            let mut questions = Vec::new();
            for (kind, mut asked) in asked {
                match ids {
                    "none" if types.is_empty() => drop(asked.remove("_id")),
                    _ => drop(asked.insert("_id", question_id(ids, types.len()))),
                }
                types.push(kind);
                questions.push(asked);
            }
            let rules = bson!([{"conditions": [{"num_correct_selected": 1}], "marks": 1.5}]);
            doc! {
                "_id": format!("set{at}"), "questions": questions,
                "max_questions_allowed_to_attempt": limit.map_or(Bson::Null, Bson::from),
                "marking_scheme": {"correct": 4, "wrong": -1, "skipped": -0.25,
                    "partial": if partial { rules } else { Bson::Null }},
            }
        });
        let mut document = quiz(sets.collect());
        if form == 0 {
            document.insert("metadata", doc! {"quiz_type": "form"});
        }
        (document, types)
    })
}

fn question_id(ids: &str, number: usize) -> Bson {
    match ids {
        "object id" => Bson::ObjectId(ObjectId::parse_str(format!("{number:024x}")).unwrap()),
        "twice" => Bson::from(format!("q{}", number / 2)),
        _ => Bson::from(format!("q{number}")),
    }
}

/// The document of an attempt at such a quiz, with up to two oddities.
fn sessions(
    quiz: &Document,
    types: &[&'static str],
    user: usize,
) -> impl Strategy<Value = RawDocumentBuf> + use<> {
    let stubs = quiz.get_array("question_sets").unwrap().iter();
    let stubs = stubs.flat_map(|set| set.as_document().unwrap().get_array("questions").unwrap().iter());
    let ids: Vec<Bson> =
        stubs.map(|it| it.as_document().unwrap().get("_id").cloned().unwrap_or(Bson::Null)).collect();
    let answers: Vec<_> = types
        .iter()
        .map(|kind| prop_oneof![5 => fitting(kind), 2 => Just(Bson::Null), 1 => mostly(fitting(kind))])
        .collect();
    let oddity = (0..16_u8, any::<Index>(), any::<Index>(), odd());
    let oddities = prop_oneof![
        1 => Just(Vec::new()),
        1 => prop::collection::vec(oddity, 1..3),
    ];
    (answers, any::<bool>(), any::<bool>(), oddities).prop_map(move |(answers, ended, as_text, oddities)| {
        let records = ids.iter().zip(answers).map(|(id, answer)| {
            let id = match id {
                Bson::ObjectId(id) if as_text => Bson::from(id.to_hex()),
                id => id.clone(),
            };
            bson!({"_id": "r", "question_id": id, "answer": answer, "visited": true, "time_spent": 7,
                "marked_for_review": false, "created_at": "2024-04-30T05:00:00"})
        });
        let mut document = doc! {
            "_id": format!("a{user}"), "user_id": format!("u{user}"), "quiz_id": "quiz",
            "events": [
                {"event_type": "dummy-event", "created_at": "2024-04-30T04:00:00"},
                {"event_type": "start-quiz", "created_at": "2024-04-30T04:30:00"},
            ],
            "has_quiz_ended": ended, "start_quiz_time": "2024-04-30T04:29:00", "question_order": [0, 1],
            "created_at": "2024-04-30T04:28:00", "total_time_spent": 70.5, "session_answers": records.collect::<Vec<_>>(),
        };
        let mut extra = None;
        for oddity in oddities {
            distort(&mut document, &mut extra, oddity);
        }
        let mut raw = raw(&document);
        if let Some((name, value)) = extra {
            raw.append(bson::raw::CString::try_from(name.as_str()).unwrap(), bson::RawBson::try_from(value).unwrap());
        }
        raw
    })
}

/// Makes one thing odd. What comes back in `extra` is a field that the document has besides, perhaps for a second time.
fn distort(
    document: &mut Document,
    extra: &mut Option<(String, Bson)>,
    (what, at, other, value): (u8, Index, Index, Bson),
) {
    let fields: Vec<String> = document.keys().cloned().collect();
    let field = at.get(&fields).clone();
    let empty = Vec::new();
    let records = document.get_array("session_answers").unwrap_or(&empty).clone();
    let (here, there) = (at.index(records.len().max(1)), other.index(records.len().max(1)));
    let mut records = records;
    match what {
        0 => drop(document.insert(field, value)),
        1 => drop(document.remove(&field)),
        2 => *extra = Some((field, value)),
        3 => drop(document.insert("unknown", value)),
        4 => drop(document.insert("events", bson!([value, {"event_type": "start-quiz", "created_at": 5}]))),
        5 => drop(document.insert("events", bson!([{"event_type": "start-quiz", "created_at": value}]))),
        6 => {
            document.insert("events", bson!([]));
            document.insert("start_quiz_time", value);
        }
        _ if records.is_empty() => {}
        7 => {
            records.swap(here, there);
            document.insert("session_answers", records);
        }
        8 => {
            records.remove(here);
            document.insert("session_answers", records);
        }
        9 => {
            records[here] = records[there].clone();
            document.insert("session_answers", records);
        }
        10 => {
            records.push(value);
            document.insert("session_answers", records);
        }
        11 => {
            records[here] = value;
            document.insert("session_answers", records);
        }
        _ => {
            if let Bson::Document(record) = &mut records[here] {
                let names = ["question_id", "answer", "visited", "time_spent", "marked_for_review"];
                let name = *other.get(&names);
                if what == 12 {
                    record.remove(name);
                } else {
                    record.insert(name, value);
                }
            }
            document.insert("session_answers", records);
        }
    }
}

fn cohorts() -> impl Strategy<Value = (Document, Vec<RawDocumentBuf>)> {
    quizzes().prop_flat_map(|(quiz, types)| {
        let sessions: Vec<_> = (0..4).map(|user| sessions(&quiz, &types, user)).collect();
        (Just(quiz), sessions)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_is_stored_comes_out_the_same((quiz, sessions) in cohorts()) {
        same(&quiz, &sessions);
    }

    /// The quick way takes nothing that cannot be decoded.
    #[test]
    fn broken_bytes_are_unusual(
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
                same(&quiz, &[broken]);
            } else {
                prop_assert!(builder(&quiz).take_raw(&broken, false).is_none());
                prop_assert!(builder(&quiz).take_raw(&broken, true).is_none());
            }
        }
    }
}

#[test]
fn documents_as_the_engine_stores_them_are_usual() {
    let kinds = [
        "single-choice",
        "multi-choice",
        "matrix-match",
        "numerical-integer",
        "numerical-float",
        "subjective",
    ];
    let keys = [bson!([1]), bson!([0, 2]), bson!(["AP"]), bson!(3), bson!(1.5), Bson::Null];
    let asked = kinds.iter().zip(keys).enumerate();
    let questions: Vec<Document> =
        asked.map(|(at, (kind, key))| question(&format!("q{at}"), kind, key)).collect();
    let quiz = quiz(vec![doc! {"_id": "s", "title": "Set", "questions": questions}]);
    let answers = [
        [bson!([1]), bson!([2, 0]), bson!(["AP"]), bson!(3), bson!(1.52), bson!("because")],
        [bson!([2]), bson!([0]), bson!([]), bson!(4.0), bson!(1), bson!(" ")],
        [Bson::Null, Bson::Null, Bson::Null, Bson::Null, Bson::Null, bson!("é")],
    ];
    let sessions = answers.iter().enumerate().map(|(user, answers)| {
        let named = ["q0", "q1", "q2", "q3", "q4", "q5"].into_iter().zip(answers.clone()).collect::<Vec<_>>();
        raw(&common::attempt(&format!("u{user}"), &named))
    });
    assert_eq!(same(&quiz, &sessions.collect::<Vec<_>>()), 3);
}

/// A quiz of two questions, and an attempt at it.
fn two_questions() -> (Document, Document) {
    let questions =
        vec![question("q0", "single-choice", bson!([1])), question("q1", "multi-choice", bson!([0, 2]))];
    let quiz = quiz(vec![doc! {"_id": "s", "title": "Set", "questions": questions}]);
    let mut attempt = common::attempt("u", &[("q0", bson!([1])), ("q1", bson!([2, 0]))]);
    attempt.insert("start_quiz_time", "2024-04-30T04:29:00");
    attempt.insert("created_at", "2024-04-30T04:28:00");
    attempt.insert("total_time_spent", 7);
    (quiz, attempt)
}

#[test]
fn one_odd_field_comes_out_the_same() {
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
    assert_eq!(same(&quiz, &[raw(&attempt)]), 1);
    for (field, value) in odd {
        let mut first = attempt.clone();
        first.insert(field, value.clone());
        same(&quiz, &[raw(&first)]);
        // the same field for a second time: the last one counts
        let mut twice = raw(&attempt);
        twice.append(bson::raw::CString::try_from(field).unwrap(), bson::RawBson::try_from(value).unwrap());
        same(&quiz, &[twice]);
    }
}

#[test]
fn a_field_that_is_there_twice_comes_out_the_same() {
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
        same(&quiz, &[document]);
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
        same(&quiz, &[document]);
    }
}

#[test]
fn one_odd_answer_comes_out_the_same() {
    let lists = |of: Vec<Bson>| of.into_iter().map(|it| bson!([it]));
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
            let attempt = |answer: &Bson| raw(&common::attempt("u", &[("q", answer.clone())]));
            same(&quiz, &answers.iter().map(attempt).collect::<Vec<_>>());
        }
    }
}
