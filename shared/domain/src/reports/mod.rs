//! What is written to DynamoDB, item by item: `student_quiz_reports` (v1), `student_quiz_reports_v2`
//! and `form_question_responses`. An unknown value is left out of an item.

mod chapters;
mod content;
mod form;
mod section;
mod student;

use serde::Serialize;

pub use chapters::ChapterLine;
pub use content::ContentDigest;
pub use form::FormResponse;
pub(crate) use form::labels;
pub use section::{SectionReport, SectionResult, section_results};
pub use student::{
    ChapterPerformance, Performance, ReportHeader, ReportMetadata, StudentReport, SubjectPerformance,
};

use crate::problem::{ProblemKind, Problems};
use crate::rank::test_results::{Test, TestResults};
use crate::read::time::in_india;
use crate::score::sections::OVERALL;
use jiff::Timestamp;

/// The tables that the Reporting Engine reads. Every partition key is `session_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReportTable {
    /// v1: an item for each user and section.
    Sections,
    /// v2: a document for each user.
    Students,
    /// An item for each user and question of a form.
    FormResponses,
}

impl ReportTable {
    pub const ALL: [Self; 3] = [Self::Sections, Self::Students, Self::FormResponses];
    pub const PARTITION_KEY: &'static str = "session_id";

    /// The table's name where the configuration names no other.
    #[must_use]
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Sections => "student_quiz_reports",
            Self::Students => "student_quiz_reports_v2",
            Self::FormResponses => "form_question_responses",
        }
    }

    /// The attribute that is the sort key.
    #[must_use]
    pub fn sort_key(self) -> &'static str {
        match self {
            Self::Sections => "user_id-section",
            Self::Students => "user_id",
            Self::FormResponses => "user_id-question_position_index",
        }
    }

    /// Where a user's items are: their sort key begins with this, or is this (v2).
    #[must_use]
    pub fn user_prefix(self, user_id: &str) -> String {
        match self {
            Self::Students => user_id.to_owned(),
            Self::Sections | Self::FormResponses => format!("{user_id}#"),
        }
    }
}

/// Which of the report formats a scored test is written in. Forms have their own table.
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

/// When and by which run an item is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub written_at: Timestamp,
    /// Grows from one sync of a session to the next.
    pub generation: i64,
}

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

    #[must_use]
    pub fn sort_key(&self) -> &str {
        match self {
            Self::Section(item) => &item.sort_key,
            Self::Student(item) => &item.user_id,
            Self::FormResponse(item) => &item.sort_key,
        }
    }

    /// `None` until it is [sealed](Self::seal).
    #[must_use]
    pub fn content_digest(&self) -> Option<ContentDigest> {
        match self {
            Self::Section(item) => item.content_digest,
            Self::Student(item) => item.content_digest,
            Self::FormResponse(item) => item.content_digest,
        }
    }

    /// Gives the item the digest of its content; none where that is no JSON.
    pub fn seal(&mut self) {
        match self {
            Self::Section(item) => {
                let inserted_at = std::mem::take(&mut item.inserted_at_timestamp);
                let generation = std::mem::take(&mut item.sync_generation);
                item.content_digest = None;
                item.content_digest = ContentDigest::of(item);
                (item.inserted_at_timestamp, item.sync_generation) = (inserted_at, generation);
            }
            Self::Student(item) => {
                let generation = std::mem::take(&mut item.sync_generation);
                item.content_digest = None;
                item.content_digest = ContentDigest::of(item);
                item.sync_generation = generation;
            }
            Self::FormResponse(item) => {
                let generation = std::mem::take(&mut item.sync_generation);
                item.content_digest = None;
                item.content_digest = ContentDigest::of(item);
                item.sync_generation = generation;
            }
        }
    }
}

/// The tables that hold a test's items: every one of them is brought to exactly the new result.
#[must_use]
pub fn tables(test: &Test, formats: ReportFormats) -> Vec<ReportTable> {
    match test.results {
        TestResults::Form(_) => vec![ReportTable::FormResponses],
        TestResults::Scored { .. } => {
            [(formats.v1, ReportTable::Sections), (formats.v2, ReportTable::Students)]
                .into_iter()
                .filter_map(|(wanted, table)| wanted.then_some(table))
                .collect()
        }
    }
}

/// The items of one table, by section in the order of the quiz, then by user id. They are made as
/// they are asked for.
#[must_use]
pub fn items<'a>(
    test: &'a Test,
    table: ReportTable,
    stamp: Stamp,
) -> Box<dyn Iterator<Item = ReportItem> + Send + 'a> {
    match table {
        ReportTable::Sections => Box::new(section::items(test, stamp)),
        ReportTable::Students => Box::new(student::items(test, stamp)),
        ReportTable::FormResponses => Box::new(form::items(test, stamp)),
    }
}

/// Users who get no item, because their sort keys could not be told apart or are too long.
#[must_use]
pub fn key_problems(test: &Test) -> Problems {
    let keys = Keys::of(test);
    let mut problems = Problems::default();
    let mut check = |user_id: &str| {
        if !keys.can_name(user_id) {
            problems.add(ProblemKind::UserNotKeyable, format!("user {user_id}"));
        }
    };
    match &test.results {
        TestResults::Scored { attempts, .. } => attempts.iter().for_each(|it| check(&it.user_id)),
        TestResults::Form(attempts) => attempts.iter().for_each(|it| check(&it.user_id)),
    }
    problems
}

/// DynamoDB's limit, in bytes.
const LONGEST_SORT_KEY: usize = 1024;

/// What the sort keys of a test have after the user id.
#[derive(Clone, Copy)]
struct Keys {
    longest_suffix: usize,
}

impl Keys {
    fn of(test: &Test) -> Self {
        let sections = test.quiz.sections.iter().map(String::len);
        let index = test.quiz.questions.len().to_string().len();
        Self { longest_suffix: sections.max().unwrap_or_default().max(OVERALL.len()).max(index) }
    }

    /// Whether all items of a user can be keyed: the separator `#` stands once in each key.
    fn can_name(self, user_id: &str) -> bool {
        !user_id.contains('#') && user_id.len() + 1 + self.longest_suffix <= LONGEST_SORT_KEY
    }
}

/// `YYYY-MM-DD`, India's.
fn date(instant: Timestamp) -> String {
    in_india(instant).date().to_string()
}

/// `HH:MM:SS`, India's.
fn clock(instant: Timestamp) -> String {
    let time = in_india(instant).time();
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}
