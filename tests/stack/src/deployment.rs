use std::path::Path;

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::json;

use crate::template::{package_natively, read_template};
use crate::{
    BIGQUERY_PROJECT, Discord, DiscordRules, Gate, QueuePair, REGION, Stack, http, package,
    service_account_key, token_issuer, unique,
};

const ACCOUNT: &str = "000000000000";
/// The functions, each with the template parameter of its image.
const FUNCTIONS: [(&str, &str); 4] = [
    ("sync-reports", "SyncReportsImage"),
    ("sync-warehouse", "SyncWarehouseImage"),
    ("notify-discord", "NotifyDiscordImage"),
    ("reconcile", "ReconcileImage"),
];

/// Names and values.
pub type Variables = Vec<(&'static str, String)>;

/// A version of the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// Its template.
    pub template: &'a Path,
    /// The folder of its functions' binaries.
    pub binaries: &'a Path,
}

impl<'a> Release<'a> {
    /// This workspace's version, with its binaries in a folder.
    #[must_use]
    pub fn of_workspace(binaries: &'a Path) -> Self {
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/template.yaml");
        Self { template: Path::new(template), binaries }
    }
}

/// The settings of a deployment that a test can choose.
#[derive(Clone, Debug)]
pub struct DeploymentOptions<'a> {
    pub release: Release<'a>,
    /// Parameters of the template.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Whether the functions get messages from the start, or after a test enables their mappings.
    pub consumes: bool,
}

/// `deploy/template.yaml`, deployed on the stack: the whole pipeline, with stubs of Discord and of Google's token server.
/// The names of all resources begin with the deployment's name, and the database and the dataset have this name.
pub struct Deployment {
    stack: &'static Stack,
    name: String,
    pub discord: Discord,
    /// The token server for the key of sync-warehouse in Secrets Manager.
    pub issuer: Gate,
    parameters: Vec<(String, String)>,
}

impl Deployment {
    /// # Errors
    /// A refusal of a server, a binary that cannot be read, or a resource that does not start.
    pub async fn create(stack: &'static Stack, name: &str, options: &DeploymentOptions<'_>) -> Result<Self> {
        let discord = Discord::start(DiscordRules::default())?;
        let token = json!({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"});
        let issuer = token_issuer(200, &token)?;
        let key = service_account_key(issuer.url())?.to_string();
        let dataset = name.replace('-', "_");
        stack.bigquery(&dataset).await?;
        let secret =
            async |what: &str, text: &str| stack.create_secret(&format!("{name}-{what}"), text).await;
        let mut parameters: Vec<(&str, String)> = vec![
            ("Environment", "staging".to_owned()),
            ("PermissionsBoundary", format!("arn:aws:iam::{ACCOUNT}:policy/quiz-etl-boundary")),
            ("MongoSecret", secret("mongodb-uri", stack.mongodb_uri()).await?),
            ("MongoDatabase", name.to_owned()),
            ("ReportFormats", "v1,v2".to_owned()),
            ("BigQueryProject", BIGQUERY_PROJECT.to_owned()),
            ("BigQueryDataset", dataset),
            // the location of local-bigquery's datasets
            ("BigQueryLocation", "US".to_owned()),
            ("BigQuerySecret", secret("bigquery-key", &key).await?),
            ("BigQueryEndpoint", stack.bigquery_endpoint().to_owned()),
            ("DiscordSecret", secret("discord", &discord.webhook_url()).await?),
            ("DiscordEndpoint", discord.url().to_owned()),
            ("ConsumeEvents", options.consumes.to_string()),
        ];
        for (wished, value) in options.parameters {
            parameters.retain(|(name, _)| name != wished);
            parameters.push((wished, (*value).to_owned()));
        }
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let deployment = Self { stack, name: name.to_owned(), discord, issuer, parameters };
        let (url, parameters) = deployment.upload(options.release).await?;
        stack.create_stack(name, &url, &parameters).await?;
        Ok(deployment)
    }

    /// Updates the deployment to another release with the same parameters, as far as its template has them.
    ///
    /// # Errors
    /// As for [`Deployment::create`].
    pub async fn update(&self, release: Release<'_>) -> Result<()> {
        let (url, parameters) = self.upload(release).await?;
        self.stack.update_stack(&self.name, &url, &parameters).await
    }

    /// Uploads a release to a new bucket. Returns the template's URL, and the parameters that the template has.
    async fn upload(&self, release: Release<'_>) -> Result<(String, Vec<(String, String)>)> {
        let bucket = unique("release");
        let mut template = read_template(release.template)?;
        package_natively(&mut template, &bucket)?;
        put(self.stack, &bucket, None, Vec::new()).await?;
        for (function, image) in FUNCTIONS {
            let package = self.stack.package(&release.binaries.join(function)).await?;
            put(self.stack, &bucket, Some(image), package).await?;
        }
        let known = |name: &str| template.pointer(&format!("/Parameters/{name}")).is_some();
        let parameters = self.parameters.iter().filter(|(name, _)| known(name)).cloned().collect();
        // the template is too large for the body of CreateStack
        put(self.stack, &bucket, Some("template"), template.to_string().into_bytes()).await?;
        Ok((format!("{}/{bucket}/template", self.stack.aws_endpoint()), parameters))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of one of the functions, such as `sync-reports`.
    #[must_use]
    pub fn function(&self, function: &str) -> String {
        format!("{}-{function}", self.name)
    }

    /// The name of one of the tables, such as `student_quiz_reports`.
    #[must_use]
    pub fn table(&self, table: &str) -> String {
        format!("{}-{table}", self.name)
    }

    /// The ARN of one of the topics, `events` or `notices`.
    #[must_use]
    pub fn topic(&self, topic: &str) -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}-{topic}", self.name)
    }

    /// One of the queues, such as `reports`.
    #[must_use]
    pub fn queue(&self, queue: &str) -> QueuePair {
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}-{queue}", self.name);
        let url = format!("{}/{ACCOUNT}/{}-{queue}", self.stack.aws_endpoint(), self.name);
        QueuePair { dlq_url: format!("{url}-dlq"), dlq_arn: format!("{arn}-dlq"), url, arn }
    }

    /// The environment variables for `quiz-etl` with this deployment.
    #[must_use]
    pub fn variables(&self) -> Variables {
        vec![
            ("AWS_ENDPOINT_URL", self.stack.aws_endpoint().to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("MONGODB_URI", self.stack.mongodb_uri().to_owned()),
            ("MONGODB_DATABASE", self.name.clone()),
            ("REPORT_FORMATS", "v1,v2".to_owned()),
            ("REPORTS_TABLE", self.table("student_quiz_reports")),
            ("REPORTS_V2_TABLE", self.table("student_quiz_reports_v2")),
            ("FORM_RESPONSES_TABLE", self.table("form_question_responses")),
            ("SYNC_STATE_TABLE", self.table("quiz_sync_state")),
            ("SNAPSHOTS_TABLE", self.table("quiz_snapshots")),
            ("BIGQUERY_PROJECT", BIGQUERY_PROJECT.to_owned()),
            ("BIGQUERY_DATASET", self.name.replace('-', "_")),
            ("BIGQUERY_LOCATION", "US".to_owned()),
            ("BIGQUERY_ENDPOINT", self.stack.bigquery_endpoint().to_owned()),
            ("DISCORD_WEBHOOK_URL_SECRET_ID", format!("{}-discord", self.name)),
            ("DISCORD_ENDPOINT", self.discord.url().to_owned()),
            ("NOTICE_MEMORY_TABLE", self.table("quiz_notice_memory")),
            ("EVENTS_TOPIC_ARN", self.topic("events")),
            ("NOTICES_TOPIC_ARN", self.topic("notices")),
        ]
    }

    /// A variable of this environment; empty where the variable is not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> String {
        let mut named = self.variables().into_iter().filter(|(known, _)| *known == name);
        named.next().map_or_else(String::new, |(_, value)| value)
    }

    /// Changes the environment of one of the functions: its traffic moves to a new version.
    ///
    /// # Errors
    /// A refusal of Lambda.
    pub async fn set_environment(&self, function: &str, variables: &[(&str, &str)]) -> Result<()> {
        self.stack.set_environment(&self.function(function), ALIAS, variables).await
    }

    /// The event source mapping of one of the functions.
    ///
    /// # Errors
    /// A refusal of Lambda, or a function without a mapping.
    pub async fn mapping(&self, function: &str) -> Result<String> {
        self.stack.mapping_of(&format!("{}:{ALIAS}", self.function(function))).await
    }
}

/// The alias that traffic goes to.
const ALIAS: &str = "live";

/// Makes a bucket, or an object in it.
async fn put(stack: &Stack, bucket: &str, key: Option<&str>, content: Vec<u8>) -> Result<()> {
    let mut url = format!("{}/{bucket}", stack.aws_endpoint());
    if let Some(key) = key {
        url = format!("{url}/{key}");
    }
    let request = Request::put(&url).body(Full::new(Bytes::from(content)))?;
    let answer = http::send(request).await?;
    if !answer.status().is_success() {
        bail!("cannot put {url}: {}", answer.status());
    }
    Ok(())
}

impl Stack {
    /// Stores a text in Secrets Manager and returns its ARN.
    ///
    /// # Errors
    /// A refusal of Secrets Manager.
    pub async fn create_secret(&self, name: &str, text: &str) -> Result<String> {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.aws_config());
        let made = secrets.create_secret().name(name).secret_string(text).send().await;
        made.with_context(|| format!("cannot create secret {name}"))?.arn.context("secret has no ARN")
    }

    /// Changes the text of a secret, as a rotation does.
    ///
    /// # Errors
    /// A refusal of Secrets Manager.
    pub async fn put_secret(&self, id: &str, text: &str) -> Result<()> {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.aws_config());
        let put = secrets.put_secret_value().secret_id(id).secret_string(text).send().await;
        put.map(drop).with_context(|| format!("cannot put a text into secret {id}"))
    }

    /// A deployment package of a binary, which may be removed afterwards.
    ///
    /// # Errors
    /// A binary that cannot be read.
    pub async fn package(&self, binary: &Path) -> Result<Vec<u8>> {
        let (binary, shared_dir) = (binary.to_owned(), self.functions_dir());
        // a server from the environment may run on another machine
        let package = tokio::task::spawn_blocking(move || match shared_dir {
            Some(dir) => package::launcher(&binary, &dir),
            None => package::complete(&binary),
        });
        package.await?
    }
}
