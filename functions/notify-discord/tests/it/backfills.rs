//! A backfill's message, whose notices come in any order and to two instances at once.

use std::sync::{Arc, Mutex};

use notify_discord::Shown;
use quiz_stack::{Discord, DiscordRules};

use crate::common::{InMind, Meeting, backfill, handle_each, notifier};

const STARTED: &str = "backfill.started";
const FINISHED: &str = "backfill.finished";

fn discord() -> Discord {
    Discord::start(DiscordRules::default()).unwrap()
}

/// What the only message shows: its title and how many are done, and how often it was edited.
fn shown(discord: &Discord) -> (String, String, usize) {
    assert_eq!(discord.violations(), Vec::<String>::new());
    let messages = discord.messages();
    assert_eq!(messages.len(), 1);
    let embed = &messages[0].payload["embeds"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&embed["title"]), text(&embed["fields"][0]["value"]), messages[0].edits)
}

fn as_told(title: &str, done: &str, edits: usize) -> (String, String, usize) {
    (
        format!("{title} Backfill of 300 tests {}", if title == "✅" { "finished" } else { "running" }),
        done.into(),
        edits,
    )
}

#[tokio::test]
async fn it_is_one_message_that_is_edited_across_batches() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let progress = [backfill("1", STARTED, 0, 0), backfill("2", STARTED, 5, 120)];
    handle_each(&notifier, &progress).await;
    assert_eq!(shown(&discord), as_told("ℹ️", "120 of 300", 1));
    handle_each(&notifier, &[backfill("3", FINISHED, 9, 300)]).await;
    assert_eq!(shown(&discord), as_told("✅", "300 of 300", 2));
}

#[tokio::test]
async fn a_notice_older_than_the_one_shown_changes_nothing() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    let late = [backfill("2", STARTED, 5, 120), backfill("1", STARTED, 0, 0)];
    handle_each(&notifier, &late).await;
    assert_eq!(shown(&discord), as_told("ℹ️", "120 of 300", 0));
}

#[tokio::test]
async fn nothing_comes_after_that_it_is_over() {
    let discord = discord();
    let notifier = notifier(&discord, Arc::new(InMind::default()));
    // the clock of the one that says so was behind
    handle_each(&notifier, &[backfill("3", FINISHED, 4, 300), backfill("2", STARTED, 5, 120)]).await;
    assert_eq!(shown(&discord), as_told("✅", "300 of 300", 0));
}

#[tokio::test]
async fn that_it_is_over_arrives_twice_and_changes_nothing() {
    let discord = discord();
    let memory = Arc::new(InMind::default());
    let notifier = notifier(&discord, memory.clone());
    let over = backfill("3", FINISHED, 9, 300);
    handle_each(&notifier, &[over.clone(), over.clone()]).await;
    // hours later, when the notice's own entry is gone
    memory.known.lock().unwrap().notices.clear();
    handle_each(&notifier, &[over]).await;
    assert_eq!(shown(&discord), as_told("✅", "300 of 300", 0));
}

#[tokio::test]
async fn what_an_earlier_version_remembered_is_edited_by_any_notice() {
    let discord = discord();
    let memory = Arc::new(InMind::default());
    let notifier = notifier(&discord, memory.clone());
    handle_each(&notifier, &[backfill("1", STARTED, 9, 5)]).await;
    let without_notice = |it: &mut Shown| it.notice = None;
    memory.known.lock().unwrap().cards.values_mut().for_each(without_notice);
    handle_each(&notifier, &[backfill("2", STARTED, 0, 120)]).await;
    assert_eq!(shown(&discord), as_told("ℹ️", "120 of 300", 1));
}

#[tokio::test]
async fn a_message_that_someone_deleted_is_posted_anew() {
    let discord = discord();
    let memory = Arc::new(InMind::default());
    let notifier = notifier(&discord, memory.clone());
    let gone = Shown { message_id: "999".into(), notice: None };
    memory.known.lock().unwrap().cards.insert("backfill:b1".into(), gone);
    handle_each(&notifier, &[backfill("1", STARTED, 0, 0), backfill("2", FINISHED, 9, 300)]).await;
    assert_eq!(shown(&discord), as_told("✅", "300 of 300", 1));
}

#[tokio::test]
async fn two_instances_at_once_leave_the_newer_notice_on_show() {
    let (older, newer) = (backfill("2", STARTED, 5, 120), backfill("3", FINISHED, 9, 300));
    for (own, others, is_before) in
        [(&older, &newer, true), (&older, &newer, false), (&newer, &older, true), (&newer, &older, false)]
    {
        let discord = discord();
        let memory = Arc::new(InMind::default());
        let mut one = notifier(&discord, memory.clone());
        handle_each(&one, &[backfill("1", STARTED, 0, 0)]).await;
        let other = notifier(&discord, memory.clone());
        let other = Mutex::new(Some((other, others.clone())));
        let again = Arc::default();
        one.channel = Arc::new(Meeting { channel: one.channel, other, is_before, again: Arc::clone(&again) });
        handle_each(&one, std::slice::from_ref(own)).await;
        assert!(again.lock().unwrap().is_empty());
        let (title, done, edits) = shown(&discord);
        assert_eq!((title.as_str(), done.as_str()), ("✅ Backfill of 300 tests finished", "300 of 300"));
        assert!(edits <= 3, "{edits} edits");
        let known = memory.known.lock().unwrap();
        assert!(known.cards["backfill:b1"].moment().unwrap().is_over);
    }
}

#[tokio::test]
async fn two_instances_at_the_first_notices_make_one_message_and_the_other_notice_comes_again() {
    for is_before in [true, false] {
        let discord = discord();
        let memory = Arc::new(InMind::default());
        let mut one = notifier(&discord, memory.clone());
        let (first, second) = (backfill("1", STARTED, 0, 0), backfill("2", STARTED, 1, 40));
        let again = Arc::default();
        let other = Mutex::new(Some((notifier(&discord, memory), second.clone())));
        one.channel = Arc::new(Meeting { channel: one.channel, other, is_before, again: Arc::clone(&again) });
        handle_each(&one, &[first]).await;
        assert_eq!(*again.lock().unwrap(), ["m-2"], "its turn is not yet");
        handle_each(&one, &[second]).await;
        assert_eq!(shown(&discord), as_told("ℹ️", "40 of 300", 1));
    }
}
