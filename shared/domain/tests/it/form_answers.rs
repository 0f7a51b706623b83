//! A form's answers as the form page and the LMS read them: `user_response` and `user_response_labels`.

use bson::{Bson, bson, doc};
use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use serde_json::Value;

use crate::common::{attempt, build_rows, question, session};
use crate::fields::items;

/// Answers one question with the options Yes, No, a picture and Perhaps. Returns the item, and the texts of the row.
fn answer(kind: &str, answer: impl Into<Bson>) -> (Value, [Value; 2]) {
    let mut question = question("q", kind, Bson::Null);
    question.insert("options", bson!([{"text": "Yes"}, {"text": "No"}, {"image": {}}, {"text": "Perhaps"}]));
    let form = doc! {
        "_id": "quiz", "title": "A form", "metadata": {"quiz_type": "form"},
        "question_sets": [{"_id": "s", "title": "All", "questions": [question]}],
    };
    let attempts = [attempt("u", &[("q", answer.into())])];
    let (test, rows) = build_rows(&form, &[], &attempts, session());
    let row = &rows[&WarehouseTable::FormResponses][0];
    let item = items(&test, ReportTable::FormResponses).remove(0);
    assert_eq!(row["is_answered"], item["is_answered"]);
    assert_eq!(row["user_response_labels"], item.get("user_response_labels").cloned().unwrap_or_default());
    (item, ["user_response", "user_response_labels"].map(|column| row[column].clone()))
}

#[test]
fn answered_question_has_response_and_labels() {
    let cases: [(&str, Bson, &str, &str); 23] = [
        ("single-choice", bson!([0]), "0", "Yes"),
        ("single-choice", bson!([1.0]), "1", "No"),
        ("single-choice", bson!(1), "1", "No"),
        ("single-choice", bson!("Yes"), "Yes", "Yes"),
        ("single-choice", bson!([2]), "2", "option 3"),
        ("single-choice", bson!([9]), "9", "option 10"),
        ("single-choice", bson!([-1]), "-1", "-1"),
        ("multi-choice", bson!([0, 3]), "0,3", "Yes, Perhaps"),
        ("multi-choice", bson!([3, 2, 0]), "3,2,0", "Perhaps, option 3, Yes"),
        ("multi-choice", bson!([0, Bson::Null]), "[0,null]", "Yes, nothing"),
        ("subjective", bson!("I like \"Physics\""), "I like \"Physics\"", "I like \"Physics\""),
        ("subjective", bson!(0), "0", "0"),
        ("numerical-integer", bson!(5), "5", "5"),
        ("numerical-integer", bson!(5.0), "5", "5"),
        ("numerical-float", bson!(2.5), "2.5", "2.5"),
        ("numerical-float", bson!(true), "true", "true"),
        (
            "matrix-rating",
            bson!({"Physics": 1, "Maths": 0}),
            r#"{"Maths":0,"Physics":1}"#,
            "Maths: Yes; Physics: No",
        ),
        ("matrix-rating", bson!({"__default__": 3}), r#"{"__default__":3}"#, "Perhaps"),
        ("matrix-numerical", bson!({"Maths": "85"}), r#"{"Maths":"85"}"#, "Maths: 85"),
        ("matrix-numerical", bson!({"Maths": 1}), r#"{"Maths":1}"#, "Maths: 1"),
        (
            "matrix-subjective",
            bson!({"A": {"x": "b", "y": "c"}}),
            r#"{"A":{"x":"b","y":"c"}}"#,
            "A: x: b, y: c",
        ),
        ("matrix-match", bson!(["AP", "BQ"]), r#"["AP","BQ"]"#, "A: P; B: Q"),
        ("essay", bson!([0]), "0", "0"),
    ];
    for (kind, given, response, labels) in cases {
        let (item, row) = answer(kind, given.clone());
        assert_eq!(row, [response, labels], "{kind} {given}");
        assert_eq!(item["is_answered"], true, "{kind} {given}");
        let stored = serde_json::to_value(quiz_domain::Value::read(Some(&given))).unwrap();
        assert_eq!(item["user_response"], stored, "{kind} {given}");
    }
}

#[test]
fn unanswered_question_has_neither() {
    for given in [Bson::Null, bson!("  "), bson!([]), bson!({})] {
        let (item, row) = answer("subjective", given.clone());
        assert_eq!(row, [Value::Null, Value::Null], "{given}");
        assert_eq!(
            (&item["is_answered"], item.get("user_response_labels")),
            (&false.into(), None),
            "{given}"
        );
    }
}
