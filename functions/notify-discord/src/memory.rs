use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{CardUpdate, Moment, Notice};

/// How long the first message of a shared card is left to one notice.
pub const CLAIM: Duration = Duration::from_secs(10);

/// What was posted, remembered across instances of the function.
#[async_trait]
pub trait Memory: Send + Sync {
    /// What is remembered of the notices, by their ids, and of the shared cards, by their names.
    async fn recall(&self, notices: &[String], cards: &[String]) -> Result<Recalled, MemoryError>;

    /// Remembers for a day, and two hours more, that the notices are posted.
    async fn remember(&self, notices: &[String]) -> Result<(), MemoryError>;

    /// Remembers for a day, and two hours more, how a notice that is not posted was tried.
    async fn note_tries(&self, notice: &str, tries: Tries) -> Result<(), MemoryError>;

    /// Whether this notice may post the card's first message: no other notice of it is just about to (`CLAIM`).
    async fn claim_card(&self, card: &str, notice_id: &str) -> Result<bool, MemoryError>;

    /// Remembers for two weeks what a card shows, unless a newer notice is remembered with it. Gives what was remembered
    /// until now, or the newer that still is.
    async fn remember_card(&self, card: &str, shown: &Shown) -> Result<Option<Shown>, MemoryError>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// The ids of those that are posted.
    pub notices: HashSet<String>,
    /// By the id of a notice that is not posted.
    pub tries: HashMap<String, Tries>,
    /// By the card's name.
    pub cards: HashMap<String, Shown>,
}

/// How a notice was tried that is not posted yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Receives of its message that the function answered: the message was to come again.
    pub answered: u32,
    /// Tries of this notice alone that the function did not answer.
    pub alone: u32,
}

/// A card that several notices share.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Empty where nothing was posted: the notice would have closed a card, and none was open.
    pub message_id: String,
    /// None where the entry is of a version that did not remember it.
    pub notice: Option<Notice>,
}

impl Shown {
    /// At which moment of the card; none is older than all.
    #[must_use]
    pub fn moment(&self) -> Option<Moment> {
        self.update().map(|update| update.moment)
    }

    /// Whether it has closed the card.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.update().is_some_and(|update| update.closes)
    }

    /// Whether the update is for this message, and not for a new one.
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

/// The memory cannot be asked or told. Notices are posted all the same: twice is better than never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryError(pub String);
