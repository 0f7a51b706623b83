//! Properties that hold for every quiz, every cohort and any BSON.

use std::collections::{HashMap, HashSet};

use bson::{Bson, Document, bson, doc};
use proptest::prelude::*;
use quiz_domain::reports::{self, ReportTable, Stamp};
use quiz_domain::rows::WarehouseTable;
use quiz_domain::{Attempt, AttemptResults, Problems, Quiz, Ranking, SessionResult};

use crate::common::{build, build_rows, question, quiz, score};
use crate::fields::{assert_listed, items};
use crate::readers::print_page;

const TYPES: [&str; 5] =
    ["single-choice", "multi-choice", "numerical-integer", "numerical-float", "subjective"];

fn answers() -> impl Strategy<Value = Bson> {
    prop_oneof![
        3 => Just(Bson::Null),
        6 => prop::collection::vec(0..3_i32, 0..3).prop_map(|options| bson!(options)),
        3 => (0..3_i32).prop_map(Bson::from),
        1 => (0..3_i32).prop_map(|number| Bson::from(f64::from(number) + 0.03)),
        1 => "[a-c ]{0,3}".prop_map(Bson::from),
    ]
}

fn sets() -> impl Strategy<Value = Document> {
    let chapters = (0..4_usize, 0..3_usize);
    let drawn = (0..TYPES.len(), prop::collection::vec(0..3_i32, 1..3), 0..8_u8, 0..3_usize, chapters);
    let marks = (
        prop::sample::select(vec![4.0, 1.0, 2.5]),
        prop::sample::select(vec![-1.0, 0.0, -0.25, -1.0 / 3.0]),
        0..2_i32,
    );
    (prop::collection::vec(drawn, 1..6), marks, prop::option::of(0..7_i32), any::<bool>()).prop_map(
        |(drawn, (correct, wrong, skipped), limit, partial)| {
            let questions = drawn.into_iter().map(|(kind, key, odd, subject, (chapter, id))| {
                let key = if TYPES[kind].starts_with("numerical") { bson!(key[0]) } else { bson!(key) };
                let mut question = question("", TYPES[kind], key);
                question.insert("graded", odd != 0);
                question.insert("force_correct", odd == 1);
                let subject = ["Physics", "Chemistry", "Maths"][subject];
                let chapter = [Bson::Null, bson!("One"), bson!("One"), bson!("Two")][chapter].clone();
                let priority = ["High", "low", "urgent"][id];
                let id = [Bson::Null, bson!("1"), bson!("2")][id].clone();
                question.insert(
                    "metadata",
                    bson!({"subject": subject, "chapter": chapter, "chapter_id": id, "priority": priority}),
                );
                Bson::from(question)
            });
            let rules = bson!([{"conditions": [{"num_correct_selected": 1}], "marks": 1}]);
            doc! {
                "questions": questions.collect::<Vec<_>>(),
                "max_questions_allowed_to_attempt": limit.map_or(Bson::Null, Bson::from),
                "marking_scheme": {"correct": correct, "wrong": wrong, "skipped": f64::from(-skipped),
                    "partial": if partial { rules } else { Bson::Null }},
            }
        },
    )
}

/// A quiz and up to 30 users with 1 or 2 session documents each.
fn cohorts() -> impl Strategy<Value = (Document, Vec<Document>)> {
    let quizzes = prop::collection::vec(sets(), 1..4).prop_map(|mut sets| {
        let mut number = 0;
        for (at, set) in sets.iter_mut().enumerate() {
            set.insert("_id", format!("set{at}"));
            for question in set.get_array_mut("questions").unwrap() {
                question.as_document_mut().unwrap().insert("_id", format!("q{number}"));
                number += 1;
            }
        }
        (quiz(sets), number)
    });
    quizzes.prop_flat_map(|(quiz, questions)| {
        let one = (0..20_u32, any::<bool>(), prop::collection::vec(answers(), questions));
        prop::collection::vec(one, 0..30).prop_map(move |attempts| {
            let sessions = attempts.into_iter().enumerate().map(|(at, (user, ended, answers))| {
                let records = answers.into_iter().enumerate();
                let record = |(at, answer)| bson!({"question_id": format!("q{at}"), "answer": answer});
                doc! {
                    "_id": format!("{at:024x}"), "user_id": format!("u{user}"), "quiz_id": "quiz",
                    "has_quiz_ended": ended, "session_answers": records.map(record).collect::<Vec<_>>(),
                }
            });
            (quiz.clone(), sessions.collect())
        })
    })
}

fn rankings(test: &SessionResult) -> &[Ranking] {
    let AttemptResults::Scored { rankings, .. } = &test.results else { panic!("scored") };
    rankings
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn everything_written(test: &SessionResult) -> Vec<String> {
    let stamp = Stamp { written_at: crate::common::now(), generation: 1 };
    let items = ReportTable::ALL.into_iter().flat_map(|table| reports::items(test, table, stamp));
    items.map(|item| serde_json::to_string(&item).unwrap()).collect()
}

proptest! {
    #[test]
    fn ranks_follow_from_counts((quiz, sessions) in cohorts()) {
        let test = build(&quiz, &sessions);
        for ranking in rankings(&test) {
            let standings = ranking.marks.iter().zip(ranking.standings());
            let ranked: Vec<_> = standings.filter_map(|(marks, standing)| Some((*marks, standing?))).collect();
            prop_assert_eq!(ranked.len(), ranking.figures.ranked as usize);
            for (marks, standing) in &ranked {
                let above = ranked.iter().filter(|(other, _)| other > marks).count();
                let below = ranked.iter().filter(|(other, _)| other < marks).count();
                let ties = ranked.len() - above - below;
                prop_assert_eq!(standing.rank as usize, above + 1);
                prop_assert_eq!(standing.rank as usize + below + ties, ranked.len() + 1);
                let percentile = 100.0 * float(below + ties) / float(ranked.len());
                prop_assert!((standing.percentile - percentile).abs() < 1e-9);
                prop_assert_eq!(standing.percentile >= 100.0, above == 0, "only a topper has 100");
            }
        }
    }

    #[test]
    fn order_of_documents_changes_nothing(
        ((quiz, sessions), shuffled) in cohorts().prop_flat_map(|(quiz, sessions)| {
            (Just((quiz, sessions.clone())), Just(sessions).prop_shuffle())
        })
    ) {
        let (one, other) = (build(&quiz, &sessions), build(&quiz, &shuffled));
        prop_assert_eq!(everything_written(&one), everything_written(&other));
        prop_assert_eq!(one.problems, other.problems);
    }

    #[test]
    fn section_sums_equal_overall((quiz, sessions) in cohorts()) {
        let test = build(&quiz, &sessions);
        for at in 0..test.participants() {
            let whole = score(&test, None, at);
            let parts: Vec<_> = (0..test.quiz.sections.len()).map(|section| score(&test, Some(section), at)).collect();
            let sum = |field: fn(&quiz_domain::Score) -> u32| parts.iter().map(field).sum::<u32>();
            let marks: f64 = parts.iter().map(|score| score.marks).sum();
            let half_a_cent_each = 0.005 * float(parts.len() + 1) + 1e-9;
            prop_assert!((marks - whole.marks).abs() <= half_a_cent_each, "{} {}", marks, whole.marks);
            let maximum: f64 = parts.iter().map(|it| it.max_marks).sum();
            prop_assert!((maximum - whole.max_marks).abs() < 1e-9);
            prop_assert_eq!(sum(|it| it.correct), whole.correct);
            prop_assert_eq!(sum(|it| it.wrong), whole.wrong);
            prop_assert_eq!(sum(|it| it.partially_correct), whole.partially_correct);
            prop_assert_eq!(sum(|it| it.skipped), whole.skipped);
            prop_assert_eq!(sum(|it| it.total_questions), whole.total_questions);
        }
    }

    #[test]
    fn question_rows_add_up_to_the_result((quiz, sessions) in cohorts()) {
        let (test, mut rows) = build_rows(&quiz, &[], &sessions, crate::common::session());
        let questions = rows.remove(&WarehouseTable::QuestionResponses).unwrap();
        let AttemptResults::Scored { attempts, .. } = &test.results else { panic!("scored") };
        prop_assert_eq!(questions.len(), attempts.len() * test.quiz.questions.len());
        let is_limited = test.quiz.sets.iter().any(|set| set.is_limited);
        for attempt in attempts {
            let score = attempt.score(&test.quiz, None).unwrap();
            let own = || questions.iter().filter(|row| row["user_id"] == *attempt.user_id);
            let count = |outcome: &str| own().filter(|row| row["outcome"] == outcome).count();
            prop_assert_eq!(count("correct"), score.correct as usize);
            prop_assert_eq!(count("wrong"), score.wrong as usize);
            prop_assert_eq!(count("partially_correct"), score.partially_correct as usize);
            let counted = || own().filter(|row| row["outcome"] != "ungraded");
            prop_assert_eq!(counted().count(), score.total_questions as usize);
            let answered = counted().filter(|row| row["is_answered"] == true).count();
            prop_assert_eq!(answered, score.answered as usize);
            let right: i64 = own().filter_map(|row| row["is_correct"].as_i64()).sum();
            prop_assert_eq!(right, i64::from(score.correct));
            if !is_limited {
                let sum = |column: &str| own().filter_map(|row| row[column].as_f64()).sum::<f64>();
                prop_assert!((sum("marks_scored") - score.marks).abs() <= 0.005 + 1e-9);
                prop_assert!((sum("max_marks") - score.max_marks).abs() <= 0.005 + 1e-9);
                prop_assert_eq!(count("skipped"), score.skipped as usize);
            }
        }
    }

    #[test]
    fn chapters_add_up_to_their_questions((quiz, sessions) in cohorts()) {
        let (test, mut rows) = build_rows(&quiz, &[], &sessions, crate::common::session());
        let questions = rows.remove(&WarehouseTable::QuestionResponses).unwrap();
        for document in items(&test, ReportTable::Students) {
            let lines = document["chapter_performance"].as_array().unwrap();
            let names: HashSet<_> =
                lines.iter().map(|line| (line["subject"].as_str(), line["chapter_name"].as_str())).collect();
            prop_assert_eq!(names.len(), lines.len());
            let own = questions.iter().filter(|row| {
                row["user_id"] == document["user_id"] && row["outcome"] != "ungraded" && !row["chapter_name"].is_null()
            });
            let own: Vec<_> = own.collect();
            let counted: u64 = lines.iter().filter_map(|line| line["total_questions"].as_u64()).sum();
            prop_assert_eq!(counted, own.len() as u64);
            for line in lines {
                let within = |row: &&&crate::common::Row| {
                    row["section"] == line["subject"] && row["chapter_name"] == line["chapter_name"]
                };
                let count = |outcome: &str| own.iter().filter(within).filter(|row| row["outcome"] == outcome).count();
                for (field, outcome) in [
                    ("num_correct", "correct"),
                    ("num_wrong", "wrong"),
                    ("num_partially_correct", "partially_correct"),
                    ("num_skipped", "skipped"),
                ] {
                    prop_assert_eq!(line[field].as_u64(), Some(count(outcome) as u64));
                }
                for (field, column) in [("marks_scored", "marks_scored"), ("max_marks_possible", "max_marks")] {
                    let sum: f64 = own.iter().filter(within).filter_map(|row| row[column].as_f64()).sum();
                    prop_assert!((sum - line[field].as_f64().unwrap()).abs() <= 0.005 + 1e-9);
                }
            }
        }
    }

    #[test]
    fn readers_can_use_every_item((quiz, sessions) in cohorts()) {
        let test = build(&quiz, &sessions);
        for table in [ReportTable::Sections, ReportTable::Students] {
            for item in items(&test, table) {
                assert_listed(table, &item);
                prop_assert!(item.get("chapter_wise_data").is_none_or(|lines| !lines.as_array().unwrap().is_empty()));
                if table == ReportTable::Students {
                    prop_assert!(print_page(&item).contains("Recommendation: "));
                }
            }
        }
    }

    #[test]
    fn every_item_has_its_own_key((quiz, sessions) in cohorts()) {
        let test = build(&quiz, &sessions);
        let stamp = Stamp { written_at: crate::common::now(), generation: 1 };
        let mut keys: HashMap<(ReportTable, String), u32> = HashMap::new();
        for item in ReportTable::ALL.into_iter().flat_map(|table| reports::items(&test, table, stamp)) {
            *keys.entry((item.table(), item.sort_key().to_owned())).or_default() += 1;
        }
        prop_assert!(keys.values().all(|count| *count == 1));
    }

    #[test]
    fn answers_of_any_numbers_compare(
        key in prop::collection::vec(numbers(), 20..40).prop_map(Bson::Array),
        answer in prop::collection::vec(numbers(), 20..40).prop_map(Bson::Array),
    ) {
        let read = |value| quiz_domain::Value::read(Some(value));
        let _ = read(&key).matches_key(&read(&answer));
        let has_nan = key.as_array().unwrap().iter().any(|value| value.as_f64().is_some_and(f64::is_nan));
        let mut reversed = key.as_array().unwrap().clone();
        reversed.reverse();
        prop_assert_eq!(read(&key).matches_key(&read(&Bson::Array(reversed))), !has_nan);
    }

    #[test]
    fn no_document_causes_a_panic(quiz in documents(), session in documents(), full in documents()) {
        let good = crate::common::quiz(vec![doc! {"_id": "s", "questions": [question("a", "single-choice", bson!([0]))]}]);
        let mut own = session.clone();
        own.insert("user_id", "u");
        own.insert("_id", "s");
        own.insert("quiz_id", "quiz");
        let mut named = quiz;
        named.insert("_id", "quiz");
        for quiz in [&good, &named] {
            if let Ok((read, _)) = Quiz::read(quiz, std::slice::from_ref(&full)) {
                for session in [&session, &own] {
                    Attempt::read(session, &read, &mut Problems::default());
                }
                everything_written(&build(quiz, &[session.clone(), own.clone()]));
                build_rows(quiz, std::slice::from_ref(&full), &[session.clone(), own.clone()], crate::common::session());
            }
        }
    }
}

/// Numbers of every type, many of them where a double no longer holds every integer.
fn numbers() -> impl Strategy<Value = Bson> {
    let edge = (1_i64 << 53) - 2..(1_i64 << 53) + 3;
    prop_oneof![
        edge.prop_map(Bson::from),
        Just(Bson::from(9_007_199_254_740_992.0)),
        any::<f64>().prop_map(Bson::from),
        any::<i64>().prop_map(Bson::from),
    ]
}

/// Any BSON, with the field names of the Quiz Engine in random places.
fn values() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::from),
        any::<i32>().prop_map(Bson::from),
        any::<i64>().prop_map(Bson::from),
        any::<f64>().prop_map(Bson::from),
        prop::sample::select(vec!["", "quiz", "form", "single-choice", "numerical-float", "2024-13-45", "#"])
            .prop_map(Bson::from),
        any::<i64>().prop_map(|millis| Bson::DateTime(bson::DateTime::from_millis(millis))),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(bson::oid::ObjectId::from_bytes(bytes))),
        Just(Bson::MinKey),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let fields = prop::sample::select(FIELDS.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Bson::Array),
            prop::collection::vec(numbers(), 0..40).prop_map(Bson::Array),
            prop::collection::vec((fields, inner), 0..8).prop_map(|fields| Bson::Document(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

fn documents() -> impl Strategy<Value = Document> {
    let fields = prop::sample::select(FIELDS.to_vec());
    prop::collection::vec((fields, values()), 0..12)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

const FIELDS: [&str; 26] = [
    "_id",
    "title",
    "question_sets",
    "questions",
    "marking_scheme",
    "partial",
    "conditions",
    "correct",
    "wrong",
    "marks",
    "num_correct_selected",
    "max_questions_allowed_to_attempt",
    "metadata",
    "quiz_type",
    "subject",
    "chapter",
    "session_end_time",
    "type",
    "correct_answer",
    "graded",
    "options",
    "session_answers",
    "answer",
    "question_id",
    "events",
    "created_at",
];
