use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::json;

use crate::template::{package_natively, template};
use crate::{
    BIGQUERY_PROJECT, Discord, DiscordRules, Gate, QueuePair, REGION, Stack, eventually, http, package,
    service_account_key, token_issuer,
};

const TIMEOUT: Duration = Duration::from_mins(1);
const ACCOUNT: &str = "000000000000";
/// The functions, each with the parameter of the template that names its image.
const FUNCTIONS: [(&str, &str); 4] = [
    ("sync-reports", "SyncReportsImage"),
    ("sync-warehouse", "SyncWarehouseImage"),
    ("notify-discord", "NotifyDiscordImage"),
    ("reconcile", "ReconcileImage"),
];

/// Names and values.
pub type Variables = Vec<(&'static str, String)>;

/// What a test wants of a deployment otherwise than it is by default.
#[derive(Clone, Debug)]
pub struct Wishes<'a> {
    /// Where the functions' binaries lie.
    pub binaries: &'a Path,
    /// Parameters of the template.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Whether the functions get their messages from the start, or once a test enables their mappings.
    pub consumes: bool,
}

/// `deploy/template.yaml`, deployed on the stack: the whole pipeline, with stubs of Discord and of Google's tokens.
/// The names of what it has begin with its own, and its database and dataset are of that name.
pub struct Deployment {
    stack: &'static Stack,
    name: String,
    pub discord: Discord,
    /// Who gives sync-warehouse its tokens for the key that it has from Secrets Manager.
    pub issuer: Gate,
}

impl Deployment {
    /// # Errors
    /// What a server refuses, a binary that cannot be read, or a resource that does not come up.
    pub async fn create(stack: &'static Stack, name: &str, wishes: &Wishes<'_>) -> Result<Self> {
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
            ("MongoSecret", secret("mongodb-uri", stack.mongodb_uri()).await?),
            ("MongoDatabase", name.to_owned()),
            ("ReportFormats", "v1,v2".to_owned()),
            ("BigQueryProject", BIGQUERY_PROJECT.to_owned()),
            ("BigQueryDataset", dataset),
            // where local-bigquery says that its datasets are
            ("BigQueryLocation", "US".to_owned()),
            ("BigQuerySecret", secret("bigquery-key", &key).await?),
            ("BigQueryEndpoint", stack.bigquery_endpoint().to_owned()),
            ("DiscordSecret", secret("discord", &discord.webhook_url()).await?),
            ("DiscordEndpoint", discord.url().to_owned()),
            ("ConsumeEvents", wishes.consumes.to_string()),
        ];
        for (wished, value) in wishes.parameters {
            parameters.retain(|(name, _)| name != wished);
            parameters.push((wished, (*value).to_owned()));
        }
        let mut template = template("template.yaml")?;
        package_natively(&mut template, name)?;
        put(stack, name, None, Vec::new()).await?;
        for (function, image) in FUNCTIONS {
            let package = stack.package(&wishes.binaries.join(function)).await?;
            put(stack, name, Some(image), package).await?;
        }
        // larger than what CreateStack takes in its body
        put(stack, name, Some("template"), template.to_string().into_bytes()).await?;
        let url = format!("{}/{name}/template", stack.aws_endpoint());
        stack.create_stack(name, &url, &parameters).await?;
        Ok(Self { stack, name: name.to_owned(), discord, issuer })
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

    /// The environment in which `quiz-etl` finds all of it.
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

    /// A variable of that environment; empty where there is none of that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> String {
        let mut named = self.variables().into_iter().filter(|(known, _)| *known == name);
        named.next().map_or_else(String::new, |(_, value)| value)
    }

    /// Changes the environment of one of the functions, by a new version to which its traffic moves.
    ///
    /// # Errors
    /// What Lambda refuses.
    pub async fn set_environment(&self, function: &str, variables: &[(&str, &str)]) -> Result<()> {
        self.stack.set_environment(&self.function(function), ALIAS, variables).await
    }

    /// The mapping that hands one of the functions its messages.
    ///
    /// # Errors
    /// What Lambda refuses, or a function without one.
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
    /// Keeps a text in Secrets Manager, and gives its ARN.
    ///
    /// # Errors
    /// What Secrets Manager refuses.
    pub async fn create_secret(&self, name: &str, text: &str) -> Result<String> {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.aws_config());
        let made = secrets.create_secret().name(name).secret_string(text).send().await;
        made.with_context(|| format!("cannot create secret {name}"))?.arn.context("a secret without an ARN")
    }

    /// Puts another text into a secret, as a rotation does.
    ///
    /// # Errors
    /// What Secrets Manager refuses.
    pub async fn put_secret(&self, id: &str, text: &str) -> Result<()> {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.aws_config());
        let put = secrets.put_secret_value().secret_id(id).secret_string(text).send().await;
        put.map(drop).with_context(|| format!("cannot put a text into secret {id}"))
    }

    /// A deployment package of a binary, which may be removed afterwards.
    pub(crate) async fn package(&self, binary: &Path) -> Result<Vec<u8>> {
        let (binary, shared_dir) = (binary.to_owned(), self.functions_dir());
        // a server that the environment gives may run elsewhere
        let package = tokio::task::spawn_blocking(move || match shared_dir {
            Some(dir) => package::launcher(&binary, &dir),
            None => package::complete(&binary),
        });
        package.await?
    }

    /// A client for CloudFormation, bound to the runtime of the calling test.
    #[must_use]
    pub fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.aws_config())
    }

    /// Deploys the template at `url`, and waits until all of it is there.
    ///
    /// # Errors
    /// What CloudFormation refuses, and each resource that failed, with the reason.
    pub async fn create_stack(&self, name: &str, url: &str, parameters: &[(&str, String)]) -> Result<()> {
        let client = self.cloudformation();
        let parameter = |(key, value): &(&str, String)| {
            Parameter::builder().parameter_key(*key).parameter_value(value).build()
        };
        let made = client
            .create_stack()
            .stack_name(name)
            .template_url(url)
            .set_parameters(Some(parameters.iter().map(parameter).collect()))
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .send();
        made.await.with_context(|| format!("cannot deploy {name}"))?;
        let what = format!("{name} to be deployed");
        let status = eventually(&what, TIMEOUT, async || {
            let described = client.describe_stacks().stack_name(name).send().await?;
            let status = described.stacks().first().and_then(|it| it.stack_status().cloned());
            match status {
                Some(StackStatus::CreateInProgress) | None => Err(anyhow!("{status:?}")),
                Some(status) => Ok(Some(status)),
            }
        });
        let status = status.await?;
        if status == StackStatus::CreateComplete {
            return Ok(());
        }
        let events = client.describe_stack_events().stack_name(name).send().await?;
        let failed: Vec<String> = events
            .stack_events()
            .iter()
            .filter_map(|it| Some(format!("{}: {}", it.logical_resource_id()?, it.resource_status_reason()?)))
            .collect();
        bail!("{name} is {status:?}: {}", failed.join("; "))
    }
}
