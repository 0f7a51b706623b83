use quiz_events::Notice;
use serde_json::{Value, json};
use serenity::builder::{CreateAllowedMentions, CreateEmbed, ExecuteWebhook};

/// One Discord message.
#[derive(Clone, Debug)]
pub struct Post {
    pub embeds: Vec<CreateEmbed>,
    /// What the embeds show, by name.
    pub pictures: Vec<Picture>,
    /// The ids of the notices that it tells.
    pub notices: Vec<String>,
    /// The notice that it shows, where several share a card: later ones edit the message of the first.
    pub update: Option<Notice>,
}

/// A PNG.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub file_name: String,
    pub png: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Picture({}, {} bytes)", self.file_name, self.png.len())
    }
}

impl Post {
    /// The request's JSON, the same for a webhook and for a bot. The pictures go beside it, as `files[0]`,
    /// `files[1]`, …
    #[must_use]
    pub fn payload(&self) -> Value {
        let message =
            ExecuteWebhook::new().embeds(self.embeds.clone()).allowed_mentions(CreateAllowedMentions::new());
        let Ok(Value::Object(mut payload)) = serde_json::to_value(message) else { return Value::Null };
        // what an edit takes too
        payload.retain(|name, _| name == "embeds" || name == "allowed_mentions");
        let attachments = self.pictures.iter().enumerate();
        let attachments = attachments.map(|(id, picture)| json!({"id": id, "filename": picture.file_name}));
        payload.insert("attachments".to_owned(), attachments.collect());
        Value::Object(payload)
    }
}
