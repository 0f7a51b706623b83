//! The port of the memory: posted notices, tries, and what each shared card shows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{CardUpdate, Moment, Notice};

/// How long a claim gives one notice the right to post a message of a shared card.
pub const CLAIM: Duration = Duration::from_secs(10);

/// Remembers what is posted, across instances of the function.
///
/// Every error means that the memory did not answer; the caller posts all the same, as twice is better than never.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Reads notices by their ids, and shared cards by their names.
    async fn recall(&self, notices: &[String], cards: &[String]) -> Result<Recalled, MemoryError>;

    /// Remembers for 26 hours that the notices are posted.
    async fn remember(&self, notices: &[String]) -> Result<(), MemoryError>;

    /// Remembers for 26 hours the tries of a notice that is not posted.
    async fn note_tries(&self, notice: &str, tries: Tries) -> Result<(), MemoryError>;

    /// Claims the right to post the card's first message for 10 s; `false` if another notice has it.
    async fn claim_card(&self, card: &str, notice_id: &str) -> Result<bool, MemoryError>;

    /// Remembers for two weeks what a card shows, unless the memory has a newer notice of the card.
    ///
    /// Returns the previous entry, or the newer one that stays.
    async fn remember_card(&self, card: &str, shown: &Shown) -> Result<Option<Shown>, MemoryError>;
}

/// The memory's answer for a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// The ids of posted notices.
    pub notices: HashSet<String>,
    /// The tries of notices that are not posted, by id.
    pub tries: HashMap<String, Tries>,
    /// What the shared cards show, by name.
    pub cards: HashMap<String, Shown>,
}

/// The tries of a notice that is not posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Receives of its message that the function answered without posting the notice.
    pub answered: u32,
    /// Tries to post the notice alone that have no answer.
    pub alone: u32,
}

/// What a shared card shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Empty if nothing was posted, because the notice closes a card and none was open.
    pub message_id: String,
    /// `None` for an entry of an older version, which did not store the notice.
    pub notice: Option<Notice>,
}

impl Shown {
    /// The moment of the shown notice; `None` is older than every moment.
    #[must_use]
    pub fn moment(&self) -> Option<Moment> {
        self.update().map(|update| update.moment)
    }

    /// Whether the shown notice closed the card.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.update().is_some_and(|update| update.closes)
    }

    /// Whether the update edits this message; otherwise it needs a new one.
    #[must_use]
    pub fn is_open_for(&self, update: &CardUpdate) -> bool {
        let Some(shown) = self.update() else { return true };
        let age = update.moment.at.duration_since(shown.moment.at);
        let is_forgotten = !update.closes && update.forgotten_after.is_some_and(|limit| age > limit);
        !shown.closes && !is_forgotten
    }

    fn update(&self) -> Option<CardUpdate> {
        self.notice.as_ref()?.card_update()
    }
}

/// The memory did not answer; the text is the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryError(pub String);
