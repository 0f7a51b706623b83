use serenity::builder::{CreateEmbed, CreateEmbedFooter};

use crate::limits::{DESCRIPTION, FIELD_NAME, FIELD_VALUE, FIELDS, MESSAGE, TITLE};
use crate::post::Picture;
use crate::senders::Senders;
use crate::text::{length, shorten};

/// How urgent a card is; its colours are those of Discord's palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Success,
    /// Done, but a person should look at it.
    Warning,
    Failure,
    Info,
}

impl Severity {
    fn colour(self) -> u32 {
        match self {
            Self::Success => 0x0057_f287,
            Self::Warning => 0x00fe_e75c,
            Self::Failure => 0x00ed_4245,
            Self::Info => 0x0058_65f2,
        }
    }

    /// A sign for readers who do not see colours.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Success => "✅",
            Self::Warning => "⚠️",
            Self::Failure => "❌",
            Self::Info => "ℹ️",
        }
    }
}

/// The content of one embed. All texts are our own or escaped.
#[derive(Clone, Debug)]
pub struct Card {
    pub severity: Severity,
    pub title: String,
    pub description: String,
    /// Name, value, and whether the field shares its line with others.
    pub fields: Vec<(String, String, bool)>,
    pub picture: Option<Picture>,
    /// The ids of the notices that the card shows.
    pub notices: Vec<String>,
    pub senders: Senders,
}

impl Card {
    /// Shortens long texts and drops fields, so that the card alone is a valid message.
    pub fn fitted(mut self) -> Self {
        self.title = shorten(&format!("{} {}", self.severity.sign(), self.title), TITLE);
        self.description = shorten(&self.description, DESCRIPTION.min(MESSAGE / 2));
        self.fields.truncate(FIELDS);
        let mut left = MESSAGE - self.size_without_fields();
        let mut kept = Vec::new();
        for (name, value, inline) in self.fields {
            let name = shorten(&name, FIELD_NAME);
            let room = left.saturating_sub(length(&name)).min(FIELD_VALUE);
            if room < 20 {
                break;
            }
            let value = shorten(if value.is_empty() { "–" } else { &value }, room);
            left -= length(&name) + length(&value);
            kept.push((name, value, inline));
        }
        self.fields = kept;
        self
    }

    /// The characters that count towards a message's limit.
    pub fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value, _)| length(name) + length(value));
        self.size_without_fields() + fields.sum::<usize>()
    }

    fn size_without_fields(&self) -> usize {
        let footer = self.senders.footer().map_or(0, |footer| length(&footer));
        length(&self.title) + length(&self.description) + footer
    }

    pub fn embed(&self) -> CreateEmbed {
        let mut embed = CreateEmbed::new().title(&self.title).colour(self.severity.colour());
        if !self.description.is_empty() {
            embed = embed.description(&self.description);
        }
        for (name, value, inline) in &self.fields {
            embed = embed.field(name, value, *inline);
        }
        if let Some(footer) = self.senders.footer() {
            embed = embed.footer(CreateEmbedFooter::new(footer));
        }
        match &self.picture {
            Some(picture) => embed.attachment(&picture.file_name),
            None => embed,
        }
    }
}
