//! The plan of an erasure: what is found, and which test sessions a sync can write.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use quiz_domain::reports::ReportTable;
use quiz_events::{OperatorActed, SessionTarget, Sink};
use quiz_sns_sqs::dead_letters::DeadLetter;
use quiz_sync_state::{StateKey, SyncStates};

use crate::audit::Action;
use crate::erase::find::Stored;
use crate::erase::stores::Stores;
use crate::ui::counted;

/// What the stores hold of a student, before the first change.
#[derive(Debug)]
pub(crate) struct ErasePlan {
    pub stored: Stored,
    pub letters: Vec<DeadLetter>,
    /// The test sessions to sync.
    pub targets: Vec<SessionTarget>,
    /// Test sessions that no sync can write: their quiz is not in MongoDB, or unknown.
    pub without_quiz: Vec<String>,
    /// The quizzes whose snapshots may have the student.
    pub quiz_ids: BTreeSet<String>,
    /// The keys of these snapshots.
    pub snapshots: Vec<String>,
    /// The bytes that each search in BigQuery reads.
    pub search_bytes: u64,
}

impl ErasePlan {
    /// Completes the plan with quizzes and snapshots.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn complete(
        stores: &Stores,
        stored: Stored,
        letters: Vec<DeadLetter>,
        search_bytes: u64,
    ) -> anyhow::Result<Self> {
        let mut session_ids = stored.session_ids();
        session_ids.extend(letters.iter().flat_map(|letter| letter.session_ids.iter().cloned()));
        let quizzes = known_quizzes(stores, &session_ids).await?;
        let all: Vec<String> = quizzes.values().flatten().cloned().collect();
        let titles = stores.documents.catalog.titles(&all).await.context("cannot read the quizzes")?;
        let (targets, without_quiz) = split(quizzes, |quiz_id| titles.contains_key(quiz_id));
        let quiz_ids: BTreeSet<String> = all.into_iter().collect();
        let snapshots = stores.tables.snapshots(&quiz_ids).await.context("cannot find the snapshots")?;
        Ok(Self { stored, letters, targets, without_quiz, quiz_ids, snapshots, search_bytes })
    }

    pub fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.letters.is_empty() && self.snapshots.is_empty()
    }

    /// The number of report items in a table.
    pub fn items_of(&self, table: ReportTable) -> usize {
        self.stored.items.iter().filter(|item| item.table == table).count()
    }

    /// The action for the audit, which does not name the student.
    pub fn action(&self, by: Option<String>, reason: String) -> Action {
        let sessions = self.targets.len() + self.without_quiz.len();
        Action {
            name: OperatorActed::ERASE,
            by,
            reason: Some(reason),
            target: format!(
                "one student: {}, {}, {}, {}, {}",
                counted(self.stored.items.len(), "report item"),
                counted(self.stored.row_count(), "warehouse row"),
                counted(sessions, "test session"),
                counted(self.snapshots.len(), "snapshot"),
                counted(self.letters.len(), "parked message"),
            ),
            count: 1,
            session_ids: Vec::new(),
        }
    }
}

/// The quiz of each test session: of its sync state, else at the end of its id.
async fn known_quizzes(
    stores: &Stores,
    session_ids: &BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, Option<String>>> {
    let keys: Vec<StateKey> = session_ids
        .iter()
        .flat_map(|session_id| Sink::ALL.map(|sink| StateKey { session_id: session_id.clone(), sink }))
        .collect();
    let states = stores.settings.states().get_many(&keys).await.context("cannot read the sync states")?;
    let mut quizzes: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (key, state) in keys.into_iter().zip(states) {
        let stored = Some(state.quiz_id).filter(|quiz_id| !quiz_id.is_empty());
        let quiz = quizzes.entry(key.session_id.clone()).or_default();
        let own =
            || SessionTarget::new(&key.session_id, None, "session_id").ok().map(|target| target.quiz_id);
        *quiz = quiz.take().or(stored).or_else(own);
    }
    Ok(quizzes)
}

/// Divides the test sessions into those that a sync can write, and the others.
fn split(
    quizzes: BTreeMap<String, Option<String>>,
    exists: impl Fn(&str) -> bool,
) -> (Vec<SessionTarget>, Vec<String>) {
    let (mut targets, mut without_quiz) = (Vec::new(), Vec::new());
    for (session_id, quiz_id) in quizzes {
        let quiz_id = quiz_id.filter(|quiz_id| exists(quiz_id));
        let target = quiz_id.and_then(|quiz_id| {
            // an earlier release accepted ids that no event can name
            SessionTarget::new(&session_id, Some(&quiz_id), "session_id").ok()
        });
        match target {
            Some(target) => targets.push(target),
            None => without_quiz.push(session_id),
        }
    }
    (targets, without_quiz)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::split;

    #[test]
    fn only_sessions_with_a_quiz_are_synced() {
        let quiz = |quiz_id: &str| Some(quiz_id.to_owned());
        let quizzes = BTreeMap::from([
            ("Group_q".to_owned(), quiz("q")),
            ("Gone_x".to_owned(), quiz("x")),
            ("two words_q".to_owned(), quiz("q")),
            ("Unknown".to_owned(), None),
        ]);
        let (targets, without_quiz) = split(quizzes, |quiz_id| quiz_id == "q");
        assert_eq!(targets.iter().map(|target| &*target.session_id).collect::<Vec<_>>(), ["Group_q"]);
        assert_eq!(without_quiz, ["Gone_x", "Unknown", "two words_q"]);
    }
}
