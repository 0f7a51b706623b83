//! The items have the fields that `docs/REPORTS.md` lists.

use std::collections::BTreeSet;

use bson::{Bson, Document, bson, doc};
use quiz_domain::reports::{self, FieldSpec, FieldType, Presence, ReportTable, Stamp, field_groups};
use quiz_domain::{SessionResult, TestSession};
use serde_json::Value;

use crate::common::{attempt, build_with, now, question, session};

/// The items of a table as JSON.
pub fn items(test: &SessionResult, table: ReportTable) -> Vec<Value> {
    let stamp = Stamp { written_at: now(), generation: 7 };
    let sealed = reports::items(test, table, stamp).map(|mut item| {
        item.seal();
        serde_json::to_value(item).unwrap()
    });
    sealed.collect()
}

/// The objects at a path such as `recommendation.recommended_chapters[]`; the item itself for an empty path.
pub fn objects<'a>(item: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![item];
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches("[]");
        let values = found.into_iter().filter_map(|object| object.get(name));
        found = if name == step {
            values.collect()
        } else {
            values.flat_map(|value| value.as_array().unwrap_or_else(|| panic!("{path} is a list"))).collect()
        };
    }
    found
}

fn has_type(kind: FieldType, value: &Value) -> bool {
    match kind {
        FieldType::Text => value.as_str().is_some_and(|text| !text.is_empty()),
        FieldType::Count => value.is_u64(),
        FieldType::Number => value.is_number(),
        FieldType::Flag => value.is_boolean(),
        FieldType::Object => value.is_object(),
        FieldType::List => value.is_array(),
        FieldType::Any => !value.is_null(),
    }
}

fn is_as_listed(field: &FieldSpec, value: Option<&Value>) -> bool {
    match (field.presence, value) {
        (Presence::IfKnown, None) | (Presence::OrNull, Some(Value::Null)) => true,
        (_, value) => value.is_some_and(|value| has_type(field.kind, value)),
    }
}

/// Asserts that an item has each field that is always present, each of its type, and no other fields than the listed ones.
/// Returns the paths of the fields that the item has.
pub fn assert_listed(table: ReportTable, item: &Value) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for group in field_groups(table) {
        for object in objects(item, group.path) {
            for field in group.fields() {
                let value = object.get(field.name);
                let path = format!("{} {}.{}", table.default_name(), group.path, field.name);
                assert!(is_as_listed(field, value), "{path}: {value:?}");
                seen.extend(value.map(|_| path));
            }
            for name in object.as_object().unwrap().keys() {
                let is_listed = group.fields().any(|field| field.name == name);
                assert!(is_listed, "{} {}.{name} is not listed", table.default_name(), group.path);
            }
        }
    }
    seen
}

/// A quiz with two subjects. In Physics, two chapter ids have the name Optics. Chemistry has no chapter.
pub fn chaptered() -> Document {
    let with = |id: &str, subject: &str, chapter: Bson, chapter_id: &str, priority: &str| {
        let mut question = question(id, "single-choice", bson!([0]));
        question.insert(
            "metadata",
            bson!({"subject": subject, "chapter": chapter, "chapter_id": chapter_id, "priority": priority}),
        );
        Bson::from(question)
    };
    let questions = vec![
        with("a", "Physics", bson!("Optics"), "P1", "Low"),
        with("b", "Physics", bson!("Waves"), "P2", "urgent"),
        with("c", "Physics", bson!("Optics"), "P3", "HIGH"),
        with("d", "Chemistry", Bson::Null, "", ""),
    ];
    doc! {
        "_id": "quiz", "title": "Weekly test",
        "question_sets": [{"_id": "s", "title": "All", "questions": questions,
            "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0}}],
        "metadata": {"quiz_type": "assessment", "test_format": "chapter_test", "grade": "12"},
    }
}

/// A test session of [`chaptered`]: one student answers everything, one nothing, and one is still answering.
pub fn chaptered_test() -> SessionResult {
    let given = |user, answer: &Bson| attempt(user, &["a", "b", "c", "d"].map(|id| (id, answer.clone())));
    let mut open = given("open", &bson!([0]));
    open.insert("has_quiz_ended", false);
    let attempts = [given("all", &bson!([1])), given("none", &Bson::Null), open];
    let described = TestSession {
        group: Some("G".into()),
        batch: Some("B".into()),
        stream: Some("S".into()),
        course: Some("C".into()),
        school: Some("JNV Pune".into()),
        start: "2024-04-30T04:30:00Z".parse().ok(),
        end: "2024-05-30T04:30:00Z".parse().ok(),
        ..session()
    };
    build_with(&chaptered(), &[], &attempts, described, now())
}

/// A form with one question of each answered shape, and one question that is not answered.
pub fn form_test() -> SessionResult {
    let mut choice = question("a", "single-choice", Bson::Null);
    choice.insert("options", bson!([{"text": "Yes"}, {"text": "No"}]));
    choice.insert("metadata", doc! {"priority": "high"});
    let text = question("b", "subjective", Bson::Null);
    let form = doc! {
        "_id": "quiz", "title": "A form", "metadata": {"quiz_type": "form"},
        "question_sets": [{"_id": "s", "title": "All", "questions": [choice, text]}],
    };
    build_with(&form, &[], &[attempt("u", &[("a", bson!([0])), ("b", Bson::Null)])], session(), now())
}

#[test]
fn items_have_the_listed_fields() {
    let mut seen = BTreeSet::new();
    for test in [chaptered_test(), form_test()] {
        for table in ReportTable::ALL {
            for item in items(&test, table) {
                seen.extend(assert_listed(table, &item));
            }
        }
    }
    for table in ReportTable::ALL {
        for group in field_groups(table) {
            for field in group.fields() {
                let path = format!("{} {}.{}", table.default_name(), group.path, field.name);
                let is_written = !field.meaning.contains("not written yet");
                assert_eq!(seen.contains(&path), is_written, "{path}");
            }
        }
    }
}

#[test]
fn reports_page_is_up_to_date() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/REPORTS.md");
    let written = std::fs::read_to_string(page).unwrap_or_default();
    let how = "run `cargo run -p quiz-domain --example reports_page > docs/REPORTS.md`";
    assert!(written == reports::reports_page(), "{how}");
}
