//! The warehouse port on BigQuery: connects, checks the tables once, and writes batches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use quiz_domain::rows::RowBatch;
use quiz_events::Backoff;
use quiz_parquet::StagingWriter;
use quiz_pipeline::ports::{StagedSession, Warehouse, WarehouseBatch, WarehouseError};
use tokio::sync::{Mutex, OnceCell};

use crate::api::{Api, Retries};
use crate::credentials::CredentialsSource;
use crate::error::{BigQueryError, ErrorKind};
use crate::location::BigQueryLocation;
use crate::upload::UploadSizes;
use crate::{replace, tables};

/// When BigQuery drops a staging table that a function left: longer than any function runs.
const STAGING_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// The bytes that one job may bill by default: one TiB, some 6 USD.
pub const BYTES_PER_JOB: u64 = 1 << 40;

/// The settings of the warehouse.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub place: BigQueryLocation,
    pub retries: Retries,
    pub uploads: UploadSizes,
    /// The most tries of a job that a retry may fix: its transaction lost to another one, or BigQuery stopped it.
    pub job_attempts: u32,
    pub job_backoff: Backoff,
    /// BigQuery refuses a job that would bill more bytes.
    pub bytes_per_job: u64,
}

impl Settings {
    #[must_use]
    pub fn new(place: BigQueryLocation) -> Self {
        Self {
            place,
            retries: Retries::default(),
            uploads: UploadSizes::default(),
            job_attempts: 8,
            bytes_per_job: BYTES_PER_JOB,
            job_backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(20) },
        }
    }
}

/// The tables in BigQuery. Connects at the first write, or in [`Self::ready`].
#[derive(Clone)]
pub struct BigQueryWarehouse(Arc<Shared>);

struct Shared {
    settings: Settings,
    credentials: Arc<dyn CredentialsSource>,
    api: OnceCell<Api>,
    /// The day that the check of the tables returned; a failed write resets it.
    checked: Mutex<Option<Date>>,
    /// Held by the batch that commits: transactions of one dataset conflict.
    commits: Mutex<()>,
}

impl BigQueryWarehouse {
    #[must_use]
    pub fn new(settings: Settings, credentials: Arc<dyn CredentialsSource>) -> Self {
        let (api, checked, commits) = (OnceCell::new(), Mutex::new(None), Mutex::new(()));
        Self(Arc::new(Shared { settings, credentials, api, checked, commits }))
    }

    /// Gets an access token before the first write.
    ///
    /// # Errors
    /// [`WarehouseError`] if the credentials cannot be read, or Google gives no token for them.
    pub async fn ready(self) -> Result<(), WarehouseError> {
        let ready = async { self.0.api().await?.bearer.token().await };
        ready.await.map(drop).map_err(|error| warehouse_error("connect to BigQuery", &error))
    }
}

impl Warehouse for BigQueryWarehouse {
    fn begin(&self) -> Result<Arc<dyn WarehouseBatch>, WarehouseError> {
        let staging = StagingWriter::new().map_err(|cause| WarehouseError::unavailable(STAGE, cause))?;
        Ok(Arc::new(BigQueryBatch { shared: Arc::clone(&self.0), staging }))
    }
}

const STAGE: &str = "stage rows on this machine's disk";

struct BigQueryBatch {
    shared: Arc<Shared>,
    staging: StagingWriter,
}

#[async_trait]
impl WarehouseBatch for BigQueryBatch {
    async fn stage(&self, session_id: &str, rows: RowBatch) -> Result<(), WarehouseError> {
        let added = self.staging.add(session_id, rows).await;
        added.map_err(|cause| WarehouseError::unavailable(STAGE, cause))
    }

    async fn replace(&self, sessions: &[StagedSession]) -> Vec<Result<(), WarehouseError>> {
        let all = |error: &WarehouseError| sessions.iter().map(|_| Err(error.clone())).collect();
        let staging = match self.staging.finish().await {
            Ok(staging) => staging,
            Err(cause) => return all(&WarehouseError::unavailable(STAGE, cause)),
        };
        // A new name for each batch: two concurrent runs of the same messages have their own tables and jobs.
        let name =
            format!("quiz_etl_{}_{:016x}", Timestamp::now().strftime("%Y%m%dt%H%M%S"), fastrand::u64(..));
        let (api, since) = match Box::pin(self.shared.ready(&name)).await {
            Ok(ready) => ready,
            Err(error) => return all(&warehouse_error("write to BigQuery", &error)),
        };
        api.count_abandoned().await;
        let write = replace::BatchWrite {
            api,
            since,
            settings: &self.shared.settings,
            commits: &self.shared.commits,
            expires: Timestamp::now().saturating_add(STAGING_LIFE).unwrap_or(Timestamp::MAX),
        };
        let results = write.load_and_commit(name, staging, sessions.to_vec()).await;
        if results.iter().any(Result::is_err) {
            *self.shared.checked.lock().await = None;
        }
        results
    }

    fn take_billed_bytes(&self) -> u64 {
        self.shared.api.get().map_or(0, Api::take_billed)
    }
}

impl Shared {
    async fn api(&self) -> Result<&Api, BigQueryError> {
        let connect = || async {
            let Settings { place, retries, uploads, bytes_per_job, .. } = self.settings.clone();
            Api::connect(place, retries, uploads, bytes_per_job, Arc::clone(&self.credentials))
        };
        self.api.get_or_try_init(connect).await
    }

    /// The API, after the tables are checked, with the day that the check returned.
    async fn ready(&self, name: &str) -> Result<(&Api, Date), BigQueryError> {
        let api = self.api().await?;
        let mut checked = self.checked.lock().await;
        let since = match *checked {
            Some(since) => since,
            None => *checked.insert(tables::ensure(api, name).await?),
        };
        Ok((api, since))
    }
}

/// The port's error for all test sessions of a batch.
pub(crate) fn warehouse_error(action: &str, error: &BigQueryError) -> WarehouseError {
    match error.kind {
        ErrorKind::Transient | ErrorKind::Collision => WarehouseError::unavailable(action, error.clone()),
        _ => WarehouseError::refused(action, error.clone()),
    }
}
