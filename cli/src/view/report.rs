use serde_json::Value;

use super::text::stored_text;
use super::{form, section_items, student_document};
use crate::ui::Ink;

/// One student's report from its stored items: the items of `student_quiz_reports` (v1), the document of
/// `student_quiz_reports_v2`, or the items of `form_question_responses`. If v1 and v2 exist, the report shows v1, because
/// the page of v2 has no rank.
#[must_use]
pub fn report(items: &[Value], colour: bool) -> String {
    let ink = Ink { colour };
    let with = |field: &str| items.iter().filter(|item| item.get(field).is_some()).collect::<Vec<_>>();
    let (sections, documents) = (with("user_id-section"), with("report_header"));
    let mut parts = Vec::new();
    if !sections.is_empty() {
        parts.push(section_items::render(sections, ink));
        if !documents.is_empty() {
            parts.push(ink.quiet("also stored as a v2 document, which the Reporting Engine shows first"));
        }
    } else if let Some(document) = documents.first() {
        parts.push(student_document::render(document, ink));
    }
    let responses = with("user_id-question_position_index");
    if !responses.is_empty() {
        parts.push(form::render(responses, ink));
    }
    if parts.is_empty() {
        return "no report".to_owned();
    }
    parts.join("\n\n")
}

/// The heading of a report: test name, user, date and session.
pub(super) fn heading(item: &Value, test_name: &str, date: &str, ink: Ink) -> String {
    let about = [
        ("student", stored_text(item, "user_id")),
        ("date", date.to_owned()),
        ("session", stored_text(item, "session_id")),
    ];
    let about: Vec<String> = about
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{} {value}", ink.quiet(name)))
        .collect();
    format!("{}\n{}", ink.strong(test_name), about.join("   "))
}

pub(super) const INCOMPLETE: &str =
    "incomplete: the test is not finished; there is no rank or percentile yet";
