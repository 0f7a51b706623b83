use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use tokio::sync::OnceCell;

use crate::run::{Run, ServerKind};

/// The region of every resource on the stack.
pub const REGION: &str = "ap-south-1";

static STACK: OnceCell<Result<Stack, String>> = OnceCell::const_new();

/// The servers that the tests of one runner share.
#[derive(Debug)]
pub struct Stack {
    aws_endpoint: String,
    mongodb_uri: String,
    bigquery_endpoint: String,
    /// `None` when the environment names all servers.
    run: Option<Run>,
}

impl Stack {
    /// The stack of this test run; the first call starts the stack. A process does not repeat a failed start.
    ///
    /// # Errors
    /// No suitable Python, packages that cannot be installed, or a server that does not start or has ended, with the end
    /// of its log.
    pub async fn get() -> Result<&'static Self> {
        let started = STACK.get_or_init(|| async {
            let start = tokio::task::spawn_blocking(Self::start).await;
            start.context("the start was interrupted").flatten().map_err(|error| format!("{error:#}"))
        });
        let stack = started.await.as_ref().map_err(|error| anyhow!("no local stack: {error}"))?;
        if let Some(run) = &stack.run {
            run.check()?;
        }
        Ok(stack)
    }

    fn start() -> Result<Self> {
        let needed: Vec<ServerKind> =
            ServerKind::ALL.into_iter().filter(|kind| given(*kind).is_none()).collect();
        let run = if needed.is_empty() { None } else { Some(Run::join(&needed)?) };
        let url = |kind: ServerKind| match (given(kind), &run) {
            (Some(url), _) => Ok(url),
            (None, Some(run)) => run.url(kind),
            (None, None) => Err(anyhow!("no server of kind {kind:?}")),
        };
        Ok(Self {
            aws_endpoint: url(ServerKind::Aws)?,
            mongodb_uri: url(ServerKind::Mongo)?,
            bigquery_endpoint: url(ServerKind::BigQuery)?.trim_end_matches('/').to_owned(),
            run,
        })
    }

    /// The endpoint of SNS, SQS, Lambda, DynamoDB and the other AWS services.
    #[must_use]
    pub fn aws_endpoint(&self) -> &str {
        &self.aws_endpoint
    }

    #[must_use]
    pub fn mongodb_uri(&self) -> &str {
        &self.mongodb_uri
    }

    /// The endpoint of BigQuery's REST interface: the part before `/bigquery/v2`, without a slash at its end.
    #[must_use]
    pub fn bigquery_endpoint(&self) -> &str {
        &self.bigquery_endpoint
    }

    /// A configuration for any AWS client: endpoint, region and test credentials, nothing from the environment. Make new
    /// clients in each test, because a client is bound to the runtime of its first use.
    #[must_use]
    pub fn aws_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(&self.aws_endpoint)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test",
                "test",
                None,
                None,
                "quiz-stack",
            )))
            .build()
    }

    /// The Python that runs the servers, for functions and tools written in it.
    ///
    /// # Errors
    /// When the environment names all servers: then no Python environment was made.
    pub fn python(&self) -> Result<&Path> {
        self.run.as_ref().map(Run::python).context("the servers are given by the environment")
    }

    /// The directory of the servers' logs; `None` when the environment names all servers.
    #[must_use]
    pub fn logs_dir(&self) -> Option<&Path> {
        self.run.as_ref().map(Run::logs)
    }

    /// The folder of binaries for functions that run on this machine; `None` when the environment names the AWS endpoint.
    pub(crate) fn functions_dir(&self) -> Option<PathBuf> {
        let run = self.run.as_ref()?;
        run.url(ServerKind::Aws).ok().map(|_| run.dir().join("functions"))
    }
}

fn given(kind: ServerKind) -> Option<String> {
    std::env::var(kind.variable()).ok().filter(|value| !value.is_empty())
}
