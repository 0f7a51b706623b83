use super::RowBatch;
use super::cell::{Cell, CellType};
use super::schema::{BATCH, CMS_TEST_ID, ColumnSpec, GROUP, TEST_TYPE, WarehouseTable, float, int, text};
use crate::rank::ranking::{CohortFigures, Standing};
use crate::rank::test_results::{ScoredAttempt, SessionResult};
use crate::read::time::to_india_time;
use crate::reports::{SectionReport, SectionResult, Stamp, section_results};
use crate::round::round2;
use crate::score::tally::Score;

/// One user's result in one section.
pub struct SectionRow<'a> {
    test: &'a SessionResult,
    report: SectionReport,
    attempt: &'a ScoredAttempt,
    score: Score,
    standing: Option<Standing>,
    figures: &'a CohortFigures,
}

/// A column with the function that makes its cell.
pub(super) type Column = (ColumnSpec, for<'a> fn(&'a SectionRow<'a>) -> Cell<'a>);

pub(super) static COLUMNS: [Column; 38] = [
    (text("session_id", "id of the test session").required(), |row| Cell::text(&row.report.session_id)),
    (text("user_id", "id of the student").required(), |row| Cell::text(&row.report.user_id)),
    (text("section", "`overall`, or a subject").required(), |row| Cell::text(&row.report.section)),
    (text("test_id", "id of the quiz").required(), |row| Cell::text(&row.report.test_id)),
    (text("test_name", "the session's name, else the quiz's title, else its id").required(), |row| {
        Cell::text(&row.report.test_name)
    }),
    (TEST_TYPE, |row| Cell::known(row.report.test_type.as_deref())),
    (text("test_format", "the Quiz Engine's test_format"), |row| {
        Cell::known(row.report.test_format.as_deref())
    }),
    (text("platform", "where it was taken: quizengine").required(), |row| Cell::text(row.report.platform)),
    (text("start_time", "clock time of the session's start in India, HH:MM:SS"), |row| {
        Cell::known(row.report.start_time.as_deref())
    }),
    (ColumnSpec::new("end_date", CellType::Date, "day in India on which the test's window closes"), |row| {
        let end = row.test.session.end.or(row.test.quiz.session_end);
        end.map_or(Cell::Null, |end| Cell::Date(to_india_time(end).date()))
    }),
    (text("end_time", "clock time in India at which the test's window closes, HH:MM:SS"), |row| {
        Cell::known(row.report.end_time.as_deref())
    }),
    (GROUP, |row| Cell::known(row.report.group.as_deref())),
    (BATCH, |row| Cell::known(row.report.batch.as_deref())),
    (text("stream", "the session's stream"), |row| Cell::known(row.report.stream.as_deref())),
    (text("course", "the session's course"), |row| Cell::known(row.report.course.as_deref())),
    (text("grade", "the session's grade, else the quiz's"), |row| Cell::known(row.report.grade.as_deref())),
    (float("marks_scored", "marks, 2 decimals").required(), |row| Cell::float(Some(row.score.marks))),
    (float("max_marks_possible", "the section's maximum, 2 decimals").required(), |row| {
        Cell::float(Some(row.score.max_marks))
    }),
    (int("total_questions", "questions that count").required(), |row| Cell::count(row.score.total_questions)),
    (int("num_correct", "questions").required(), |row| Cell::count(row.score.correct)),
    (int("num_wrong", "questions").required(), |row| Cell::count(row.score.wrong)),
    (int("num_partially_correct", "questions").required(), |row| Cell::count(row.score.partially_correct)),
    (int("num_skipped", "questions").required(), |row| Cell::count(row.score.skipped)),
    (float("percentage", "100 × marks / maximum, 2 decimals; null where the maximum is 0"), |row| {
        Cell::float(row.score.percentage())
    }),
    (
        float(
            "accuracy",
            "100 × (correct + ½ partially correct) / answered, 2 decimals; null where nothing was answered",
        ),
        |row| Cell::float(row.score.accuracy()),
    ),
    (
        int(
            "rank",
            "standard competition rank (1-2-2-4) by marks among the final attempts; null for one that is not \
             final",
        ),
        |row| row.standing.map_or(Cell::Null, |standing| Cell::count(standing.rank)),
    ),
    (
        float(
            "percentile",
            "100 × (ranked participants with marks ≤ these) / ranked participants, unrounded; null for an attempt that is not final",
        ),
        |row| Cell::float(row.standing.map(|standing| standing.percentile)),
    ),
    (int("number_test_taker", "final attempts").required(), |row| Cell::count(row.figures.ranked)),
    (float("highest_test_score", "of the final attempts"), |row| Cell::float(row.figures.highest)),
    (float("avg_test_score", "of the final attempts, 2 decimals"), |row| {
        Cell::float(row.figures.average.map(round2))
    }),
    (
        ColumnSpec::new("has_quiz_ended", CellType::Bool, "whether the student ended the attempt").required(),
        |row| Cell::Bool(row.attempt.ended),
    ),
    (
        text("inserted_at_timestamp", "inserted_at as the report item has it: RFC 3339, UTC").required(),
        |row| Cell::text(&row.report.inserted_at_timestamp),
    ),
    (int("sync_generation", "grows from one sync of a session to the next").required(), |row| {
        Cell::Int(row.report.sync_generation)
    }),
    (CMS_TEST_ID, |row| Cell::known(row.test.quiz.source_id.as_deref())),
    (int("num_answered", "questions").required(), |row| Cell::count(row.score.answered)),
    (float("median_test_score", "of the final attempts, 2 decimals"), |row| {
        Cell::float(row.figures.median.map(round2))
    }),
    (float("total_time_spent", "seconds on the whole test"), |row| Cell::float(row.attempt.total_time_spent)),
    (text("attempt_id", "id of the session document that counts for this user").required(), |row| {
        Cell::text(&row.attempt.id)
    }),
];

/// Makes the rows of `test_responses`, by section in the order of the quiz, then by user id.
pub fn section_rows(test: &SessionResult, stamp: Stamp) -> impl Iterator<Item = SectionRow<'_>> + Send {
    section_results(test, stamp).map(|SectionResult { report, attempt, score, standing, figures, .. }| {
        SectionRow { test, report, attempt, score, standing, figures }
    })
}

impl SectionRow<'_> {
    /// Adds this row to a batch.
    pub fn append(&self, rows: &mut RowBatch) {
        debug_assert_eq!(rows.table(), WarehouseTable::TestResponses);
        rows.push(COLUMNS.iter().map(|(_, value)| value(self)));
    }
}
