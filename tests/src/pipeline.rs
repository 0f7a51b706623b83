use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::{
    BIGQUERY_PROJECT, Delivery, Discord, DiscordRules, FunctionSpec, MappingSpec, QueuePair, REGION, Stack,
};

const TIMEOUT: Duration = Duration::from_mins(5);
const VISIBILITY: Duration = Duration::from_mins(30);
/// 14 days, in seconds.
const RETENTION: &str = "1209600";
const RECEIVES: u32 = 5;

/// Names and values.
pub type Variables = Vec<(&'static str, String)>;

/// The whole pipeline on the stack: topics, queues, tables, the three functions, and a stub of Discord.
pub struct Pipeline {
    /// The environment in which `quiz-etl` finds all of it.
    pub variables: Variables,
    pub discord: Discord,
}

impl Pipeline {
    /// Deploys the functions' binaries, which lie in a folder, under names that begin with `name`; the database and the
    /// dataset have that name as well.
    ///
    /// # Errors
    /// What a server refuses, or a binary that cannot be read.
    pub async fn deploy(stack: &Stack, name: &str, binaries: &Path) -> Result<Self> {
        deploy(stack, name, binaries).await
    }

    /// A variable of the environment; empty where there is none of that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        let mut named = self.variables.iter().filter(|(known, _)| *known == name);
        named.next().map_or("", |(_, value)| value)
    }
}

async fn deploy(stack: &Stack, name: &str, binaries: &Path) -> Result<Pipeline> {
    let discord = Discord::start(DiscordRules::default())?;
    let dataset = name.replace('-', "_");
    stack.bigquery(&dataset).await?;
    let webhook = format!("{name}-webhook");
    let secrets = aws_sdk_secretsmanager::Client::new(&stack.aws_config());
    secrets.create_secret().name(&webhook).secret_string(discord.webhook_url()).send().await?;
    let table = |of: &str| format!("{name}-{of}");
    stack.create_reports_table(&table("reports")).await?;
    stack.create_reports_v2_table(&table("reports-v2")).await?;
    stack.create_form_responses_table(&table("forms")).await?;
    stack.create_sync_state_table(&table("states")).await?;
    stack.create_notice_memory_table(&table("memory")).await?;
    let events = stack.create_topic(&table("events")).await?;
    let notices = stack.create_topic(&table("notices")).await?;
    let variables: Variables = vec![
        ("AWS_ENDPOINT_URL", stack.aws_endpoint().to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("MONGODB_URI", stack.mongodb_uri().to_owned()),
        ("MONGODB_DATABASE", name.to_owned()),
        ("REPORT_FORMATS", "v1,v2".to_owned()),
        ("REPORTS_TABLE", table("reports")),
        ("REPORTS_V2_TABLE", table("reports-v2")),
        ("FORM_RESPONSES_TABLE", table("forms")),
        ("SYNC_STATE_TABLE", table("states")),
        ("SYNC_INTERVAL_SECONDS", "10".to_owned()),
        ("BIGQUERY_PROJECT", BIGQUERY_PROJECT.to_owned()),
        ("BIGQUERY_DATASET", dataset),
        // where local-bigquery says that its datasets are
        ("BIGQUERY_LOCATION", "US".to_owned()),
        ("BIGQUERY_ENDPOINT", stack.bigquery_endpoint().to_owned()),
        ("DISCORD_WEBHOOK_URL_SECRET_ID", webhook),
        ("DISCORD_ENDPOINT", discord.url().to_owned()),
        ("NOTICE_MEMORY_TABLE", table("memory")),
        ("EVENTS_TOPIC_ARN", events.clone()),
        ("NOTICES_TOPIC_ARN", notices.clone()),
    ];
    for (function, topic) in
        [("sync-reports", &events), ("sync-warehouse", &events), ("notify-discord", &notices)]
    {
        run_on(stack, &table(function), &binaries.join(function), topic, &variables).await?;
    }
    Ok(Pipeline { variables, discord })
}

/// A function, the queue that feeds it, and the topic that the queue hears.
async fn run_on(stack: &Stack, name: &str, binary: &Path, topic: &str, variables: &Variables) -> Result<()> {
    let queue = stack.create_queue_pair(name, RECEIVES, VISIBILITY).await?;
    subscribe(stack, name, topic, &queue).await?;
    // Lambda gives its functions a region and credentials of their own
    let own = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let environment: Vec<(&str, &str)> =
        variables.iter().filter(|(name, _)| !own.contains(name)).map(|(name, it)| (*name, &**it)).collect();
    let function = FunctionSpec { name, binary, environment: &environment, timeout: TIMEOUT, memory_mb: 512 };
    stack.deploy_function(&function).await?;
    let mapping = MappingSpec {
        function: name,
        queue_arn: &queue.arn,
        batch_size: 10,
        maximum_concurrency: Some(2),
        enabled: true,
    };
    stack.map_queue(&mapping).await?;
    Ok(())
}

/// With a dead-letter queue of the subscription's own, and leave to send to both.
async fn subscribe(stack: &Stack, name: &str, topic: &str, queue: &QueuePair) -> Result<()> {
    let sqs = stack.sqs();
    let made = sqs.create_queue().queue_name(format!("{name}-undelivered")).send().await?;
    let undelivered = made.queue_url.context("a queue without a URL")?;
    let undelivered_arn = queue.arn.replace(name, &format!("{name}-undelivered"));
    for (url, arn) in [(&queue.url, &queue.arn), (&undelivered, &undelivered_arn)] {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }]});
        let set = sqs.set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await?;
    }
    for url in [&queue.dlq_url, &undelivered] {
        let set = sqs.set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION).send().await?;
    }
    let subscription = stack.subscribe(topic, &queue.arn, Delivery::Envelope).await?;
    let redrive = json!({"deadLetterTargetArn": undelivered_arn}).to_string();
    let set = stack.sns().set_subscription_attributes().subscription_arn(subscription);
    set.attribute_name("RedrivePolicy").attribute_value(redrive).send().await?;
    Ok(())
}
