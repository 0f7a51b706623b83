//! The cards of an outage: one during the outage, and one at its end.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use quiz_events::{Notice, NoticeKind, Outage, OutageOver, QueueMessage};
use quiz_stack::{Discord, DiscordRules};

use crate::common::{MeetingChannel, MemoryStub, QueueStub, handle, handle_each, message, notifier};

const DOWN: &str = "❌ MongoDB is down:";
const WORKS: &str = "✅ MongoDB works again after";

fn discord() -> Discord {
    Discord::start(DiscordRules::default()).unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn notice(id: &str, minute: i64, kind: NoticeKind) -> QueueMessage {
    message(id, &serde_json::to_string(&Notice::new(id, at(minute), kind)).unwrap())
}

/// A pass of reconcile finds `waiting` test sessions that wait.
fn open(minute: i64, waiting: u64) -> QueueMessage {
    let outage = Outage { dependency: "MongoDB".into(), waiting, failed_at: at(minute), ..Outage::default() };
    notice(&format!("open-{minute}"), minute, NoticeKind::OutageOpen(outage))
}

/// A pass of reconcile finds that the outage is over.
fn over(minute: i64) -> QueueMessage {
    let over =
        OutageOver { dependency: "MongoDB".into(), until: at(minute), synced: 12, ..OutageOver::default() };
    notice(&format!("over-{minute}"), minute, NoticeKind::OutageOver(over))
}

/// The title and the number of edits of each message.
fn shown(discord: &Discord) -> Vec<(String, usize)> {
    assert_eq!(discord.violations(), Vec::<String>::new());
    let title = |payload: &serde_json::Value| payload["embeds"][0]["title"].as_str().unwrap().to_owned();
    discord.messages().iter().map(|message| (title(&message.payload), message.edits)).collect()
}

fn down(waiting: u64, edits: usize) -> (String, usize) {
    (format!("{DOWN} {waiting} test sessions late"), edits)
}

/// The recovery's title; the outage lasted from 1970.
fn works(after: &str) -> (String, usize) {
    (format!("{WORKS} {after}"), 0)
}

#[tokio::test]
async fn outage_is_one_edited_card_and_one_recovery() {
    let discord = discord();
    let memory = Arc::new(MemoryStub::default());
    let notifier = notifier(&discord, memory.clone());
    handle_each(&notifier, &[open(15, 4), open(30, 9), open(45, 7), over(60), over(75), over(90)]).await;
    assert_eq!(shown(&discord), [down(7, 2), works("1 h 0 min")]);
    // The claims expire after ten seconds.
    memory.claims.lock().unwrap().clear();
    handle_each(&notifier, &[open(120, 2), open(135, 3), over(150)]).await;
    assert_eq!(shown(&discord)[2..], [down(3, 1), works("2 h 30 min")]);
}

#[tokio::test]
async fn recovery_without_an_open_card_is_silent() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    handle_each(&notifier, &[over(60), over(75), open(45, 3)]).await;
    assert!(shown(&discord).is_empty(), "a notice older than the recovery opens no card");
    handle_each(&notifier, &[open(90, 3)]).await;
    assert_eq!(shown(&discord), [down(3, 0)]);
}

#[tokio::test]
async fn delayed_notices_are_posted_in_order() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    let waited = [over(75), open(30, 9), open(15, 4), over(60), open(120, 5)];
    // Both outages claim the card in one batch, so SQS must deliver the second again.
    let again = handle(&notifier, &waited, &QueueStub::default()).await;
    assert_eq!(shown(&discord)[..2], [down(9, 0), works("1 h 15 min")]);
    assert_eq!(again, ["m-open-120"]);
}

#[tokio::test]
async fn card_without_updates_for_hours_is_not_edited() {
    let discord = discord();
    let memory = Arc::new(MemoryStub::default());
    let notifier = notifier(&discord, memory.clone());
    handle_each(&notifier, &[open(15, 4), open(190, 5)]).await;
    memory.claims.lock().unwrap().clear();
    handle_each(&notifier, &[open(380, 6)]).await;
    assert_eq!(shown(&discord), [down(5, 1), down(6, 0)]);
    // A late recovery closes the card.
    handle_each(&notifier, &[over(900)]).await;
    assert_eq!(shown(&discord)[2..], [works("15 h 0 min")]);
}

#[tokio::test]
async fn concurrent_instances_post_one_card() {
    for is_before in [true, false] {
        let discord = discord();
        let memory = Arc::new(MemoryStub::default());
        let mut one = notifier(&discord, memory.clone());
        let again = Arc::default();
        let other = Mutex::new(Some((notifier(&discord, memory), open(30, 9))));
        one.channel =
            Arc::new(MeetingChannel { channel: one.channel, other, is_before, again: Arc::clone(&again) });
        handle_each(&one, &[open(15, 4)]).await;
        assert_eq!(*again.lock().unwrap(), ["m-open-30"], "the first notice has the claim");
        handle_each(&one, &[open(30, 9)]).await;
        assert_eq!(shown(&discord), [down(9, 1)]);
    }
}

#[tokio::test]
async fn concurrent_instances_post_one_recovery() {
    for is_before in [true, false] {
        let discord = discord();
        let memory = Arc::new(MemoryStub::default());
        let mut one = notifier(&discord, memory.clone());
        handle_each(&one, &[open(15, 4)]).await;
        let again = Arc::default();
        let other = Mutex::new(Some((notifier(&discord, memory), over(45))));
        one.channel =
            Arc::new(MeetingChannel { channel: one.channel, other, is_before, again: Arc::clone(&again) });
        handle_each(&one, &[over(30)]).await;
        assert_eq!(*again.lock().unwrap(), ["m-over-45"], "the first notice has the claim");
        handle_each(&one, &[over(45)]).await;
        assert_eq!(shown(&discord), [down(4, 0), works("30 min 0 s")]);
    }
}

/// One instance handles the recovery while the other posts the card.
#[tokio::test]
async fn recovery_during_the_first_card_posts_once() {
    for is_before in [true, false] {
        let discord = discord();
        let memory = Arc::new(MemoryStub::default());
        let mut one = notifier(&discord, memory.clone());
        let other = Mutex::new(Some((notifier(&discord, memory), over(30))));
        one.channel =
            Arc::new(MeetingChannel { channel: one.channel, other, is_before, again: Arc::default() });
        handle_each(&one, &[open(15, 4), over(45)]).await;
        assert_eq!(shown(&discord), [down(4, 0), works("30 min 0 s")]);
    }
}
