use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{BackfillMoment, Notice};

/// How long the first message of a backfill is left to one notice.
pub const CLAIM: Duration = Duration::from_secs(10);

/// What was posted, remembered across instances of the function.
#[async_trait]
pub trait Memory: Send + Sync {
    /// What is remembered of the notices and of the backfills, by their ids.
    async fn recall(&self, notices: &[String], backfills: &[String]) -> Result<Recalled, MemoryError>;

    /// Remembers for a day, and two hours more, that the notices are posted.
    async fn remember(&self, notices: &[String]) -> Result<(), MemoryError>;

    /// Remembers for a day, and two hours more, how a notice that is not posted was tried.
    async fn note_tries(&self, notice: &str, tries: Tries) -> Result<(), MemoryError>;

    /// Whether this notice may post the backfill's first message: no other notice of it is just about to
    /// (`CLAIM`).
    async fn claim_backfill(&self, backfill_id: &str, notice_id: &str) -> Result<bool, MemoryError>;

    /// Remembers for two weeks what a backfill's message shows, unless a newer notice is remembered with it. Gives
    /// what was remembered until now, or the newer that still is.
    async fn remember_backfill(&self, backfill_id: &str, shown: &Shown)
    -> Result<Option<Shown>, MemoryError>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// The ids of those that are posted.
    pub notices: HashSet<String>,
    /// By the id of a notice that is not posted.
    pub tries: HashMap<String, Tries>,
    /// By the backfill's id.
    pub backfills: HashMap<String, Shown>,
}

/// How a notice was tried that is not posted yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Receives of its message that the function answered: the message was to come again.
    pub answered: u32,
    /// Tries of this notice alone that the function did not answer.
    pub alone: u32,
}

/// A backfill's message.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub message_id: String,
    /// None where the entry is of a version that did not remember it.
    pub notice: Option<Notice>,
}

impl Shown {
    /// At which moment of the backfill; none is older than all.
    #[must_use]
    pub fn moment(&self) -> Option<BackfillMoment> {
        self.notice.as_ref()?.backfill().map(|(_, moment)| moment)
    }
}

/// The memory cannot be asked or told. Notices are posted all the same: twice is better than never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryError(pub String);
