//! What the readers of the items and rows need: the Reporting Engine's pages, the LMS and the analysts.

use quiz_domain::reports::ReportTable;
use quiz_domain::rows::{CellType, WarehouseTable};
use serde_json::Value;

use crate::fields::{chaptered_test, form_test, items, objects};

/// The type of a value that a reader needs in every item.
#[derive(Clone, Copy, Debug)]
enum Need {
    Text,
    /// `YYYY-MM-DD`.
    Day,
    Number,
    NumberOrNull,
    Flag,
    List,
}

use Need::{Day, Flag, List, Number, NumberOrNull, Text};

impl Need {
    fn is_met(self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return false };
        match self {
            Text => value.as_str().is_some_and(|text| !text.trim().is_empty()),
            Day => value.as_str().is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
            Number => value.is_number(),
            NumberOrNull => value.is_number() || value.is_null(),
            Flag => value.is_boolean(),
            List => value.is_array(),
        }
    }
}

/// Fields by the path of their object and the type that a reader needs.
type Needs = &'static [(&'static str, Need, &'static [&'static str])];

const V1: Needs = &[
    ("", Text, &["session_id", "user_id-section", "user_id", "section", "test_id", "test_name", "platform"]),
    ("", Day, &["start_date"]),
    ("", Number, &["marks_scored", "max_marks_possible", "num_skipped", "num_wrong", "num_correct"]),
    ("", Number, &["num_partially_correct", "percentage", "accuracy", "total_questions"]),
    ("", Flag, &["has_quiz_ended"]),
    ("chapter_wise_data[]", Text, &["chapter_name", "section"]),
    ("chapter_wise_data[]", Number, &["marks_scored", "max_score", "total_questions", "accuracy"]),
    ("chapter_wise_data[]", Number, &["attempt_percentage"]),
];

const V2: Needs = &[
    ("", Text, &["session_id", "user_id", "quiz_id", "student_id"]),
    ("report_header", Text, &["student_id", "test_name"]),
    ("report_header", Day, &["test_date"]),
    ("overall_performance", Number, &["marks_scored", "max_marks_possible", "total_questions"]),
    ("overall_performance", Number, &["num_correct", "num_wrong", "num_skipped"]),
    ("overall_performance", NumberOrNull, &["percentage", "accuracy"]),
    ("overall_performance", Flag, &["has_quiz_ended"]),
    ("subject_performance[]", Text, &["subject"]),
    ("subject_performance[]", Number, &["marks_scored", "max_marks_possible", "total_questions"]),
    ("subject_performance[]", Number, &["num_correct", "num_wrong", "num_skipped"]),
    ("subject_performance[]", NumberOrNull, &["percentage", "accuracy"]),
    ("chapter_performance[]", Text, &["subject", "chapter_name"]),
    (
        "chapter_performance[]",
        Number,
        &["marks_scored", "max_marks_possible", "max_score", "total_questions"],
    ),
    ("chapter_performance[]", Number, &["num_correct", "num_wrong", "num_partially_correct", "num_skipped"]),
    ("chapter_performance[]", NumberOrNull, &["percentage", "accuracy"]),
    ("recommendation", Text, &["message"]),
    ("recommendation", List, &["recommended_chapters"]),
    ("recommendation.recommended_chapters[]", Text, &["subject", "chapter_name"]),
    ("metadata", Flag, &["test_incomplete"]),
];

const FORM: Needs = &[
    ("", Text, &["session_id", "user_id-question_position_index", "user_id", "test_name"]),
    ("", Day, &["start_date"]),
    ("", Number, &["question_position_index"]),
    ("", Flag, &["is_answered"]),
];

#[test]
fn items_meet_the_needs_of_their_readers() {
    let (test, form) = (chaptered_test(), form_test());
    for (test, table, needs, count) in [
        (&test, ReportTable::Sections, V1, 9),
        (&test, ReportTable::Students, V2, 3),
        (&form, ReportTable::FormResponses, FORM, 2),
    ] {
        let items = items(test, table);
        assert_eq!(items.len(), count);
        for item in &items {
            for (path, need, fields) in needs {
                for (object, field) in objects(item, path)
                    .into_iter()
                    .flat_map(|object| fields.iter().map(move |field| (object, field)))
                {
                    let value = object.get(*field);
                    assert!(need.is_met(value), "{table:?} {path}.{field} is {value:?}, not {need:?}");
                }
            }
        }
    }
}

#[test]
fn warehouse_has_the_columns_of_its_readers() {
    use CellType::{Bool, Date, Float, Int, Text};
    let needs: [(WarehouseTable, CellType, &[&str]); 8] = [
        (
            WarehouseTable::FormResponses,
            Text,
            &["user_id", "question_text", "user_response", "user_response_labels"],
        ),
        (
            WarehouseTable::FormResponses,
            Text,
            &["test_id", "session_id", "question_id", "question_set_title"],
        ),
        (WarehouseTable::FormResponses, Text, &["test_type", "cms_test_id", "group", "batch"]),
        (WarehouseTable::FormResponses, Int, &["question_position_index"]),
        (WarehouseTable::FormResponses, Bool, &["is_answered"]),
        (
            WarehouseTable::TestResponses,
            Text,
            &["session_id", "user_id", "section", "test_id", "test_name", "cms_test_id"],
        ),
        (
            WarehouseTable::TestResponses,
            Float,
            &["marks_scored", "max_marks_possible", "percentage", "accuracy"],
        ),
        (WarehouseTable::TestResponses, Date, &["start_date"]),
    ];
    for (table, kind, names) in needs {
        for name in names {
            let column = table.columns().find(|column| column.name == *name);
            assert_eq!(column.map(|column| column.kind), Some(kind), "{}.{name}", table.name());
        }
    }
    for name in ["test_type", "cms_test_id", "group", "batch"] {
        let mut columns = WarehouseTable::FormResponses.columns();
        assert!(
            columns.any(|column| column.name == name && !column.required),
            "{name} can be added to a table"
        );
    }
}

#[test]
fn subject_without_chapter_has_no_chapter_table() {
    for item in items(&chaptered_test(), ReportTable::Sections) {
        let lines = item.get("chapter_wise_data").map(|lines| lines.as_array().unwrap().len());
        let expected = (item["section"] == "Physics").then_some(2);
        assert_eq!(lines, expected, "{}", item["section"]);
    }
}

#[test]
fn chapter_ids_of_one_name_are_one_line() {
    let test = chaptered_test();
    let v1 = &items(&test, ReportTable::Sections)[3];
    assert_eq!(v1["user_id-section"], "all#Physics");
    let optics = &v1["chapter_wise_data"][0];
    assert_eq!((&optics["chapter_name"], &optics["chapter_code"]), (&"Optics".into(), &"P1".into()));
    assert_eq!((&optics["total_questions"], &optics["marks_scored"]), (&2.into(), &(-2).into()));
    assert_eq!(optics["max_score"], 8);

    let v2 = &items(&test, ReportTable::Students)[0];
    let [optics, waves] = &v2["chapter_performance"].as_array().unwrap()[..] else { panic!("{v2}") };
    assert_eq!((&optics["chapter_id"], &optics["priority"]), (&"P1".into(), &"high".into()));
    assert_eq!((&optics["num_wrong"], &optics["percentage"]), (&2.into(), &(-25).into()));
    assert_eq!((&optics["max_marks_possible"], &optics["max_score"]), (&8.into(), &8.into()));
    assert_eq!((waves.get("priority"), &waves["total_questions"]), (None, &1.into()));
}

#[test]
fn rank_has_both_names() {
    let test = chaptered_test();
    let ranks: Vec<_> = items(&test, ReportTable::Students)
        .iter()
        .map(|item| {
            ["rank", "cms_rank"].map(|field| item["overall_performance"].get(field).and_then(Value::as_u64))
        })
        .collect();
    assert_eq!(ranks, [[Some(2), Some(2)], [Some(1), Some(1)], [None, None]], "all, none and open");
    let subjects = items(&test, ReportTable::Students)[0]["subject_performance"].clone();
    assert!(subjects.as_array().unwrap().iter().all(|subject| subject.get("cms_rank").is_none()));
}

/// Renders a v2 document as the print template does: an absent field that the template uses is an error there, and a panic
/// here. A null percentage is 0.
pub fn print_page(report: &Value) -> String {
    let text = |object: &Value, field: &str| {
        object[field].as_str().unwrap_or_else(|| panic!("500: {field} is undefined")).to_owned()
    };
    let number = |object: &Value, field: &str| {
        let value = object.get(field).unwrap_or_else(|| panic!("500: {field} is undefined"));
        if value.is_null() {
            0.0
        } else {
            value.as_f64().unwrap_or_else(|| panic!("500: {field} is no number"))
        }
    };
    let marks = |object: &Value| {
        format!("{:.0} / {:.0}", number(object, "marks_scored"), number(object, "max_marks_possible"))
    };
    let percentages =
        |object: &Value| format!("{:.2}% {:.2}%", number(object, "percentage"), number(object, "accuracy"));
    let overall = &report["overall_performance"];
    let mut page = vec![
        format!(
            "{} {}",
            text(&report["report_header"], "test_name"),
            text(&report["report_header"], "test_date")
        ),
        format!("Overall Score: {}, {}", marks(overall), percentages(overall)),
        format!("Recommendation: {}", text(&report["recommendation"], "message")),
    ];
    for chapter in objects(report, "recommendation.recommended_chapters[]") {
        page.push(format!("- {} {}", text(chapter, "subject"), text(chapter, "chapter_name")));
    }
    for subject in objects(report, "subject_performance[]") {
        let name = text(subject, "subject").to_uppercase();
        page.push(format!("{name}: {}, {}", marks(subject), percentages(subject)));
    }
    for shown in ["high", "medium", "low", "unknown"] {
        for chapter in objects(report, "chapter_performance[]") {
            let priority = chapter.get("priority").and_then(Value::as_str).unwrap_or("unknown");
            if priority == shown {
                page.push(format!("{} ({priority}): {}", text(chapter, "chapter_name"), marks(chapter)));
            }
        }
    }
    page.join("\n")
}

#[test]
fn print_page_renders_every_document() {
    let pages: Vec<String> = items(&chaptered_test(), ReportTable::Students).iter().map(print_page).collect();
    insta::assert_snapshot!(pages.join("\n\n"));
}

/// Shows a response as the form page does.
#[test]
fn form_page_shows_words_for_each_answer() {
    let shown: Vec<String> = items(&form_test(), ReportTable::FormResponses)
        .iter()
        .map(|item| {
            let is_answered = item["is_answered"].as_bool().unwrap();
            let labels = item.get("user_response_labels").and_then(Value::as_str).unwrap_or_default();
            if is_answered && !labels.is_empty() { labels.to_owned() } else { "None".to_owned() }
        })
        .collect();
    assert_eq!(shown, ["Yes", "None"]);
}
