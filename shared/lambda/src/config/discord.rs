use quiz_discord::{DiscordError, Target};

use crate::{ConfigError, Environment, Secret, SecretSource};

/// The configuration of `notify-discord`.
#[derive(Debug)]
pub struct DiscordConfig {
    pub discord: DiscordSource,
    /// The URL of a stub of Discord, for tests.
    pub endpoint: Option<String>,
    /// The table that remembers what was posted.
    pub memory_table: String,
}

/// The credentials that Discord messages are posted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscordSource {
    /// The secret is the webhook's URL.
    Webhook(SecretSource),
    /// The secret is the bot's token.
    Bot { token: SecretSource, channel_id: String },
}

impl DiscordSource {
    /// The secret of the webhook or the bot.
    #[must_use]
    pub fn secret(&self) -> &SecretSource {
        match self {
            Self::Webhook(secret) | Self::Bot { token: secret, .. } => secret,
        }
    }

    /// The target of messages, made from the text of the secret.
    ///
    /// # Errors
    /// [`DiscordError::Target`] if the secret holds more than its text.
    pub fn target(&self, secret: &Secret) -> Result<Target, DiscordError> {
        let text = secret.plain().map_err(|wrong| DiscordError::Target(wrong.to_string()))?.to_owned();
        Ok(match self {
            Self::Webhook(_) => Target::Webhook(text),
            Self::Bot { channel_id, .. } => Target::Bot { token: text, channel_id: channel_id.clone() },
        })
    }
}

impl DiscordConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with all missing and wrong variables.
    pub fn read(mut env: Environment) -> Result<Self, ConfigError> {
        let discord = discord(&mut env);
        let config = Self {
            discord,
            endpoint: env.optional("DISCORD_ENDPOINT"),
            memory_table: env.or("NOTICE_MEMORY_TABLE", "quiz_notice_memory"),
        };
        env.finish(config)
    }
}

fn discord(env: &mut Environment) -> DiscordSource {
    let webhook = env.optional("DISCORD_WEBHOOK_URL_SECRET_ID");
    let token = env.optional("DISCORD_TOKEN_SECRET_ID");
    let channel = env.optional("DISCORD_CHANNEL_ID");
    match (webhook, token, channel) {
        (Some(id), None, _) => return DiscordSource::Webhook(SecretSource::ById(id)),
        (None, Some(id), Some(channel_id)) => {
            return DiscordSource::Bot { token: SecretSource::ById(id), channel_id };
        }
        (None, Some(_), None) => {
            env.problem("DISCORD_CHANNEL_ID must be set with DISCORD_TOKEN_SECRET_ID".to_owned());
        }
        (Some(_), Some(_), _) => env.problem(
            "DISCORD_WEBHOOK_URL_SECRET_ID and DISCORD_TOKEN_SECRET_ID are both set: set one of them"
                .to_owned(),
        ),
        (None, None, _) => env.problem(
            "DISCORD_WEBHOOK_URL_SECRET_ID, or DISCORD_TOKEN_SECRET_ID with DISCORD_CHANNEL_ID, must be set"
                .to_owned(),
        ),
    }
    DiscordSource::Webhook(SecretSource::ById(String::new()))
}

#[cfg(test)]
mod tests {
    use super::{DiscordConfig, DiscordSource};
    use crate::{Environment, Secret, SecretSource};

    #[test]
    fn webhook_stored_as_json_names_the_mistake() {
        let webhook = DiscordSource::Webhook(SecretSource::ById("w".into()));
        let stored = Secret::new(r#"{"url": "https://discord.com/api/webhooks/1/hunter2"}"#.into());
        let error = webhook.target(&stored).err().unwrap().to_string();
        assert!(error.contains("the secret is JSON") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn webhook_or_bot_with_channel_is_required() {
        let read = |env| {
            let config = DiscordConfig::read(env);
            config.map(|config| config.discord).map_err(|error| error.problems.join("; "))
        };
        let webhook = read(Environment::from_variables([("DISCORD_WEBHOOK_URL_SECRET_ID", "w")])).unwrap();
        assert_eq!(webhook, DiscordSource::Webhook(SecretSource::ById("w".into())));
        let token = ("DISCORD_TOKEN_SECRET_ID", "t");
        let bot = read(Environment::from_variables([token, ("DISCORD_CHANNEL_ID", "1")])).unwrap();
        assert_eq!(bot, DiscordSource::Bot { token: SecretSource::ById("t".into()), channel_id: "1".into() });
        assert!(
            read(Environment::from_variables([token]))
                .unwrap_err()
                .contains("DISCORD_CHANNEL_ID must be set")
        );
        assert!(
            read(Environment::from_variables([token, ("DISCORD_WEBHOOK_URL_SECRET_ID", "w")]))
                .unwrap_err()
                .contains("both")
        );
        assert!(read(Environment::from_variables([])).unwrap_err().contains("must be set"));
    }
}
