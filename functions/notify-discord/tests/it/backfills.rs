//! A backfill's message; its notices come in any order and to two instances at the same time.

use std::sync::{Arc, Mutex};

use notify_discord::Shown;
use quiz_stack::{Discord, DiscordRules};

use crate::common::{MeetingChannel, MemoryStub, backfill, handle_each, notifier};

const STARTED: &str = "backfill.started";
const FINISHED: &str = "backfill.finished";

fn discord() -> Discord {
    Discord::start(DiscordRules::default()).unwrap()
}

/// The title, the progress and the number of edits of the only message.
fn shown(discord: &Discord) -> (String, String, usize) {
    assert_eq!(discord.violations(), Vec::<String>::new());
    let messages = discord.messages();
    assert_eq!(messages.len(), 1);
    let embed = &messages[0].payload["embeds"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&embed["title"]), text(&embed["fields"][0]["value"]), messages[0].edits)
}

fn expected(title: &str, done: &str, edits: usize) -> (String, String, usize) {
    (
        format!(
            "{title} Backfill of 300 test sessions {}",
            if title == "✅" { "finished" } else { "running" }
        ),
        done.into(),
        edits,
    )
}

#[tokio::test]
async fn backfill_is_one_message_edited_across_batches() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    let progress = [backfill("1", STARTED, 0, 0), backfill("2", STARTED, 5, 120)];
    handle_each(&notifier, &progress).await;
    assert_eq!(shown(&discord), expected("ℹ️", "120 of 300", 1));
    handle_each(&notifier, &[backfill("3", FINISHED, 9, 300)]).await;
    assert_eq!(shown(&discord), expected("✅", "300 of 300", 2));
}

#[tokio::test]
async fn older_notice_changes_nothing() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    let late = [backfill("2", STARTED, 5, 120), backfill("1", STARTED, 0, 0)];
    handle_each(&notifier, &late).await;
    assert_eq!(shown(&discord), expected("ℹ️", "120 of 300", 0));
}

#[tokio::test]
async fn finished_backfill_stays_finished() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(MemoryStub::default()));
    // The sender of the second notice has a slow clock.
    handle_each(&notifier, &[backfill("3", FINISHED, 4, 300), backfill("2", STARTED, 5, 120)]).await;
    assert_eq!(shown(&discord), expected("✅", "300 of 300", 0));
}

#[tokio::test]
async fn redelivered_end_changes_nothing() {
    let discord = discord();
    let memory = Arc::new(MemoryStub::default());
    let notifier = notifier(&discord, memory.clone());
    let over = backfill("3", FINISHED, 9, 300);
    handle_each(&notifier, &[over.clone(), over.clone()]).await;
    // Hours later the notice's own entry has expired.
    memory.known.lock().unwrap().notices.clear();
    handle_each(&notifier, &[over]).await;
    assert_eq!(shown(&discord), expected("✅", "300 of 300", 0));
}

#[tokio::test]
async fn card_of_an_older_version_is_edited() {
    let discord = discord();
    let memory = Arc::new(MemoryStub::default());
    let notifier = notifier(&discord, memory.clone());
    handle_each(&notifier, &[backfill("1", STARTED, 9, 5)]).await;
    let drop_notice = |shown: &mut Shown| shown.notice = None;
    memory.known.lock().unwrap().cards.values_mut().for_each(drop_notice);
    handle_each(&notifier, &[backfill("2", STARTED, 0, 120)]).await;
    assert_eq!(shown(&discord), expected("ℹ️", "120 of 300", 1));
}

#[tokio::test]
async fn deleted_message_is_posted_again() {
    let discord = discord();
    let memory = Arc::new(MemoryStub::default());
    let notifier = notifier(&discord, memory.clone());
    let gone = Shown { message_id: "999".into(), notice: None };
    memory.known.lock().unwrap().cards.insert("backfill:b1".into(), gone);
    handle_each(&notifier, &[backfill("1", STARTED, 0, 0), backfill("2", FINISHED, 9, 300)]).await;
    assert_eq!(shown(&discord), expected("✅", "300 of 300", 1));
}

#[tokio::test]
async fn concurrent_instances_show_the_newer_notice() {
    let (older, newer) = (backfill("2", STARTED, 5, 120), backfill("3", FINISHED, 9, 300));
    for (own, others, is_before) in
        [(&older, &newer, true), (&older, &newer, false), (&newer, &older, true), (&newer, &older, false)]
    {
        let discord = discord();
        let memory = Arc::new(MemoryStub::default());
        let mut one = notifier(&discord, memory.clone());
        handle_each(&one, &[backfill("1", STARTED, 0, 0)]).await;
        let other = notifier(&discord, memory.clone());
        let other = Mutex::new(Some((other, others.clone())));
        let again = Arc::default();
        one.channel =
            Arc::new(MeetingChannel { channel: one.channel, other, is_before, again: Arc::clone(&again) });
        handle_each(&one, std::slice::from_ref(own)).await;
        assert!(again.lock().unwrap().is_empty());
        let (title, done, edits) = shown(&discord);
        assert_eq!(
            (title.as_str(), done.as_str()),
            ("✅ Backfill of 300 test sessions finished", "300 of 300")
        );
        assert!(edits <= 3, "{edits} edits");
        let known = memory.known.lock().unwrap();
        assert!(known.cards["backfill:b1"].moment().unwrap().is_over);
    }
}

#[tokio::test]
async fn concurrent_first_notices_make_one_message() {
    for is_before in [true, false] {
        let discord = discord();
        let memory = Arc::new(MemoryStub::default());
        let mut one = notifier(&discord, memory.clone());
        let (first, second) = (backfill("1", STARTED, 0, 0), backfill("2", STARTED, 1, 40));
        let again = Arc::default();
        let other = Mutex::new(Some((notifier(&discord, memory), second.clone())));
        one.channel =
            Arc::new(MeetingChannel { channel: one.channel, other, is_before, again: Arc::clone(&again) });
        handle_each(&one, &[first]).await;
        assert_eq!(*again.lock().unwrap(), ["m-2"], "the first notice has the claim");
        handle_each(&one, &[second]).await;
        assert_eq!(shown(&discord), expected("ℹ️", "40 of 300", 1));
    }
}
