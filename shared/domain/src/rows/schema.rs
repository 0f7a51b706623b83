use super::cell::CellType;
use super::{forms, questions, test_responses};

/// One column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    pub name: &'static str,
    pub kind: CellType,
    /// Whether every row has a value.
    pub required: bool,
    /// For analysts, with the unit.
    pub description: &'static str,
}

impl ColumnSpec {
    pub(super) const fn new(name: &'static str, kind: CellType, description: &'static str) -> Self {
        Self { name, kind, required: false, description }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

pub(super) const fn text(name: &'static str, description: &'static str) -> ColumnSpec {
    ColumnSpec::new(name, CellType::Text, description)
}

pub(super) const fn int(name: &'static str, description: &'static str) -> ColumnSpec {
    ColumnSpec::new(name, CellType::Int, description)
}

pub(super) const fn float(name: &'static str, description: &'static str) -> ColumnSpec {
    ColumnSpec::new(name, CellType::Float, description)
}

pub(super) const fn flag(name: &'static str, description: &'static str) -> ColumnSpec {
    ColumnSpec::new(name, CellType::Bool, description)
}

pub(super) const TEST_TYPE: ColumnSpec = text("test_type", "the Quiz Engine's quiz_type");
pub(super) const GROUP: ColumnSpec = text("group", "the session's group");
pub(super) const BATCH: ColumnSpec = text("batch", "the session's batch");
pub(super) const CMS_TEST_ID: ColumnSpec = text("cms_test_id", "the quiz's source_id");

/// The day of the test session, and the partition column. It is not among the row columns: without a scheduled start, the
/// earliest attempt decides the day, after all attempts are read.
pub const START_DATE: ColumnSpec = ColumnSpec::new(
    "start_date",
    CellType::Date,
    "day of the test in India: the session's start, else the earliest attempt's",
)
.required();

/// The time at which the sync wrote the rows.
pub const INSERTED_AT: ColumnSpec =
    ColumnSpec::new("inserted_at", CellType::Instant, "when the sync wrote this row").required();

/// The warehouse tables, which analysts read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarehouseTable {
    /// One row for each test session, user and section.
    TestResponses,
    /// One row for each test session, user and question.
    QuestionResponses,
    /// One row for each test session, user and question of a form.
    FormResponses,
}

impl WarehouseTable {
    pub const ALL: [Self; 3] = [Self::TestResponses, Self::QuestionResponses, Self::FormResponses];
    /// The column that partitions each table by day.
    pub const PARTITION: &'static str = START_DATE.name;
    /// The columns that each table is clustered by.
    pub const CLUSTER: [&'static str; 2] = ["session_id", "user_id"];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TestResponses => "test_responses",
            Self::QuestionResponses => "all_responses_question_level",
            Self::FormResponses => "all_responses_form_level",
        }
    }

    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::TestResponses => {
                "one row per test, user and section; the section `overall` is the whole test"
            }
            Self::QuestionResponses => "one row per test, user and question of a scored quiz",
            Self::FormResponses => "one row per test, user and question of a form, which is never scored",
        }
    }

    /// The columns that differ between the rows of a test session.
    pub fn row_columns(self) -> impl Iterator<Item = &'static ColumnSpec> {
        type Specs = Box<dyn Iterator<Item = &'static ColumnSpec>>;
        let specs: Specs = match self {
            Self::TestResponses => Box::new(test_responses::COLUMNS.iter().map(|(spec, _)| spec)),
            Self::QuestionResponses => Box::new(questions::COLUMNS.iter().map(|(spec, _)| spec)),
            Self::FormResponses => Box::new(forms::COLUMNS.iter().map(|(spec, _)| spec)),
        };
        specs
    }

    /// All columns in their order: [`WarehouseTable::row_columns`], then [`START_DATE`] and [`INSERTED_AT`], which have the
    /// same value in all rows of a test session.
    pub fn columns(self) -> impl Iterator<Item = &'static ColumnSpec> {
        self.row_columns().chain([&START_DATE, &INSERTED_AT])
    }
}
