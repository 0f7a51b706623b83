//! Checks the webhook or the bot, and the channel, without posting.

use quiz_discord::{ChannelFacts, ChannelKind, DiscordClient, DiscordError};
use quiz_lambda::Secret;
use quiz_lambda::config::DiscordSource;

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};

/// Reads the webhook, or the bot and its channel.
pub async fn check(
    config: &quiz_lambda::config::DiscordConfig,
    secret: &Secret,
    timeout: CallTimeout,
) -> Vec<Check> {
    let check = |name: &str, finding| Group::Discord.check(name, finding);
    let name = match &config.discord {
        DiscordSource::Webhook(_) => "webhook",
        DiscordSource::Bot { .. } => "bot",
    };
    let target = config.discord.target(secret);
    let client = match target.and_then(|target| DiscordClient::new(&target, config.endpoint.as_deref())) {
        Ok(client) => client,
        Err(error) => return vec![check(name, judge_refusal(name, &error))],
    };
    let poster = timeout.limit(client.poster(), DiscordError::Unreachable).await;
    let mut checks = match &poster {
        Ok(facts) => {
            let channel = facts.channel_id.as_ref();
            let posts = channel.map_or_else(String::new, |id| format!(", which posts to the channel {id}"));
            vec![check(name, Finding::good(format!("{}{posts}", facts.name)))]
        }
        Err(error) => vec![check(name, judge_refusal(name, error))],
    };
    if name == "bot" {
        let finding = if poster.is_ok() {
            judge_channel(&timeout.limit(client.channel(), DiscordError::Unreachable).await)
        } else {
            Finding::skipped("Discord does not accept the bot's token")
        };
        checks.push(check("channel", finding));
    }
    checks
}

fn judge_refusal(name: &str, error: &DiscordError) -> Finding {
    match error {
        DiscordError::Dead { status, said, .. } => Finding::bad(
            format!("Discord answered {status}: {said}"),
            match name {
                "webhook" => {
                    "create a webhook (channel settings, Integrations), and store its URL in the secret that \
                     DISCORD_WEBHOOK_URL_SECRET_ID names"
                }
                _ => {
                    "create a token (discord.com/developers, Bot), and store it in the secret that \
                     DISCORD_TOKEN_SECRET_ID names"
                }
            },
        ),
        DiscordError::Target(wrong) => Finding::bad(
            wrong,
            "store a webhook URL (https://discord.com/api/webhooks/…) in the secret, or correct DISCORD_CHANNEL_ID",
        ),
        DiscordError::Busy { retry_after } => {
            let found = format!("Discord limits the rate for {} s", retry_after.as_secs());
            Finding::warning(found, "wait, then run this again")
        }
        DiscordError::Blocked { .. } => Finding::bad(
            error.to_string(),
            "the webhook or token may be valid: check the network, a proxy and DISCORD_ENDPOINT, then run this again",
        ),
        other => Finding::bad(
            other.to_string(),
            "check the network and DISCORD_ENDPOINT, and https://discordstatus.com",
        ),
    }
}

fn judge_channel(channel: &Result<Option<ChannelFacts>, DiscordError>) -> Finding {
    match channel {
        Ok(Some(ChannelFacts { name, kind: ChannelKind::Channels })) => Finding::bad(
            format!("{name} is a category, which accepts no messages"),
            "set DISCORD_CHANNEL_ID to a text channel's id",
        ),
        Ok(Some(ChannelFacts { name, kind: ChannelKind::Threads })) => Finding::bad(
            format!("{name} is a forum, which accepts messages only in its threads"),
            "set DISCORD_CHANNEL_ID to the id of one of its threads, or of a text channel",
        ),
        Ok(facts) => {
            Finding::good(facts.as_ref().map_or_else(String::new, |channel| format!("#{}", channel.name)))
        }
        Err(DiscordError::Dead { status, said, .. }) => Finding::bad(
            format!("Discord answered {status}: {said}"),
            "correct DISCORD_CHANNEL_ID, and allow the bot to view the channel, send messages, embed links and attach files",
        ),
        Err(error) => judge_refusal("channel", error),
    }
}

#[cfg(test)]
mod tests {
    //! Checks the webhook or the bot, and the channel, without posting.

    use quiz_discord::{ChannelFacts, ChannelKind, DiscordError};

    use super::{judge_channel, judge_refusal};
    use crate::doctor::check::Status;

    #[test]
    fn dead_webhook_needs_a_new_one() {
        let dead = DiscordError::Dead { status: 401, code: 50_027, said: "Invalid Webhook Token".into() };
        let found = judge_refusal("webhook", &dead);
        assert_eq!(found.found, "Discord answered 401: Invalid Webhook Token");
        assert!(found.fix.unwrap().contains("DISCORD_WEBHOOK_URL_SECRET_ID"));
        let blocked = DiscordError::Blocked { status: 403, said: "internal network error".into() };
        assert!(judge_refusal("webhook", &blocked).fix.unwrap().contains("may be valid"));
        let busy = DiscordError::Busy { retry_after: std::time::Duration::from_secs(2) };
        assert_eq!(judge_refusal("webhook", &busy).status, Status::Warning);
    }

    #[test]
    fn channel_must_accept_messages_from_bot() {
        let channel = |kind| Ok(Some(ChannelFacts { name: "ops".into(), kind }));
        assert_eq!(judge_channel(&channel(ChannelKind::Messages)).found, "#ops");
        assert_eq!(judge_channel(&channel(ChannelKind::Channels)).status, Status::Bad);
        let forum = judge_channel(&channel(ChannelKind::Threads));
        assert!(forum.found.contains("forum") && forum.fix.unwrap().contains("threads"));
        let hidden = DiscordError::Dead { status: 403, code: 50_001, said: "Missing Access".into() };
        assert!(judge_channel(&Err(hidden)).fix.unwrap().contains("allow the bot to view the channel"));
    }
}
