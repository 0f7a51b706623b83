//! The report items, with snapshots of their stored form.

use bson::{Bson, Document, bson, doc};
use quiz_domain::reports::{self, ReportFormats, ReportTable, Stamp};
use quiz_domain::{ProblemKind, SessionResult, TestSession};

use crate::common::{attempt, build_with, now, question, session};

fn stamp() -> Stamp {
    Stamp { written_at: now(), generation: 7 }
}

fn two_subjects() -> Document {
    let with_chapter = |id: &str, subject: &str, chapter: &str| {
        let mut question = question(id, "single-choice", bson!([0]));
        question.insert(
            "metadata",
            bson!({"subject": subject, "chapter": chapter, "chapter_id": format!("id of {chapter}"), "priority": "high"}),
        );
        Bson::from(question)
    };
    let questions = vec![
        with_chapter("a", "Physics", "Optics"),
        with_chapter("b", "Physics", "Waves"),
        with_chapter("c", "Maths", "Sets"),
    ];
    doc! {
        "_id": "quiz", "title": "Weekly test",
        "question_sets": [{"_id": "s", "title": "All", "questions": questions,
            "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0}}],
        "metadata": {"quiz_type": "assessment", "test_format": "chapter_test", "grade": "12",
            "session_end_time": "2024-04-30 11:45:00 PM"},
    }
}

fn described() -> TestSession {
    TestSession {
        test_name: Some("Weekly test 7".into()),
        batch: Some("B1".into()),
        school: Some("JNV Pune".into()),
        stream: Some("PCM".into()),
        course: Some("JEE".into()),
        start: "2024-04-30T04:30:00Z".parse().ok(),
        ..session()
    }
}

fn sample(session: TestSession, now: &str) -> SessionResult {
    let documents = [
        attempt("meera", &[("a", bson!([0])), ("b", bson!([0])), ("c", bson!([1]))]),
        attempt("arjun", &[("a", bson!([0])), ("b", Bson::Null), ("c", Bson::Null)]),
        {
            let mut writing = attempt("writing", &[("a", bson!([2])), ("b", Bson::Null), ("c", Bson::Null)]);
            writing.insert("has_quiz_ended", false);
            writing
        },
    ];
    build_with(&two_subjects(), &[], &documents, session, now.parse().unwrap())
}

fn json(test: &SessionResult, table: ReportTable, sort_key: &str) -> serde_json::Value {
    let item = reports::items(test, table, stamp()).find(|item| item.sort_key() == sort_key).unwrap();
    serde_json::to_value(item).unwrap()
}

#[test]
fn items_are_ordered_by_section_then_user() {
    let test = sample(session(), "2024-04-30T12:00:00Z");
    let keys: Vec<_> = reports::items(&test, ReportTable::Sections, stamp())
        .map(|item| item.sort_key().to_owned())
        .collect();
    assert_eq!(
        keys,
        [
            "arjun#overall",
            "meera#overall",
            "writing#overall",
            "arjun#Physics",
            "meera#Physics",
            "writing#Physics",
            "arjun#Maths",
            "meera#Maths",
            "writing#Maths",
        ]
    );
}

#[test]
fn v1_overall_item() {
    let test = sample(described(), "2024-04-30T12:00:00Z");
    insta::assert_json_snapshot!(json(&test, ReportTable::Sections, "meera#overall"));
}

#[test]
fn v1_subject_item_has_chapters() {
    let test = sample(session(), "2024-04-30T12:00:00Z");
    insta::assert_json_snapshot!(json(&test, ReportTable::Sections, "meera#Physics"));
}

#[test]
fn open_attempt_is_reported_without_rank() {
    let test = sample(session(), "2024-04-30T12:00:00Z");
    let v1 = json(&test, ReportTable::Sections, "writing#overall");
    assert_eq!((v1.get("rank"), v1.get("percentile"), &v1["has_quiz_ended"]), (None, None, &false.into()));
    assert_eq!(v1["number_test_taker"], 2);
    let v2 = json(&test, ReportTable::Students, "writing");
    assert_eq!(v2["metadata"]["test_incomplete"], true);

    let closed = sample(session(), "2024-05-01T12:00:00Z");
    let v1 = json(&closed, ReportTable::Sections, "writing#overall");
    assert_eq!(
        (&v1["rank"], &v1["has_quiz_ended"], &v1["number_test_taker"]),
        (&3.into(), &false.into(), &3.into())
    );
}

#[test]
fn v2_document() {
    let test = sample(described(), "2024-04-30T12:00:00Z");
    insta::assert_json_snapshot!(json(&test, ReportTable::Students, "arjun"));
}

#[test]
fn percentage_without_divisor_differs_by_version() {
    let nothing = attempt("u", &[("a", Bson::Null), ("b", Bson::Null), ("c", Bson::Null)]);
    let mut quiz = two_subjects();
    let sets = quiz.get_array_mut("question_sets").unwrap();
    sets[0].as_document_mut().unwrap().insert("max_questions_allowed_to_attempt", 0);
    let test = build_with(&quiz, &[], &[nothing], session(), now());
    let v1 = json(&test, ReportTable::Sections, "u#overall");
    assert_eq!((&v1["percentage"], &v1["accuracy"]), (&0.into(), &0.into()));
    let v2 = json(&test, ReportTable::Students, "u");
    assert!(
        v2["overall_performance"]["percentage"].is_null() && v2["overall_performance"]["accuracy"].is_null()
    );
}

#[test]
fn question_without_record_is_skipped_in_its_chapter() {
    let mut quiz = two_subjects();
    let set = quiz.get_array_mut("question_sets").unwrap()[0].as_document_mut().unwrap();
    set.insert("marking_scheme", doc! {"correct": 4, "wrong": -1, "skipped": -0.5});
    let test = build_with(&quiz, &[], &[attempt("u", &[("a", bson!([0]))])], session(), now());
    let physics = json(&test, ReportTable::Sections, "u#Physics");
    let marks = |at: usize| physics["chapter_wise_data"][at]["marks_scored"].as_f64().unwrap();
    assert_eq!((marks(0), marks(1), &physics["marks_scored"]), (4.0, -0.5, &3.5.into()));
}

#[test]
fn homework_has_default_marks_and_ranks() {
    let quiz = crate::common::with_ids(include_str!("fixtures/homework_quiz.json"));
    let right = attempt("u", &[("q0-00", Bson::Null), ("q0-01", bson!([2, 0]))]);
    let test = build_with(&quiz, &[], &[right], session(), now());
    let item = json(&test, ReportTable::Sections, "u#overall");
    assert_eq!(
        (&item["marks_scored"], &item["max_marks_possible"], &item["rank"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&item["test_type"], &item["test_name"], &item["group"]),
        (&"homework".into(), &"quiz".into(), &"Group".into())
    );
    assert_eq!(item["start_date"], "2024-04-30");
}

#[test]
fn form_becomes_responses_without_ranks() {
    let quiz = crate::common::with_ids(include_str!("fixtures/form_questionnaire.json"));
    let answers = [("q0-00", bson!("Asha")), ("q0-01", bson!([1])), ("q0-02", bson!("  "))];
    let test = build_with(&quiz, &[], &[attempt("u", &answers)], session(), now());
    let formats = ReportFormats { v1: true, v2: true };
    assert_eq!(reports::tables(&test, formats), [ReportTable::FormResponses]);
    assert_eq!((test.participants(), test.ranked(), test.histogram()), (1, 0, None));
    assert_eq!(reports::items(&test, ReportTable::FormResponses, stamp()).count(), 8);
    insta::assert_json_snapshot!(json(&test, ReportTable::FormResponses, "u#1"));
    let blank = json(&test, ReportTable::FormResponses, "u#2");
    assert_eq!((&blank["is_answered"], &blank["user_response"]), (&false.into(), &"  ".into()));
    let untouched = json(&test, ReportTable::FormResponses, "u#3");
    assert_eq!((&untouched["is_answered"], untouched.get("user_response")), (&false.into(), None));
    let text = json(&test, ReportTable::FormResponses, "u#0");
    assert_eq!((&text["user_response"], &text["user_response_labels"]), (&"Asha".into(), &"Asha".into()));
}

#[test]
fn user_id_with_separator_gets_no_item() {
    let odd = attempt("a#b", &[("a", bson!([0]))]);
    let test = build_with(&two_subjects(), &[], &[odd, attempt("c", &[("a", bson!([0]))])], session(), now());
    for table in [ReportTable::Sections, ReportTable::Students] {
        assert!(reports::items(&test, table, stamp()).all(|item| !item.sort_key().contains("a#b")));
    }
    assert_eq!(reports::key_problems(&test).count(ProblemKind::UserNotKeyable), 1);
    assert_eq!(test.ranked(), 2, "the user still counts in the cohort");
}

#[test]
fn start_date_is_always_present() {
    let mut bare = attempt("u", &[("a", bson!([0]))]);
    bare.remove("events");
    let date = |quiz: &Document| {
        let test = build_with(quiz, &[], std::slice::from_ref(&bare), session(), now());
        json(&test, ReportTable::Sections, "u#overall")["start_date"].clone()
    };
    assert_eq!(date(&two_subjects()), "2024-04-30", "the day on which the window closed");
    let mut nothing_known = two_subjects();
    nothing_known.insert("metadata", Bson::Null);
    assert_eq!(date(&nothing_known), "2024-05-01", "the day of the sync");
}

#[test]
fn user_id_too_long_gets_no_item() {
    let long = "x".repeat(1_020);
    let test = build_with(&two_subjects(), &[], &[attempt(&long, &[("a", bson!([0]))])], session(), now());
    assert_eq!(reports::items(&test, ReportTable::Sections, stamp()).count(), 0);
    assert_eq!(reports::key_problems(&test).count(ProblemKind::UserNotKeyable), 1);
}

#[test]
fn invisible_name_is_replaced_by_the_title() {
    let named = |name: &str| {
        let session = TestSession { test_name: Some(name.into()), ..described() };
        sample(session, "2024-05-01T00:00:00Z").name().to_owned()
    };
    assert_eq!(named("Weekly test 7"), "Weekly test 7");
    assert_eq!(named("\u{200b}\u{feff} "), "Weekly test");
}
