use clap::ValueEnum;

/// What a check is of. They are shown in this order.
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

    /// As `--only` takes it.
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

    /// As a person reads it.
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
    /// The pipeline works, and should be set up otherwise.
    Warning,
    /// Something does not work.
    Bad,
    /// Not tried.
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

/// What a check found, in a sentence, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub status: Status,
    pub found: String,
    /// Of a warning or worse: a command where there is one.
    pub mend: Option<String>,
}

impl Finding {
    pub fn good(found: impl Into<String>) -> Self {
        Self { status: Status::Good, found: found.into(), mend: None }
    }

    pub fn warning(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status: Status::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    pub fn bad(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status: Status::Bad, found: found.into(), mend: Some(mend.into()) }
    }

    /// `because` goes on after that word.
    #[must_use]
    pub fn skipped(because: &str) -> Self {
        Self { status: Status::Skipped, found: format!("skipped, because {because}"), mend: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub group: Group,
    pub name: String,
    pub finding: Finding,
}
