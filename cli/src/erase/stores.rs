use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, bail};
use quiz_bigquery::{BigQueryEraser, Settings};
use quiz_dynamo::StudentEraser;
use quiz_lambda::Environment;
use quiz_lambda::config::{BigQueryIdentity, WarehouseConfig, snapshots_table, table_names};

use crate::backfill::{BackfillSettings, Documents};

/// All stores of a student, and the topics.
pub(crate) struct Stores {
    pub settings: BackfillSettings,
    pub documents: Documents,
    pub tables: StudentEraser,
    pub warehouse: BigQueryEraser,
}

impl Stores {
    /// Connects as the environment says; with `acts`, both topics must be set.
    ///
    /// # Errors
    /// Missing or wrong settings, or a secret that cannot be read.
    pub async fn connect(acts: bool) -> anyhow::Result<Self> {
        let env = Environment::from_process();
        let (names, snapshots) = (table_names(&env), snapshots_table(&env));
        let warehouse = WarehouseConfig::read(env)?;
        let settings = BackfillSettings::read(acts).await?;
        let documents = Documents::connect(&settings.aws).await?;
        let tables = StudentEraser::new(aws_sdk_dynamodb::Client::new(&settings.aws), names, snapshots);
        let identity = BigQueryIdentity { credentials: warehouse.credentials, aws: settings.aws.clone() };
        let bytes_per_job = warehouse.bytes_per_job;
        let bigquery = Settings { bytes_per_job, ..Settings::new(warehouse.location) };
        let warehouse = BigQueryEraser::new(bigquery, Arc::new(identity))?;
        Ok(Self { settings, documents, tables, warehouse })
    }

    /// Whether the command's environment excludes the student from all syncs.
    pub fn is_excluded(&self, user_id: &str) -> bool {
        self.documents.settings.excluded_users.contains(user_id)
    }

    /// Refuses a student whose attempts the next sync would read.
    ///
    /// # Errors
    /// The number of quizzes with attempts of the student, and the two next steps; MongoDB does not answer.
    pub async fn check_source(&self, user_id: &str) -> anyhow::Result<()> {
        if self.is_excluded(user_id) {
            return Ok(());
        }
        refuse(&self.documents.catalog.quizzes_of(user_id).await.context("cannot check MongoDB")?)
    }
}

fn refuse(quizzes: &BTreeSet<String>) -> anyhow::Result<()> {
    if quizzes.is_empty() {
        return Ok(());
    }
    let count = quizzes.len();
    let noun = if count == 1 { "1 quiz".to_owned() } else { format!("{count} quizzes") };
    let shown: Vec<&str> = quizzes.iter().take(5).map(String::as_str).collect();
    bail!(
        "MongoDB has attempts of this student at {noun} ({}), so the next sync would write the student again: delete \
         the attempts there, or add the student to ExcludedUserIds, release, and set EXCLUDED_USER_IDS here; then run \
         this command again",
        shown.join(", ")
    )
}
