use serde_json::Value;

use super::report::heading;
use super::text::stored_text;
use crate::overview::plain;
use crate::ui::Ink;
use crate::ui::{clean, table};

const QUESTION_LIMIT: usize = 200;

/// The responses of one user (items of `form_question_responses`), in the order of the form.
pub(super) fn render(mut items: Vec<&Value>, ink: Ink) -> String {
    let position = |item: &Value| item.get("question_position_index").and_then(Value::as_f64);
    items.sort_by(|a, b| position(a).unwrap_or(f64::MAX).total_cmp(&position(b).unwrap_or(f64::MAX)));
    let Some(first) = items.first() else { return String::new() };
    let rows = items.iter().map(|item| {
        let number = position(item).map(|position| (position + 1.0).to_string());
        vec![
            number.unwrap_or_default(),
            plain(&stored_text(item, "question_text"), QUESTION_LIMIT),
            response(item),
        ]
    });
    let header = ["", "question", "response"].map(str::to_owned);
    let heading = heading(first, &stored_text(first, "test_name"), &stored_text(first, "start_date"), ink);
    format!("{heading}\n{}", table(3, &header, rows))
}

/// A text as the student wrote it, else the response in words. An older item has no words for some responses.
fn response(item: &Value) -> String {
    if item.get("is_answered").and_then(Value::as_bool) == Some(false) {
        return "(not answered)".to_owned();
    }
    let labels = plain(&stored_text(item, "user_response_labels"), usize::MAX);
    match item.get("user_response") {
        Some(Value::String(text)) => clean(text),
        Some(response) if labels.is_empty() => clean(&response.to_string()),
        _ => labels,
    }
}
