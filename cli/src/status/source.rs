use std::path::{Path, PathBuf};

use anyhow::anyhow;
use quiz_dynamo::DynamoStates;
use quiz_lambda::Environment;
use quiz_local::SqliteStore;
use quiz_sync_state::{Rules, StateError, StateKey, SyncState, SyncStates};

use crate::status::layout::first_sentence;

/// Where the states are read, and by which rules they were made.
pub struct Source {
    states: States,
    /// A file; of a table its errors tell.
    file: Option<PathBuf>,
    next_step: &'static str,
    pub rules: Rules,
}

/// Not a trait object: it would link the way to store states, and this command only reads them.
enum States {
    File(SqliteStore),
    Table(DynamoStates),
}

impl Source {
    /// The table that the environment names, or the folder of an embedded run.
    ///
    /// # Errors
    /// Where there is no such folder, or the file in it is no store; without a folder, where AWS cannot be asked.
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
        let table = Environment::from_process().or("SYNC_STATE_TABLE", "quiz_sync_state");
        let client = aws_sdk_dynamodb::Client::new(&quiz_lambda::aws::signed_in().await?);
        Ok(Self {
            states: States::Table(DynamoStates::new(client, table)),
            file: None,
            next_step: "run `quiz-etl doctor` to see what to mend",
            rules: Rules::default(),
        })
    }

    pub async fn all(&self) -> anyhow::Result<Vec<(StateKey, SyncState)>> {
        let states = match &self.states {
            States::File(store) => store.all().await,
            States::Table(table) => table.all().await,
        };
        states.map_err(|error| self.failed(error))
    }

    /// The states of these keys; the default where there is none.
    pub async fn of(&self, keys: Vec<StateKey>) -> anyhow::Result<Vec<(StateKey, SyncState)>> {
        let states = match &self.states {
            States::File(store) => store.get_many(&keys).await,
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
