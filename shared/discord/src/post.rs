use quiz_events::Notice;
use serde_json::{Value, json};
use serenity::builder::{CreateAllowedMentions, CreateEmbed, ExecuteWebhook};

/// One Discord message.
#[derive(Clone, Debug)]
pub struct Post {
    pub embeds: Vec<CreateEmbed>,
    /// The pictures that the embeds show, by file name.
    pub pictures: Vec<Picture>,
    /// The ids of the notices that the message shows.
    pub notices: Vec<String>,
    /// The shown notice of a shared card: later notices of the card edit the message of the first.
    pub update: Option<Notice>,
}

/// A PNG image to attach.
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
    /// The request's JSON, the same for a webhook and for a bot.
    ///
    /// The pictures are separate form parts, `files[0]`, `files[1]`, …
    #[must_use]
    pub fn payload(&self) -> Value {
        let message =
            ExecuteWebhook::new().embeds(self.embeds.clone()).allowed_mentions(CreateAllowedMentions::new());
        let Ok(Value::Object(mut payload)) = serde_json::to_value(message) else { return Value::Null };
        // an edit accepts only these two
        payload.retain(|name, _| name == "embeds" || name == "allowed_mentions");
        let attachments = self.pictures.iter().enumerate();
        let attachments = attachments.map(|(id, picture)| json!({"id": id, "filename": picture.file_name}));
        payload.insert("attachments".to_owned(), attachments.collect());
        Value::Object(payload)
    }
}
