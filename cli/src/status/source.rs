use std::path::{Path, PathBuf};

use anyhow::anyhow;
#[cfg(feature = "aws")]
use quiz_dynamo::DynamoStates;
use quiz_local::SqliteStore;
use quiz_sync_state::{Rules, StateError, StateKey, SyncState, SyncStates};

use crate::status::layout::first_sentence;

/// The store of the sync states, and the rules that the states follow.
pub struct Source {
    states: States,
    /// The file of an embedded run, for error messages. The errors of a table name the table.
    file: Option<PathBuf>,
    next_step: &'static str,
    pub rules: Rules,
}

/// An enum, as a trait object would link the code that stores states, and this command only reads them.
enum States {
    File(SqliteStore),
    #[cfg(feature = "aws")]
    Table(DynamoStates),
}

impl Source {
    /// Opens the output folder of an embedded run, or the table that the environment names.
    ///
    /// # Errors
    /// The folder has no store, or there are no AWS credentials.
    pub async fn open(from: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(folder) = from {
            let file = folder.join("reports.db");
            return Ok(Self {
                states: States::File(SqliteStore::open_existing(&file)?),
                next_step: "run `quiz-etl local` again",
                file: Some(file),
                rules: Rules::embedded(),
            });
        }
        Self::table().await
    }

    #[cfg(feature = "aws")]
    async fn table() -> anyhow::Result<Self> {
        let table = quiz_lambda::Environment::from_process().or("SYNC_STATE_TABLE", "quiz_sync_state");
        let client = aws_sdk_dynamodb::Client::new(&quiz_lambda::aws::signed_in().await?);
        Ok(Self {
            states: States::Table(DynamoStates::new(client, table)),
            file: None,
            next_step: "run `quiz-etl doctor` to find the cause",
            rules: Rules::default(),
        })
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as with the feature `aws`")]
    async fn table() -> anyhow::Result<Self> {
        Err(crate::operate::lacks("`quiz-etl status` without --from").into())
    }

    /// All states, which takes longer with each test session that was ever synced.
    pub async fn all(&self) -> anyhow::Result<Vec<(StateKey, SyncState)>> {
        let states = match &self.states {
            States::File(store) => store.scan(|_| true).await,
            #[cfg(feature = "aws")]
            States::Table(table) => table.scan(|_| true).await,
        };
        states.map_err(|error| self.failed(error))
    }

    /// The states that are not synced, and perhaps some that have just been synced.
    pub async fn unfinished(&self) -> anyhow::Result<Vec<(StateKey, SyncState)>> {
        let states = match &self.states {
            States::File(store) => store.get_unfinished().await,
            #[cfg(feature = "aws")]
            States::Table(table) => table.get_unfinished().await,
        };
        states.map_err(|error| self.failed(error))
    }

    /// The states of these keys; a key without a state gets the default.
    pub async fn get(&self, keys: Vec<StateKey>) -> anyhow::Result<Vec<(StateKey, SyncState)>> {
        let states = match &self.states {
            States::File(store) => store.get_many(&keys).await,
            #[cfg(feature = "aws")]
            States::Table(table) => table.get_many(&keys).await,
        };
        let states = states.map_err(|error| self.failed(error))?;
        Ok(keys.into_iter().zip(states).collect())
    }

    fn failed(&self, error: StateError) -> anyhow::Error {
        let (StateError::Unavailable { cause, .. } | StateError::Refused { cause, .. }) = error;
        let file = self.file.as_ref().map(|file| format!(" in {}", file.display())).unwrap_or_default();
        let cause = first_sentence(&cause.to_string()).to_owned();
        anyhow!("cannot read the sync states{file}: {cause}; {}", self.next_step)
    }
}
