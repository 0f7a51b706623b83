use quiz_domain::round2;
use serde_json::Value;

use crate::ui::clean;

/// Marks or a percentage: at most two decimals.
pub(super) fn number(value: f64) -> String {
    round2(value).to_string()
}

/// Like [`number`]; empty for `None`.
pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// A stored text, cleaned; empty if missing.
pub(super) fn stored_text(item: &Value, field: &str) -> String {
    item.get(field).and_then(Value::as_str).map(clean).unwrap_or_default()
}

/// A stored number; empty if missing.
pub(super) fn stored_number(item: &Value, field: &str) -> String {
    optional(item.get(field).and_then(Value::as_f64))
}

/// Stored marks with their maximum: `33/64`; without a stored maximum, `33`.
pub(super) fn stored_marks(item: &Value, marks: &str, maximum: &str) -> String {
    let (marks, maximum) = (stored_number(item, marks), stored_number(item, maximum));
    if maximum.is_empty() { marks } else { format!("{marks}/{maximum}") }
}
