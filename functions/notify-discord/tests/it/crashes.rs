//! A notice that crashes the function: the other notices of its batch are posted, each once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use notify_discord::{Channel, Notifier};
use quiz_discord::{DiscordError, Post};
use quiz_events::{Backoff, QueueMessage};
use quiz_lambda::sqs::MessageHandler;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::common::{MemoryStub, QueueStub, message};

const POISON: &str = "m-poison";

/// A channel that crashes the function when it posts the poison.
#[derive(Default)]
struct DeadlyChannel {
    dies: Notify,
    /// Whether Discord does not answer.
    is_down: bool,
    /// The posts that Discord accepts before it asks to wait.
    left: Option<Mutex<usize>>,
    /// The number of posts of each notice.
    posted: Mutex<BTreeMap<String, usize>>,
}

#[async_trait]
impl Channel for DeadlyChannel {
    async fn post(&self, post: &Post, _: Option<&str>, _: Instant) -> Result<String, DiscordError> {
        if self.is_down {
            return Err(DiscordError::Unreachable("no route".into()));
        }
        if let Some(left) = &self.left {
            let mut left = left.lock().unwrap();
            if *left == 0 {
                return Err(DiscordError::Busy { retry_after: Duration::from_mins(1) });
            }
            *left -= 1;
        }
        if post.notices.iter().any(|id| id == POISON) {
            self.dies.notify_one();
            return std::future::pending().await;
        }
        let mut posted = self.posted.lock().unwrap();
        post.notices.iter().for_each(|id| *posted.entry(id.clone()).or_default() += 1);
        Ok("1".into())
    }
}

/// One invocation; `None` if it crashed.
async fn invoke(
    channel: &Arc<DeadlyChannel>,
    memory: &Arc<MemoryStub>,
    queue: &QueueStub,
    messages: &[QueueMessage],
) -> Option<Vec<String>> {
    let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_mins(1) };
    let notifier = Notifier { channel: channel.clone(), memory: memory.clone(), backoff };
    tokio::select! {
        failed = notifier.handle(messages, queue, Instant::now() + Duration::from_mins(1)) => Some(failed),
        () = channel.dies.notified() => None,
    }
}

fn received(messages: &[QueueMessage], receive_count: u32) -> Vec<QueueMessage> {
    messages.iter().map(|message| QueueMessage { receive_count, ..message.clone() }).collect()
}

#[tokio::test]
async fn crashing_notice_is_parked_and_others_post_once() {
    let (channel, memory, queue) = (Arc::default(), Arc::default(), QueueStub::default());
    let mut messages: Vec<QueueMessage> =
        (0..100).map(|number| message(&format!("good-{number}"), &format!("news {number}"))).collect();
    messages.insert(40, message("poison", "a crash"));
    for receive in 1..=5 {
        assert_eq!(invoke(&channel, &memory, &queue, &received(&messages, receive)).await, None, "{receive}");
        let posted = channel.posted.lock().unwrap();
        assert!(receive < 3 || posted.len() == 100, "{} posted at receive {receive}", posted.len());
    }
    let failed = invoke(&channel, &memory, &queue, &received(&messages, 6)).await;
    assert_eq!(failed, Some(Vec::new()));
    let parked = queue.parked.lock().unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((&*parked[0].0, &*parked[0].1.code), (POISON, "notice_crashes"));
    let posted = channel.posted.lock().unwrap();
    assert!(posted.len() == 100 && posted.values().all(|times| *times == 1), "{posted:?}");
}

#[tokio::test]
async fn outage_of_discord_makes_no_suspects() {
    let (memory, queue) = (Arc::default(), QueueStub::default());
    let messages: Vec<QueueMessage> =
        (0..5).map(|number| message(&format!("n{number}"), &format!("news {number}"))).collect();
    let down = Arc::new(DeadlyChannel { is_down: true, ..DeadlyChannel::default() });
    for receive in 1..=6 {
        let failed = invoke(&down, &memory, &queue, &received(&messages, receive)).await.unwrap();
        assert_eq!(failed.len(), 5, "receive {receive}");
    }
    assert!(queue.parked.lock().unwrap().is_empty());
    assert!(memory.known.lock().unwrap().tries.values().all(|tries| tries.alone == 0));
    let up = Arc::default();
    assert_eq!(invoke(&up, &memory, &queue, &received(&messages, 7)).await, Some(Vec::new()));
    assert_eq!(up.posted.lock().unwrap().len(), 5);
}

/// A rate limit also answers notices that were not tried: they stay suspects, and the poison stays the last.
#[tokio::test]
async fn rate_limit_does_not_clear_a_suspect() {
    let (memory, queue) = (Arc::default(), QueueStub::default());
    let mut messages: Vec<QueueMessage> =
        (0..40).map(|number| message(&format!("good-{number}"), &format!("news {number}"))).collect();
    messages.insert(20, message("poison", "a crash"));
    let mut posted = 0;
    let mut crashes = 0;
    for receive in 1..=12 {
        let channel = Arc::new(DeadlyChannel { left: Some(Mutex::new(15)), ..DeadlyChannel::default() });
        let ended = invoke(&channel, &memory, &queue, &received(&messages, receive)).await;
        crashes += usize::from(ended.is_none());
        posted += channel.posted.lock().unwrap().len();
        if queue.parked.lock().unwrap().len() == 1 {
            break;
        }
    }
    assert_eq!((posted, crashes), (40, 5), "one crash with the others, four alone");
    assert_eq!(queue.parked.lock().unwrap()[0].1.code, "notice_crashes");
}
