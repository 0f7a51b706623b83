//! Makes the DynamoDB items of the tables `student_quiz_reports` (v1), `student_quiz_reports_v2` and
//! `form_question_responses`.
//!
//! The Reporting Engine and the LMS read these tables by their attribute names, so the names must not change. An item
//! leaves out an unknown value. [`field_groups`] lists the fields with their readers, and `docs/REPORTS.md` shows them.
//!
//! [`ReportItem::seal`] adds a digest of the content: a sync rewrites an item only where the stored digest differs.

mod answer_labels;
mod chapters;
mod content;
mod fields;
mod form;
mod page;
mod recommendation;
mod section;
mod student;

use jiff::Timestamp;
use serde::Serialize;

pub(crate) use answer_labels::labels;
pub use chapters::ChapterLine;
pub use content::ContentDigest;
pub use fields::{FieldGroup, FieldSpec, FieldType, Presence, field_groups};
pub use form::FormResponse;
pub use page::reports_page;
pub use recommendation::{Recommendation, RecommendedChapter};
pub use section::{SectionReport, SectionResult, section_results};
pub use student::{
    ChapterPerformance, OverallPerformance, Performance, ReportHeader, ReportMetadata, StudentReport,
    SubjectPerformance,
};

use crate::problem::{ProblemKind, Problems};
use crate::rank::test_results::{AttemptResults, SessionResult};
use crate::read::time::to_india_time;
use crate::score::sections::OVERALL;

/// The DynamoDB tables, which the Reporting Engine reads. Every partition key is `session_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReportTable {
    /// v1: one item for each user and section.
    Sections,
    /// v2: one document for each user.
    Students,
    /// One item for each user and question of a form.
    FormResponses,
}

impl ReportTable {
    pub const ALL: [Self; 3] = [Self::Sections, Self::Students, Self::FormResponses];
    pub const PARTITION_KEY: &'static str = "session_id";

    /// The name of the table where the configuration gives no other.
    #[must_use]
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Sections => "student_quiz_reports",
            Self::Students => "student_quiz_reports_v2",
            Self::FormResponses => "form_question_responses",
        }
    }

    /// The name of the sort key attribute.
    #[must_use]
    pub fn sort_key(self) -> &'static str {
        match self {
            Self::Sections => "user_id-section",
            Self::Students => "user_id",
            Self::FormResponses => "user_id-question_position_index",
        }
    }

    /// The prefix of the sort keys of a user's items. In v2 it is the whole sort key.
    #[must_use]
    pub fn user_prefix(self, user_id: &str) -> String {
        match self {
            Self::Students => user_id.to_owned(),
            Self::Sections | Self::FormResponses => format!("{user_id}#"),
        }
    }
}

/// The formats in which a scored test session is written. A form always goes to its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportFormats {
    pub v1: bool,
    pub v2: bool,
}

impl Default for ReportFormats {
    fn default() -> Self {
        Self { v1: true, v2: false }
    }
}

/// The time and the generation of the sync that writes an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub written_at: Timestamp,
    /// The fencing token of the lease: it grows with each sync of a test session.
    pub generation: i64,
}

/// An item of one of the tables.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ReportItem {
    Section(Box<SectionReport>),
    Student(Box<StudentReport>),
    FormResponse(Box<FormResponse>),
}

impl ReportItem {
    #[must_use]
    pub fn table(&self) -> ReportTable {
        match self {
            Self::Section(_) => ReportTable::Sections,
            Self::Student(_) => ReportTable::Students,
            Self::FormResponse(_) => ReportTable::FormResponses,
        }
    }

    #[must_use]
    pub fn session_id(&self) -> &str {
        match self {
            Self::Section(item) => &item.session_id,
            Self::Student(item) => &item.session_id,
            Self::FormResponse(item) => &item.session_id,
        }
    }

    /// The value of the sort key.
    #[must_use]
    pub fn sort_key(&self) -> &str {
        match self {
            Self::Section(item) => &item.sort_key,
            Self::Student(item) => &item.user_id,
            Self::FormResponse(item) => &item.sort_key,
        }
    }

    /// The digest of the content; `None` until the item is [sealed](Self::seal).
    #[must_use]
    pub fn content_digest(&self) -> Option<ContentDigest> {
        match self {
            Self::Section(item) => item.content_digest,
            Self::Student(item) => item.content_digest,
            Self::FormResponse(item) => item.content_digest,
        }
    }

    /// Adds the digest of the content, without the stamp; none where the content cannot be JSON.
    pub fn seal(&mut self) {
        match self {
            Self::Section(item) => {
                let inserted_at = std::mem::take(&mut item.inserted_at_timestamp);
                let generation = std::mem::take(&mut item.sync_generation);
                item.content_digest = None;
                item.content_digest = ContentDigest::compute(item);
                (item.inserted_at_timestamp, item.sync_generation) = (inserted_at, generation);
            }
            Self::Student(item) => {
                let generation = std::mem::take(&mut item.sync_generation);
                item.content_digest = None;
                item.content_digest = ContentDigest::compute(item);
                item.sync_generation = generation;
            }
            Self::FormResponse(item) => {
                let generation = std::mem::take(&mut item.sync_generation);
                item.content_digest = None;
                item.content_digest = ContentDigest::compute(item);
                item.sync_generation = generation;
            }
        }
    }
}

/// The tables to write. After a sync, each of them holds exactly the items of the new result.
#[must_use]
pub fn tables(test: &SessionResult, formats: ReportFormats) -> Vec<ReportTable> {
    match test.results {
        AttemptResults::Form(_) => vec![ReportTable::FormResponses],
        AttemptResults::Scored { .. } => {
            [(formats.v1, ReportTable::Sections), (formats.v2, ReportTable::Students)]
                .into_iter()
                .filter_map(|(is_enabled, table)| is_enabled.then_some(table))
                .collect()
        }
    }
}

/// Makes the items of one table lazily, by section in the order of the quiz, then by user id.
#[must_use]
pub fn items<'a>(
    test: &'a SessionResult,
    table: ReportTable,
    stamp: Stamp,
) -> Box<dyn Iterator<Item = ReportItem> + Send + 'a> {
    match table {
        ReportTable::Sections => Box::new(section::items(test, stamp)),
        ReportTable::Students => Box::new(student::items(test, stamp)),
        ReportTable::FormResponses => Box::new(form::items(test, stamp)),
    }
}

/// Adds a problem for each user who gets no item, because the sort keys would be ambiguous or too long.
#[must_use]
pub fn key_problems(test: &SessionResult) -> Problems {
    let keys = SortKeys::new(test);
    let mut problems = Problems::default();
    let user_ids: Box<dyn Iterator<Item = &str>> = match &test.results {
        AttemptResults::Scored { attempts, .. } => {
            Box::new(attempts.iter().map(|attempt| attempt.user_id.as_str()))
        }
        AttemptResults::Form(attempts) => Box::new(attempts.iter().map(|attempt| attempt.user_id.as_str())),
    };
    for user_id in user_ids.filter(|user_id| !keys.is_usable(user_id)) {
        problems.add(ProblemKind::UserNotKeyable, format!("user {user_id}"));
    }
    problems
}

/// DynamoDB's limit for a sort key.
const MAX_SORT_KEY_BYTES: usize = 1024;

/// Decides which user ids can be part of a sort key `{user_id}#{suffix}`.
#[derive(Clone, Copy)]
struct SortKeys {
    longest_suffix: usize,
}

impl SortKeys {
    fn new(test: &SessionResult) -> Self {
        let sections = test.quiz.sections.iter().map(String::len);
        let index = test.quiz.questions.len().to_string().len();
        Self { longest_suffix: sections.max().unwrap_or_default().max(OVERALL.len()).max(index) }
    }

    /// Whether all items of a user can have a key: the separator `#` occurs once in it, and it is not too long.
    fn is_usable(self, user_id: &str) -> bool {
        !user_id.contains('#') && user_id.len() + 1 + self.longest_suffix <= MAX_SORT_KEY_BYTES
    }
}

/// The date in India, `YYYY-MM-DD`.
fn date(instant: Timestamp) -> String {
    to_india_time(instant).date().to_string()
}

/// The clock time in India, `HH:MM:SS`.
fn clock(instant: Timestamp) -> String {
    let time = to_india_time(instant).time();
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}
