//! The client against a stub that checks each request by Discord's OpenAPI document and limits.

use std::sync::Arc;
use std::time::Duration;

use quiz_discord::{DiscordClient, DiscordError, Post, Target, compose};
use quiz_events::{NoticeKind, NoticeMessage, Sink};
use quiz_stack::{Discord, DiscordRules, Fault};
use tokio::time::Instant;

use crate::common::{all_kinds, backfill, finished, notice};

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

fn one_post() -> Post {
    compose(&[notice("1", NoticeKind::SyncFinished(finished(Sink::Reports, "s")))]).remove(0)
}

#[tokio::test]
async fn webhook_and_bot_post_valid_messages() {
    for connect in [webhook, bot] {
        let discord = Discord::start(DiscordRules::default()).unwrap();
        let client = connect(&discord);
        let posts = compose(&all_kinds());
        for post in &posts {
            client.post(post, None, soon()).await.unwrap();
        }
        assert_eq!(discord.violations(), Vec::<String>::new());
        assert_eq!(discord.messages().len(), posts.len());
        let pictures: usize = discord.messages().iter().map(|message| message.attachments.len()).sum();
        assert_eq!(pictures, 2);
    }
}

#[tokio::test]
async fn backfill_edits_its_message() {
    for connect in [webhook, bot] {
        let discord = Discord::start(DiscordRules::default()).unwrap();
        let client = connect(&discord);
        let mut message_id: Option<String> = None;
        for kind in
            [NoticeKind::BackfillStarted(backfill(1, 0)), NoticeKind::BackfillFinished(backfill(300, 0))]
        {
            let post = compose(&[notice("1", kind)]).remove(0);
            message_id = Some(client.post(&post, message_id.as_deref(), soon()).await.unwrap());
        }
        let messages = discord.messages();
        assert_eq!((messages.len(), messages[0].edits), (1, 1));
        assert!(messages[0].payload.to_string().contains("Backfill of 300 test sessions finished"));
        assert_eq!(discord.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn burst_of_500_notices_respects_rate_limits() {
    let rules = DiscordRules { per_window: 2, window: Duration::from_millis(300), ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let client = webhook(&discord);
    let mut posts = Vec::new();
    for batch in 0..10 {
        let notices: Vec<NoticeMessage> = (0..50)
            .map(|at| {
                notice(
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
    let text: String = discord.messages().iter().map(|message| message.payload.to_string()).collect();
    let all = (0..10).flat_map(|batch| (0..50).map(move |at| format!("{batch}\\\\-{at}")));
    assert!(all.into_iter().all(|name| text.contains(&name)));
    assert_eq!(posts.len(), 10, "500 test sessions in ten batches");
}

#[tokio::test]
async fn long_wait_is_left_to_the_queue() {
    let rules = DiscordRules { per_window: 1, window: Duration::from_secs(30), ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let client = webhook(&discord);
    client.post(&one_post(), None, soon()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    let error = client.post(&one_post(), None, deadline).await.unwrap_err();
    let DiscordError::Busy { retry_after } = error else { panic!("{error}") };
    assert!(retry_after > Duration::from_secs(20), "{retry_after:?}");
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn only_dead_tokens_are_not_retryable() {
    let answer_with = |fault: Fault| {
        let script = move |_: &quiz_stack::SeenRequest, _| Some(fault);
        Discord::start(DiscordRules { script: Some(Arc::new(script)), ..DiscordRules::default() }).unwrap()
    };
    for (fault, code, retryable) in [
        (Fault::Status(503), "discord_failed", true),
        (Fault::Html(502), "discord_failed", true),
        (Fault::Html(200), "discord_unreachable", true),
        (Fault::Cut, "discord_unreachable", true),
        (Fault::Status(401), "discord_token_dead", false),
        (Fault::Status(403), "discord_unreachable", true),
        (Fault::Status(404), "discord_unreachable", true),
        (Fault::Html(403), "discord_unreachable", true),
    ] {
        let discord = answer_with(fault);
        let error = webhook(&discord).post(&one_post(), None, soon()).await.unwrap_err();
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
    let id = client.post(&one_post(), None, soon()).await.unwrap();
    client.post(&one_post(), Some(&id), soon()).await.unwrap();
    let requests = discord.requests();
    assert!(requests.iter().all(|request| request.path.contains("thread_id=4711")), "{requests:?}");
    assert_eq!((requests.len(), discord.violations()), (2, Vec::<String>::new()));
}

/// A proxy may refuse without a wait. Discord bans clients that send refused requests without end.
#[tokio::test]
async fn untimed_refusal_is_left_to_the_queue() {
    let script = |_: &quiz_stack::SeenRequest, _| Some(Fault::Html(429));
    let rules = DiscordRules { script: Some(Arc::new(script)), ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let error = webhook(&discord).post(&one_post(), None, soon()).await.unwrap_err();
    assert_eq!(error, DiscordError::Busy { retry_after: Duration::from_mins(1) });
    assert_eq!(discord.requests().len(), 3);
}

#[tokio::test]
async fn malformed_webhook_is_refused_without_its_token() {
    for url in
        ["hunter2", "https://discord.com/api/webhooks/0/hunter2", "https://discord.com/api/webhooks/12"]
    {
        let error = DiscordClient::new(&Target::Webhook(url.to_owned()), None).err().unwrap();
        let error = error.to_string();
        assert!(error.contains("not like https://discord.com/api/webhooks/ID/TOKEN"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
