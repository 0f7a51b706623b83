//! The client against a stub that holds every request to Discord's OpenAPI document and limits.

use std::sync::Arc;
use std::time::Duration;

use quiz_discord::{DiscordClient, DiscordError, Post, Target, compose};
use quiz_events::{NoticeKind, NoticeMessage, Sink};
use quiz_stack::{Discord, DiscordRules, Fault};
use tokio::time::Instant;

use crate::common::{all_kinds, backfill, finished, told};

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn webhook(discord: &Discord) -> DiscordClient {
    DiscordClient::new(&Target::Webhook(discord.webhook_url()), Some(discord.url())).unwrap()
}

fn bot(discord: &Discord) -> DiscordClient {
    let (token, channel_id) = (discord.bot_token().to_owned(), discord.channel_id().to_owned());
    DiscordClient::new(&Target::Bot { token, channel_id }, Some(discord.url())).unwrap()
}

fn one() -> Post {
    compose(&[told("1", NoticeKind::SyncFinished(finished(Sink::Reports, "s")))]).remove(0)
}

#[tokio::test]
async fn every_kind_is_valid_by_webhook_and_by_bot() {
    for by in [webhook, bot] {
        let discord = Discord::start(DiscordRules::default()).unwrap();
        let client = by(&discord);
        let posts = compose(&all_kinds());
        for post in &posts {
            client.post(post, None, soon()).await.unwrap();
        }
        assert_eq!(discord.violations(), Vec::<String>::new());
        assert_eq!(discord.messages().len(), posts.len());
        let pictures: usize = discord.messages().iter().map(|it| it.attachments.len()).sum();
        assert_eq!(pictures, 2);
    }
}

#[tokio::test]
async fn a_backfill_s_message_is_edited() {
    for by in [webhook, bot] {
        let discord = Discord::start(DiscordRules::default()).unwrap();
        let client = by(&discord);
        let mut message_id: Option<String> = None;
        for kind in
            [NoticeKind::BackfillStarted(backfill(1, 0)), NoticeKind::BackfillFinished(backfill(300, 0))]
        {
            let post = compose(&[told("1", kind)]).remove(0);
            message_id = Some(client.post(&post, message_id.as_deref(), soon()).await.unwrap());
        }
        let messages = discord.messages();
        assert_eq!((messages.len(), messages[0].edits), (1, 1));
        assert!(messages[0].payload.to_string().contains("Backfill of 300 tests finished"));
        assert_eq!(discord.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_burst_of_500_notices_is_told_and_no_429_is_ignored() {
    let rules = DiscordRules { per_window: 2, window: Duration::from_millis(300), ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let client = webhook(&discord);
    let mut posts = Vec::new();
    for batch in 0..10 {
        let notices: Vec<NoticeMessage> = (0..50)
            .map(|at| {
                told(
                    &format!("{batch}-{at}"),
                    NoticeKind::SyncFinished(finished(Sink::Reports, &format!("{batch}-{at}"))),
                )
            })
            .collect();
        posts.extend(compose(&notices));
    }
    for post in &posts {
        client.post(post, None, soon()).await.unwrap();
    }
    assert_eq!(discord.violations(), Vec::<String>::new());
    assert_eq!(discord.messages().len(), posts.len());
    let text: String = discord.messages().iter().map(|it| it.payload.to_string()).collect();
    let all = (0..10).flat_map(|batch| (0..50).map(move |at| format!("{batch}\\\\-{at}")));
    assert!(all.into_iter().all(|name| text.contains(&name)));
    assert_eq!(posts.len(), 10, "500 tests in ten batches");
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_left_to_the_queue() {
    let rules = DiscordRules { per_window: 1, window: Duration::from_secs(30), ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let client = webhook(&discord);
    client.post(&one(), None, soon()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    let error = client.post(&one(), None, deadline).await.unwrap_err();
    let DiscordError::Busy { retry_after } = error else { panic!("{error}") };
    assert!(retry_after > Duration::from_secs(20), "{retry_after:?}");
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn outages_and_pages_may_pass_and_dead_tokens_do_not() {
    let fault = |fault: Fault| {
        let script = move |_: &quiz_stack::SeenRequest, _| Some(fault);
        Discord::start(DiscordRules { script: Some(Arc::new(script)), ..DiscordRules::default() }).unwrap()
    };
    for (fault_of, code, retryable) in [
        (Fault::Status(503), "discord_failed", true),
        (Fault::Html(502), "discord_failed", true),
        (Fault::Html(200), "discord_unreachable", true),
        (Fault::Cut, "discord_unreachable", true),
        (Fault::Status(401), "discord_token_dead", false),
        (Fault::Status(403), "discord_unreachable", true),
        (Fault::Status(404), "discord_unreachable", true),
        (Fault::Html(403), "discord_unreachable", true),
    ] {
        let discord = fault(fault_of);
        let error = webhook(&discord).post(&one(), None, soon()).await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{error}");
        let token = discord.webhook_url().rsplit('/').next().unwrap().to_owned();
        assert!(!error.to_string().contains(&token), "{error}");
    }
}

#[tokio::test]
async fn thread_of_a_webhook_gets_posts_and_edits() {
    let discord = Discord::start(DiscordRules::default()).unwrap();
    let url = format!("{}?thread_id=4711", discord.webhook_url());
    let client = DiscordClient::new(&Target::Webhook(url), Some(discord.url())).unwrap();
    let id = client.post(&one(), None, soon()).await.unwrap();
    client.post(&one(), Some(&id), soon()).await.unwrap();
    let requests = discord.requests();
    assert!(requests.iter().all(|request| request.path.contains("thread_id=4711")), "{requests:?}");
    assert_eq!((requests.len(), discord.violations()), (2, Vec::<String>::new()));
}

/// A proxy that refuses without a time must not be asked without end: Discord bans who does that.
#[tokio::test]
async fn refusal_without_a_time_is_left_to_the_queue() {
    let script = |_: &quiz_stack::SeenRequest, _| Some(Fault::Html(429));
    let rules = DiscordRules { script: Some(Arc::new(script)), ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let error = webhook(&discord).post(&one(), None, soon()).await.unwrap_err();
    assert_eq!(error, DiscordError::Busy { retry_after: Duration::from_mins(1) });
    assert_eq!(discord.requests().len(), 3);
}

#[tokio::test]
async fn a_target_that_is_none_is_told_and_not_shown() {
    for url in
        ["hunter2", "https://discord.com/api/webhooks/0/hunter2", "https://discord.com/api/webhooks/12"]
    {
        let error = DiscordClient::new(&Target::Webhook(url.to_owned()), None).err().unwrap();
        let error = error.to_string();
        assert!(error.contains("not like https://discord.com/api/webhooks/ID/TOKEN"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
