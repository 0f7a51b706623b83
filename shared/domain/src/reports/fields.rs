//! The fields of the report items, for their readers: names, types, presence and meaning.
//!
//! `docs/REPORTS.md` is made from these lists. A test holds the items to them: an item has each field that is always
//! present, each value has its type, and no item has another field.

use FieldType::{Any, Count, Flag, List, Number, Object, Text};

use super::ReportTable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    /// A whole number, 0 or more.
    Count,
    Number,
    Flag,
    Object,
    List,
    /// A value of the type in which the Quiz Engine stores it.
    Any,
}

/// When an item has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Always,
    /// Always, with null where there is no basis to compute it.
    OrNull,
    /// Left out where unknown.
    IfKnown,
}

#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    pub name: &'static str,
    pub kind: FieldType,
    pub presence: Presence,
    /// With the unit.
    pub meaning: &'static str,
    /// The known readers, in the words of `docs/REPORTS.md`; empty where none is known.
    pub readers: &'static str,
}

/// The fields of an item, or of one of its objects.
#[derive(Clone, Copy, Debug)]
pub struct FieldGroup {
    /// The path within the item; empty for the item. `[]` stands for each entry of a list.
    pub path: &'static str,
    pub fields: &'static [&'static [FieldSpec]],
}

impl FieldGroup {
    pub fn fields(&self) -> impl Iterator<Item = &'static FieldSpec> {
        self.fields.iter().copied().flatten()
    }
}

/// The fields of a table's items.
#[must_use]
pub fn field_groups(table: ReportTable) -> &'static [FieldGroup] {
    match table {
        ReportTable::Sections => &SECTIONS,
        ReportTable::Students => &STUDENTS,
        ReportTable::FormResponses => &FORM_RESPONSES,
    }
}

type Words = &'static str;

const fn always(name: Words, kind: FieldType, meaning: Words, readers: Words) -> FieldSpec {
    FieldSpec { name, kind, presence: Presence::Always, meaning, readers }
}

const fn or_null(name: Words, kind: FieldType, meaning: Words, readers: Words) -> FieldSpec {
    FieldSpec { name, kind, presence: Presence::OrNull, meaning, readers }
}

const fn if_known(name: Words, kind: FieldType, meaning: Words, readers: Words) -> FieldSpec {
    FieldSpec { name, kind, presence: Presence::IfKnown, meaning, readers }
}

const SESSION_ID: &str = "id of the test session";
const USER_ID: &str = "the Quiz Engine's id of the student";
const FIRST_CHAPTER_ID: &str = "the first chapter id that a question of the chapter has";
const MARKS: &str = "marks, 2 decimals";
const COUNTED: &str = "questions that count";
const PERCENTAGE: &str = "100 × marks / maximum";
const ACCURACY: &str = "100 × (correct + ½ partially correct) / answered";
const ENDED: &str = "whether the student ended the attempt";
const RANK: &str = "1-2-2-4 among the final attempts; only of a final attempt";
const TEST_NAME: &str = "the session's name, else the quiz's title, else its id";

/// What quiz-etl keeps in each item for itself.
const OWN: [FieldSpec; 2] = [
    always("sync_generation", Count, "grows from one sync of a test session to the next", "quiz-etl"),
    if_known("content_digest", Text, "a hash of the content; each stored item has it", "quiz-etl"),
];

const SECTIONS: [FieldGroup; 2] = [
    FieldGroup { path: "", fields: &[&SECTION, &OWN] },
    FieldGroup { path: "chapter_wise_data[]", fields: &[&CHAPTER_LINE] },
];

const SECTION: [FieldSpec; 35] = [
    always("session_id", Text, SESSION_ID, "page, list"),
    always("user_id-section", Text, "`{user_id}#{section}`", "page, list"),
    always("user_id", Text, USER_ID, "page, list"),
    always("section", Text, "`overall`, or a subject", "page"),
    always("test_id", Text, "id of the quiz", "page"),
    always("test_name", Text, TEST_NAME, "page, list"),
    if_known("test_type", Text, "the Quiz Engine's quiz_type", ""),
    if_known("test_format", Text, "the Quiz Engine's test_format", ""),
    always("platform", Text, "`quizengine`", "page"),
    always(
        "start_date",
        Text,
        "day of the test: the session's start, else the earliest attempt's",
        "page, list",
    ),
    if_known("start_time", Text, "clock time of the session's start", ""),
    if_known("end_date", Text, "day on which the test's window closes", ""),
    if_known("end_time", Text, "clock time at which the test's window closes", ""),
    if_known("group", Text, "the session's group", ""),
    if_known("batch", Text, "the session's batch", ""),
    if_known("stream", Text, "the session's stream", "page"),
    if_known("course", Text, "the session's course", ""),
    if_known("grade", Text, "the session's grade, else the quiz's", ""),
    always("marks_scored", Number, MARKS, "page"),
    always("max_marks_possible", Number, "the section's maximum, 2 decimals", ""),
    always("total_questions", Count, COUNTED, ""),
    always("num_correct", Count, "questions", "page"),
    always("num_wrong", Count, "questions", "page"),
    always("num_partially_correct", Count, "questions", "page"),
    always("num_skipped", Count, "questions", "page"),
    always("percentage", Number, "100 × marks / maximum; 0 where the maximum is 0", "page"),
    always(
        "accuracy",
        Number,
        "100 × (correct + ½ partially correct) / answered; 0 where nothing is answered",
        "page",
    ),
    if_known("rank", Count, RANK, "page, list"),
    if_known(
        "percentile",
        Number,
        "100 × (ranked participants with marks ≤ these) / ranked participants; only of a final attempt",
        "page, list",
    ),
    always("number_test_taker", Count, "final attempts", ""),
    if_known("highest_test_score", Number, "of the final attempts", "page"),
    if_known("avg_test_score", Number, "of the final attempts", ""),
    always("has_quiz_ended", Flag, ENDED, ""),
    always("inserted_at_timestamp", Text, "when the sync wrote the item: RFC 3339, UTC", ""),
    if_known(
        "chapter_wise_data",
        List,
        "a line for each chapter name of the subject; never in `overall`, never empty",
        "page",
    ),
];

const CHAPTER_LINE: [FieldSpec; 8] = [
    always("chapter_name", Text, "unique within the subject", "page"),
    if_known("chapter_code", Text, FIRST_CHAPTER_ID, "page"),
    always("section", Text, "the subject", ""),
    always("marks_scored", Number, MARKS, "page"),
    always("max_score", Number, "the chapter's maximum, 2 decimals", "page"),
    always("total_questions", Count, COUNTED, "page"),
    always("accuracy", Number, "as in the item", "page"),
    always("attempt_percentage", Number, "100 × answered / questions; 0 without questions", "page"),
];

const STUDENTS: [FieldGroup; 8] = [
    FieldGroup { path: "", fields: &[&STUDENT, &OWN] },
    FieldGroup { path: "report_header", fields: &[&REPORT_HEADER] },
    FieldGroup { path: "overall_performance", fields: &[&PERFORMANCE, &[CMS_RANK]] },
    FieldGroup { path: "subject_performance[]", fields: &[&[SUBJECT], &PERFORMANCE] },
    FieldGroup { path: "chapter_performance[]", fields: &[&[SUBJECT], &CHAPTER_PERFORMANCE] },
    FieldGroup { path: "recommendation", fields: &[&RECOMMENDATION] },
    FieldGroup { path: "recommendation.recommended_chapters[]", fields: &[&RECOMMENDED_CHAPTER] },
    FieldGroup { path: "metadata", fields: &[&METADATA] },
];

const STUDENT: [FieldSpec; 12] = [
    always("session_id", Text, SESSION_ID, "page, print, list, LMS"),
    always("user_id", Text, USER_ID, "page, print, list, LMS"),
    always("quiz_id", Text, "id of the quiz", "page, print, LMS"),
    always(
        "student_id",
        Text,
        "the quiz user id, until the students' directory is read",
        "page, print, LMS, old links",
    ),
    if_known("apaar_id", Text, "id in India's academic registry (APAAR); not written yet", "LMS, old links"),
    if_known("school", Text, "the session's school", "LMS"),
    always("report_header", Object, "student and test", "page, print, LMS"),
    always("overall_performance", Object, "the whole test", "page, print, list, LMS"),
    always("subject_performance", List, "in the order of the quiz", "page, print, LMS"),
    always(
        "chapter_performance",
        List,
        "a line for each chapter name of a subject, in the order of the quiz",
        "page, print, LMS",
    ),
    always("recommendation", Object, "the chapters to practise first", "page, print"),
    always("metadata", Object, "the state of the attempt", "page, print, LMS"),
];

const REPORT_HEADER: [FieldSpec; 6] = [
    always("student_id", Text, "as above", "page, print"),
    if_known("student_name", Text, "not written yet", "page, print"),
    always("test_name", Text, TEST_NAME, "page, print, LMS"),
    always("test_date", Text, "day of the test", "page, print, LMS"),
    if_known("course", Text, "the session's course", "page, print"),
    if_known("stream", Text, "the session's stream", "page, print"),
];

const SUBJECT: FieldSpec = always("subject", Text, "the subject", "page, print, LMS");
const CMS_RANK: FieldSpec = if_known("cms_rank", Count, "the rank again", "list");

const PERFORMANCE: [FieldSpec; 11] = [
    always("marks_scored", Number, MARKS, "page, print, LMS"),
    always("max_marks_possible", Number, "the maximum, 2 decimals", "page, print, LMS"),
    or_null("percentage", Number, PERCENTAGE, "page, print, LMS"),
    or_null("accuracy", Number, ACCURACY, "page, print, LMS"),
    always("num_correct", Count, "questions", "page, print, LMS"),
    always("num_wrong", Count, "questions", "page, print, LMS"),
    always("num_skipped", Count, "questions", "page, print, LMS"),
    always("total_questions", Count, COUNTED, "LMS"),
    if_known("rank", Count, RANK, ""),
    if_known("percentile", Number, "as in v1; only of a final attempt", "list"),
    always("has_quiz_ended", Flag, ENDED, "page, print, LMS"),
];

const CHAPTER_PERFORMANCE: [FieldSpec; 14] = [
    always("chapter_name", Text, "unique within the subject", "page, print, LMS"),
    if_known("chapter_id", Text, FIRST_CHAPTER_ID, "LMS"),
    if_known(
        "priority",
        Text,
        "`high`, `medium`, `low` or `unknown`: the highest that a question of the chapter has",
        "page, print",
    ),
    always("total_questions", Count, COUNTED, "LMS"),
    always("num_correct", Count, "questions", "page, print, LMS"),
    always("num_wrong", Count, "questions", "page, print, LMS"),
    always("num_partially_correct", Count, "questions", "LMS"),
    always("num_skipped", Count, "questions", "page, print, LMS"),
    always("marks_scored", Number, MARKS, "page, print, LMS"),
    always("max_marks_possible", Number, "the chapter's maximum, 2 decimals", "page, print, LMS"),
    always("max_score", Number, "the maximum under its old name, kept for one release", ""),
    or_null("percentage", Number, PERCENTAGE, "LMS"),
    or_null("accuracy", Number, ACCURACY, "LMS"),
    or_null("attempt_percentage", Number, "100 × answered / questions", ""),
];

const RECOMMENDATION: [FieldSpec; 2] = [
    always("message", Text, "one sentence for the student, also without a chapter", "page, print"),
    always("recommended_chapters", List, "in the order of the quiz; can be empty", "page, print"),
];

const RECOMMENDED_CHAPTER: [FieldSpec; 3] = [
    always("subject", Text, "the subject", "page, print"),
    always("chapter_name", Text, "as in `chapter_performance`", "page, print"),
    if_known("chapter_id", Text, "as in `chapter_performance`", ""),
];

const METADATA: [FieldSpec; 1] = [always(
    "test_incomplete",
    Flag,
    "whether the attempt is not final: the student may still be answering",
    "page, print, LMS",
)];

const FORM_RESPONSES: [FieldGroup; 1] = [FieldGroup { path: "", fields: &[&FORM_RESPONSE, &OWN] }];

const FORM_RESPONSE: [FieldSpec; 13] = [
    always("session_id", Text, SESSION_ID, "form page"),
    always("user_id-question_position_index", Text, "`{user_id}#{question_position_index}`", "form page"),
    always("user_id", Text, USER_ID, "form page"),
    always(
        "question_position_index",
        Count,
        "place in the form, from 0, over its sets in order",
        "form page",
    ),
    if_known("question_id", Text, "id of the question", ""),
    if_known("question_set_title", Text, "title of the question's set", "form page"),
    if_known("question_text", Text, "the question", "form page"),
    if_known("priority", Any, "the question's priority as stored", "form page"),
    if_known("user_response", Any, "the answer as stored", ""),
    if_known("user_response_labels", Text, "the answer in words; each answered question has it", "form page"),
    always("is_answered", Flag, "a non-blank text, a non-empty list or object, or any number", "form page"),
    always("test_name", Text, TEST_NAME, "form page"),
    always("start_date", Text, "day of the form", "form page"),
];
