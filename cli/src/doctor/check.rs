//! A check: its group, its name and its finding.

use clap::ValueEnum;

/// The part of the set-up that a check tests, in the order of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Group {
    Configuration,
    Aws,
    Secrets,
    Mongodb,
    Dynamodb,
    Sns,
    Sqs,
    Bigquery,
    Discord,
}

impl Group {
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Aws,
        Self::Secrets,
        Self::Mongodb,
        Self::Dynamodb,
        Self::Sns,
        Self::Sqs,
        Self::Bigquery,
        Self::Discord,
    ];

    /// The name on the command line (`--only`) and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Aws => "aws",
            Self::Secrets => "secrets",
            Self::Mongodb => "mongodb",
            Self::Dynamodb => "dynamodb",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
            Self::Bigquery => "bigquery",
            Self::Discord => "discord",
        }
    }

    /// The heading in the output for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Aws => "AWS",
            Self::Secrets => "Secrets",
            Self::Mongodb => "MongoDB",
            Self::Dynamodb => "DynamoDB",
            Self::Sns => "SNS",
            Self::Sqs => "SQS",
            Self::Bigquery => "BigQuery",
            Self::Discord => "Discord",
        }
    }

    #[must_use]
    pub fn check(self, name: impl Into<String>, finding: Finding) -> Check {
        Check { group: self, name: name.into(), finding }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    /// The pipeline works, but the set-up should change.
    Warning,
    /// A part of the pipeline does not work.
    Bad,
    /// Not tested.
    Skipped,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of a check, and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub status: Status,
    pub found: String,
    /// The next step after a warning or worse: a command where one exists.
    pub fix: Option<String>,
}

impl Finding {
    pub fn good(found: impl Into<String>) -> Self {
        Self { status: Status::Good, found: found.into(), fix: None }
    }

    pub fn warning(found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    pub fn bad(found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Bad, found: found.into(), fix: Some(fix.into()) }
    }

    /// `because` completes the sentence "skipped, because …".
    #[must_use]
    pub fn skipped(because: &str) -> Self {
        Self { status: Status::Skipped, found: format!("skipped, because {because}"), fix: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub group: Group,
    pub name: String,
    pub finding: Finding,
}
