use std::borrow::Cow;

use super::RowBatch;
use super::cell::{Cell, CellType, json};
use super::schema::{BATCH, CMS_TEST_ID, ColumnSpec, GROUP, TEST_TYPE, WarehouseTable, text};
use crate::read::attempt::{AnswerRecord, Attempt};
use crate::read::question::Question;
use crate::read::quiz::Quiz;
use crate::read::test_session::TestSession;
use crate::read::value::Value;
use crate::reports::labels;

/// One user's answer to one question of a form.
pub(super) struct Row<'a> {
    session: &'a TestSession,
    quiz: &'a Quiz,
    attempt: &'a Attempt,
    position: usize,
    question: &'a Question,
    record: Option<&'a AnswerRecord>,
}

impl<'a> Row<'a> {
    fn answer(&self) -> &'a Value {
        self.record.map_or(&Value::Null, |record| &record.answer)
    }
}

/// A column with the function that makes its cell.
pub(super) type Column = (ColumnSpec, for<'a> fn(&Row<'a>) -> Cell<'a>);

pub(super) static COLUMNS: [Column; 18] = [
    (text("session_id", "id of the test session").required(), |row| Cell::text(&row.session.session_id)),
    (text("test_id", "id of the quiz").required(), |row| Cell::text(&row.quiz.id)),
    (text("user_id", "id of the student").required(), |row| Cell::text(&row.attempt.user_id)),
    (text("attempt_id", "id of the session document that counts for this user").required(), |row| {
        Cell::text(&row.attempt.id)
    }),
    (text("question_id", "id of the question; null where the form names none"), |row| {
        Cell::known(Some(row.question.id.as_str()).filter(|id| !id.is_empty()))
    }),
    (
        ColumnSpec::new(
            "question_position_index",
            CellType::Int,
            "place in the form, from 0, over its sets in order",
        )
        .required(),
        |row| Cell::Int(i64::try_from(row.position).unwrap_or(i64::MAX)),
    ),
    (text("question_set_title", "title of the question's set"), |row| {
        Cell::known(row.quiz.set_containing(row.question).and_then(|set| set.title.as_deref()))
    }),
    (text("question_text", "the question"), |row| Cell::known(row.question.text.as_deref())),
    (text("question_type", "the Quiz Engine's name of the type, such as subjective").required(), |row| {
        Cell::text(row.question.kind.name())
    }),
    (text("priority", "the question's priority; what is no text, as JSON text"), |row| {
        Cell::plain(&row.question.priority)
    }),
    (
        text(
            "user_response",
            "the answer: numbers of the chosen options, from 0, joined with `,`; a text or a number unchanged; a \
             matrix as JSON text; null where not answered",
        ),
        |row| response(row.answer()),
    ),
    (
        text(
            "user_response_labels",
            "the answer in words: texts of the chosen options, joined with `, `; a text or a number unchanged; a \
             matrix as `row: label`, joined with `; `; null only where not answered",
        ),
        |row| labels(row.question, row.answer()).map_or(Cell::Null, |labels| Cell::Text(Cow::Owned(labels))),
    ),
    (
        ColumnSpec::new(
            "is_answered",
            CellType::Bool,
            "whether it holds a non-blank text, a non-empty list or object, or any number",
        )
        .required(),
        |row| Cell::Bool(crate::is_answered(row.answer())),
    ),
    (ColumnSpec::new("time_spent", CellType::Float, "seconds on this question"), |row| {
        Cell::float(row.record.and_then(|record| record.time_spent))
    }),
    (TEST_TYPE, |row| Cell::known(row.quiz.kind.name())),
    (CMS_TEST_ID, |row| Cell::known(row.quiz.source_id.as_deref())),
    (GROUP, |row| Cell::known(row.session.group())),
    (BATCH, |row| Cell::known(row.session.batch.as_deref())),
];

/// The cell of `user_response`: the LMS reads `0` for the first option, and `0,2` for the first and the third.
fn response(answer: &Value) -> Cell<'_> {
    let is_number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    match answer {
        answer if !crate::is_answered(answer) => Cell::Null,
        Value::List(options) if options.iter().all(is_number) => {
            let options: Vec<String> = options.iter().filter_map(json).collect();
            Cell::Text(Cow::Owned(options.join(",")))
        }
        answer => Cell::plain(answer),
    }
}

/// Adds one row of `all_responses_form_level` for each question of an attempt.
pub fn append_form(quiz: &Quiz, session: &TestSession, attempt: &Attempt, rows: &mut RowBatch) {
    debug_assert_eq!(rows.table(), WarehouseTable::FormResponses);
    for (position, (question, record)) in quiz.questions.iter().zip(&attempt.answers).enumerate() {
        let row = Row { session, quiz, attempt, position, question, record: record.as_ref() };
        rows.push(COLUMNS.iter().map(|(_, value)| value(&row)));
    }
}
