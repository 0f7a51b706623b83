//! Batches of notices, to a stub of Discord.

use std::sync::Arc;
use std::time::Duration;

use quiz_stack::{Discord, DiscordRules, Fault, eventually};
use tokio::time::Instant;

use crate::common::{InMind, Notes, finished, handle, message, notifier};

#[tokio::test]
async fn a_notice_that_comes_again_is_not_posted_again() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let queue = Notes::default();
    let twice = [finished("1", "a"), finished("1", "a"), finished("2", "b")];
    assert_eq!(handle(&notifier, &twice, &queue).await, Vec::<String>::new());
    assert_eq!(handle(&notifier, &twice[1..], &queue).await, Vec::<String>::new());
    assert_eq!(discord.messages().len(), 1);
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn without_its_memory_notices_are_posted_all_the_same() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind { is_lost: true, ..InMind::default() }));
    assert!(handle(&notifier, &[finished("1", "a")], &Notes::default()).await.is_empty());
    assert_eq!(discord.messages().len(), 1);
}

#[tokio::test]
async fn an_outage_of_two_seconds_brings_the_messages_back_and_they_are_posted_once_it_is_over() {
    let over = Instant::now() + Duration::from_secs(2);
    let down = move |_: &_, _| (Instant::now() < over).then_some(Fault::Status(503));
    let discord =
        Discord::start(DiscordRules { script: Some(Arc::new(down)), ..DiscordRules::default() }).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let (queue, messages) = (Notes::default(), [finished("1", "a"), finished("2", "b")]);
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
async fn a_dead_token_parks_with_its_cause() {
    let dead = |_: &_, _| Some(Fault::Status(401));
    let discord =
        Discord::start(DiscordRules { script: Some(Arc::new(dead)), ..DiscordRules::default() }).unwrap();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let queue = Notes::default();
    assert!(handle(&notifier, &[finished("1", "a"), message("x", "hello")], &queue).await.is_empty());
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|(_, cause)| cause.code == "discord_token_dead"));
    assert!(parked[0].1.error.contains("make a new webhook or token"), "{}", parked[0].1.error);
}
