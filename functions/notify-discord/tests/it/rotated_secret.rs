//! The webhook's secret is rotated while the function is warm.

use std::sync::Arc;
use std::time::Duration;

use notify_discord::{LazyChannel, Notifier};
use quiz_events::Backoff;
use quiz_lambda::SecretSource;
use quiz_lambda::config::DiscordSource;
use quiz_stack::{Action, Discord, DiscordRules, Gate, Stack, unique};

use crate::common::{MemoryStub, QueueStub, finished, handle};

/// A notifier with its webhook in Secrets Manager, behind a gate that counts the reads.
struct Warm {
    discord: Discord,
    stack: &'static Stack,
    secret: String,
    secrets_manager: Gate,
    notifier: Notifier,
    queue: QueueStub,
}

impl Warm {
    async fn new() -> Self {
        let stack = Stack::get().await.unwrap();
        let discord = Discord::start(DiscordRules { per_window: 100, ..DiscordRules::default() }).unwrap();
        let secret = stack.create_secret(&unique("discord"), &discord.webhook_url()).await.unwrap();
        let secrets_manager = Gate::start(stack.aws_endpoint(), |_| Action::Forward).unwrap();
        let aws = stack.aws_config().into_builder().endpoint_url(secrets_manager.url()).build();
        let source = DiscordSource::Webhook(SecretSource::ById(secret.clone()));
        let channel = Arc::new(LazyChannel::new(source, Some(discord.url().to_owned()), aws));
        let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_mins(1) };
        let notifier = Notifier { channel, memory: Arc::new(MemoryStub::default()), backoff };
        Self { discord, stack, secret, secrets_manager, notifier, queue: QueueStub::default() }
    }

    async fn post(&self, id: &str) {
        let failed = handle(&self.notifier, &[finished(id, "a test")], &self.queue).await;
        assert_eq!(failed, Vec::<String>::new());
    }

    fn parked(&self) -> usize {
        self.queue.parked.lock().unwrap().len()
    }

    fn secret_reads(&self) -> usize {
        self.secrets_manager.requests().len()
    }
}

#[tokio::test]
async fn rotated_webhook_is_read_again_and_posts() {
    let warm = Warm::new().await;
    warm.post("1").await;
    warm.discord.rotate_webhook();
    warm.stack.put_secret(&warm.secret, &warm.discord.webhook_url()).await.unwrap();
    warm.post("2").await;
    warm.post("3").await;
    assert_eq!((warm.discord.messages().len(), warm.parked()), (3, 0));
    assert_eq!(warm.secret_reads(), 2, "one read at first, one after the refusal");
    let statuses: Vec<u16> = warm.discord.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 401, 200, 200]);
    assert_eq!(warm.discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn unchanged_webhook_is_read_again_once_and_parks() {
    let warm = Warm::new().await;
    warm.post("1").await;
    warm.discord.rotate_webhook();
    for id in 2..12 {
        warm.post(&id.to_string()).await;
    }
    assert_eq!((warm.discord.messages().len(), warm.parked()), (1, 10));
    assert!(warm.queue.parked.lock().unwrap().iter().all(|(_, cause)| cause.code == "discord_token_dead"));
    assert_eq!(warm.secret_reads(), 2, "one read at first, one after the first refusal");
}
