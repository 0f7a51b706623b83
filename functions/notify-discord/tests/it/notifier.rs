//! Batches of notices, posted to a stub of Discord.

use std::sync::Arc;
use std::time::Duration;

use quiz_stack::{Discord, DiscordRules, Fault, eventually};
use tokio::time::Instant;

use crate::common::{MemoryStub, QueueStub, finished, handle, message, notifier};

#[tokio::test]
async fn redelivered_notice_posts_once() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    let queue = QueueStub::default();
    let twice = [finished("1", "a"), finished("1", "a"), finished("2", "b")];
    assert_eq!(handle(&notifier, &twice, &queue).await, Vec::<String>::new());
    assert_eq!(handle(&notifier, &twice[1..], &queue).await, Vec::<String>::new());
    assert_eq!(discord.messages().len(), 1);
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn notices_post_without_memory() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let notifier = notifier(&discord, Arc::new(MemoryStub { is_lost: true, ..MemoryStub::default() }));
    assert!(handle(&notifier, &[finished("1", "a")], &QueueStub::default()).await.is_empty());
    assert_eq!(discord.messages().len(), 1);
}

#[tokio::test]
async fn short_outage_delays_and_posts_notices_once() {
    let over = Instant::now() + Duration::from_secs(2);
    let down = move |_: &_, _| (Instant::now() < over).then_some(Fault::Status(503));
    let discord =
        Discord::start(DiscordRules { script: Some(Arc::new(down)), ..DiscordRules::default() }).unwrap();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    let (queue, messages) = (QueueStub::default(), [finished("1", "a"), finished("2", "b")]);
    assert_eq!(handle(&notifier, &messages, &queue).await, ["m-1", "m-2"]);
    eventually("the end of the outage", Duration::from_mins(1), async || {
        Ok(handle(&notifier, &messages, &queue).await.is_empty().then_some(()))
    })
    .await
    .unwrap();
    assert!(Instant::now() >= over);
    assert_eq!(discord.messages().len(), 1);
    let delayed = queue.delayed.lock().unwrap();
    assert!(delayed.iter().all(|(_, wait)| (5..=10).contains(&wait.as_secs())));
    assert!(queue.parked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn dead_token_parks_with_its_cause() {
    let dead = |_: &_, _| Some(Fault::Status(401));
    let discord =
        Discord::start(DiscordRules { script: Some(Arc::new(dead)), ..DiscordRules::default() }).unwrap();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    let queue = QueueStub::default();
    assert!(handle(&notifier, &[finished("1", "a"), message("x", "hello")], &queue).await.is_empty());
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|(_, cause)| cause.code == "discord_token_dead"));
    assert!(parked[0].1.error.contains("create a new webhook or token"), "{}", parked[0].1.error);
}
