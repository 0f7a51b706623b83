//! Makes `user_response_labels`: the words for a student's answer to a question of a form.
//!
//! The form page and the LMS show these words, and the LMS scores a form by the texts of its options. So each answered
//! question has words: the texts of the chosen options, or the text or the number that the student gave.

use std::collections::BTreeMap;

use crate::read::question::{Question, QuestionType};
use crate::read::value::Value;
use crate::score::scoring::is_answered;

/// The Quiz Engine's key for the only row of a matrix, where the row has no name.
const ROW_WITHOUT_NAME: &str = "__default__";
/// A greater index is a mistake.
const MAX_OPTIONS: f64 = 1e6;

/// The words for an answer; `None` where the question is not answered.
///
/// Texts of options are joined with `, `. A matrix has `row: label` for each answered row, joined with `; `, in the order of
/// the rows' names.
pub(crate) fn labels(question: &Question, answer: &Value) -> Option<String> {
    let words = || match answer {
        Value::Map(rows) => row_labels(question, rows, "; "),
        Value::List(pairs) if question.kind == QuestionType::MatrixMatch => {
            join(pairs, "; ", |pair| pair_label(question, pair))
        }
        answer => label(question, answer),
    };
    is_answered(answer).then(words)
}

fn label(question: &Question, value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => option_label(question, value).unwrap_or_else(|| number.to_string()),
        Value::Float(number) => option_label(question, value).unwrap_or_else(|| number.to_string()),
        Value::Bool(flag) => flag.to_string(),
        Value::List(values) => join(values, ", ", |value| label(question, value)),
        Value::Map(rows) => row_labels(question, rows, ", "),
        Value::Null | Value::Other(_) => value.kind().to_owned(),
    }
}

fn row_labels(question: &Question, rows: &BTreeMap<String, Value>, separator: &str) -> String {
    join(rows, separator, |(row, value)| {
        let label = label(question, value);
        let has_name = !row.trim().is_empty() && row != ROW_WITHOUT_NAME;
        if has_name { format!("{row}: {label}") } else { label }
    })
}

/// A pair of a matrix-match question: the Quiz Engine stores row A, column P as `AP`.
fn pair_label(question: &Question, pair: &Value) -> String {
    let label = label(question, pair);
    match label.split_at_checked(1) {
        Some((row, column)) if !column.is_empty() => format!("{row}: {column}"),
        _ => label,
    }
}

/// The text of the option with this index, from 0; `None` where answers to the question name no options. An option without
/// a text, such as a picture, is `option 3` where it is the third.
fn option_label(question: &Question, index: &Value) -> Option<String> {
    use QuestionType::{MatrixRating, MultiChoice, SingleChoice};

    let has_options = matches!(question.kind, SingleChoice | MultiChoice | MatrixRating);
    let is_index = |index: &f64| has_options && index.fract() == 0.0 && (0.0..MAX_OPTIONS).contains(index);
    let index = index.as_number().filter(is_index)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and within the range"
    )]
    let index = index as usize;
    let text = question.options.get(index).filter(|text| !text.is_empty());
    Some(text.cloned().unwrap_or_else(|| format!("option {}", index + 1)))
}

fn join<T>(items: impl IntoIterator<Item = T>, separator: &str, label: impl Fn(T) -> String) -> String {
    items.into_iter().map(label).collect::<Vec<_>>().join(separator)
}
