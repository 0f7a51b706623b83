//! The notices' function with its topic, its queue and a stub of Discord.

use std::time::Duration;

use quiz_stack::{Delivery, Discord, DiscordRules, FunctionSpec, MappingSpec, QueuePair, Stack, unique};

use super::binary;

pub struct NoticesPipeline {
    pub stack: &'static Stack,
    pub discord: Discord,
    pub topic: String,
    pub queue: QueuePair,
    pub mapping: String,
}

impl NoticesPipeline {
    /// Deploys the real binary of notify-discord; its queue is handed over once `mapping` is enabled.
    pub async fn deploy() -> Self {
        let stack = Stack::get().await.unwrap();
        let discord = Discord::start(DiscordRules::default()).unwrap();
        let name = unique("notices");
        let topic = stack.create_topic(&name).await.unwrap();
        let queue = stack.create_queue_pair(&name, 5, Duration::from_mins(10)).await.unwrap();
        stack.subscribe(&topic, &queue.arn, Delivery::Envelope).await.unwrap();
        let secrets = aws_sdk_secretsmanager::Client::new(&stack.aws_config());
        let secret = format!("{name}-webhook");
        secrets.create_secret().name(&secret).secret_string(discord.webhook_url()).send().await.unwrap();
        let memory = format!("{name}-memory");
        stack.create_notice_memory_table(&memory).await.unwrap();
        let environment = [
            ("DISCORD_WEBHOOK_URL_SECRET_ID", secret.as_str()),
            ("DISCORD_ENDPOINT", discord.url()),
            ("NOTICE_MEMORY_TABLE", &memory),
        ];
        let binary = binary("notify-discord");
        let spec = FunctionSpec {
            name: &name,
            binary: &binary,
            environment: &environment,
            timeout: Duration::from_mins(1),
            memory_mb: 256,
        };
        stack.deploy_function(&spec).await.unwrap();
        let mapping = MappingSpec {
            function: &name,
            queue_arn: &queue.arn,
            batch_size: 10,
            maximum_concurrency: Some(2),
            enabled: false,
        };
        let mapping = stack.map_queue(&mapping).await.unwrap();
        Self { stack, discord, topic, queue, mapping }
    }
}
