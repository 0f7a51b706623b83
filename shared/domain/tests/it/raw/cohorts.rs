//! Random quizzes and stored session documents, usual and odd ones.

use bson::oid::ObjectId;
use bson::{Binary, Bson, DateTime, Decimal128, Document, RawDocumentBuf, bson, doc};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::common::{question, quiz};

pub const TYPES: [&str; 10] = [
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

pub fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

/// An answer or a key with the shape of its type.
fn fitting(kind: &'static str) -> BoxedStrategy<Bson> {
    let option = || {
        prop_oneof![4 => (0..4_i32).prop_map(Bson::from), 1 => (0..4_i64).prop_map(Bson::from),
        1 => (0..4_u8).prop_map(|option| Bson::from(f64::from(option)))]
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

/// Values that answers and fields rarely have.
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
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        (0..2_000_000_000_000_i64).prop_map(|millis| Bson::DateTime(DateTime::from_millis(millis))),
        Just(Bson::DateTime(DateTime::MAX)),
        Just(Bson::Decimal128("1.5".parse::<Decimal128>().unwrap())),
        Just(Bson::Symbol("q0".into())),
        Just(Bson::Binary(Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1] })),
    ];
    scalar.prop_recursive(10, 40, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Bson::Array),
            prop::collection::vec((select(vec!["a", "answer", "event_type", "é"]), inner), 0..3).prop_map(
                |fields| Bson::Document(
                    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
                )
            ),
        ]
    })
}

/// Mostly a usual value, sometimes an odd one.
fn mostly(usual: BoxedStrategy<Bson>) -> impl Strategy<Value = Bson> {
    prop_oneof![30 => usual, 3 => Just(Bson::Null), 1 => odd()]
}

fn sets() -> impl Strategy<Value = Vec<(&'static str, Document)>> {
    let kinds = prop_oneof![5 => select(TYPES[..6].to_vec()), 1 => select(TYPES.to_vec())];
    let questions = kinds.prop_flat_map(|kind| {
        let is_given = |key: &Bson| key.as_array().is_none_or(|key| !key.is_empty());
        let key =
            prop_oneof![20 => fitting(kind).prop_filter("no key", is_given), 1 => mostly(fitting(kind))];
        (Just(kind), key, 0..10_u8, 0..3_usize).prop_map(|(kind, key, flags, subject)| {
            let mut question = question("", kind, key);
            question.insert("graded", flags != 0);
            question.insert("force_correct", flags == 1);
            let subject = ["Physics", "Chemistry", "Maths"][subject];
            question.insert("metadata", bson!({"subject": subject, "chapter": "One"}));
            (kind, question)
        })
    });
    prop::collection::vec(questions, 1..6)
}

/// A quiz with up to three sets, and the types of its questions.
fn quizzes() -> impl Strategy<Value = (Document, Vec<&'static str>)> {
    let set = (sets(), prop::option::of(0..7_i32), any::<bool>());
    let ids = prop_oneof![6 => Just("text"), 2 => Just("object id"), 1 => Just("twice"), 1 => Just("none")];
    (prop::collection::vec(set, 1..4), ids, 0..12_u8).prop_map(|(sets, ids, form)| {
        let mut types = Vec::new();
        let sets = sets.into_iter().enumerate().map(|(at, (set_questions, limit, partial))| {
            let mut questions = Vec::new();
            for (kind, mut question) in set_questions {
                match ids {
                    "none" if types.is_empty() => drop(question.remove("_id")),
                    _ => drop(question.insert("_id", question_id(ids, types.len()))),
                }
                types.push(kind);
                questions.push(question);
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

/// The document of an attempt at the quiz, with up to two defects.
fn sessions(
    quiz: &Document,
    types: &[&'static str],
    user: usize,
) -> impl Strategy<Value = RawDocumentBuf> + use<> {
    let stubs = quiz.get_array("question_sets").unwrap().iter();
    let stubs = stubs.flat_map(|set| set.as_document().unwrap().get_array("questions").unwrap().iter());
    let ids: Vec<Bson> =
        stubs.map(|stub| stub.as_document().unwrap().get("_id").cloned().unwrap_or(Bson::Null)).collect();
    let answers: Vec<_> = types
        .iter()
        .map(|kind| prop_oneof![5 => fitting(kind), 2 => Just(Bson::Null), 1 => mostly(fitting(kind))])
        .collect();
    let defect = (0..16_u8, any::<Index>(), any::<Index>(), odd());
    let defects = prop_oneof![
        1 => Just(Vec::new()),
        1 => prop::collection::vec(defect, 1..3),
    ];
    (answers, any::<bool>(), any::<bool>(), defects).prop_map(move |(answers, ended, as_text, defects)| {
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
        for defect in defects {
            distort(&mut document, &mut extra, defect);
        }
        let mut raw = raw(&document);
        if let Some((name, value)) = extra {
            raw.append(bson::raw::CString::try_from(name.as_str()).unwrap(), bson::RawBson::try_from(value).unwrap());
        }
        raw
    })
}

/// Adds one defect. The caller appends the field in `extra` to the stored document, where it can occur a second time.
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

pub fn cohorts() -> impl Strategy<Value = (Document, Vec<RawDocumentBuf>)> {
    quizzes().prop_flat_map(|(quiz, types)| {
        let sessions: Vec<_> = (0..4).map(|user| sessions(&quiz, &types, user)).collect();
        (Just(quiz), sessions)
    })
}
