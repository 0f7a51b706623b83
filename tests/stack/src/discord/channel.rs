use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::body::{File, Sent};
use super::problem::Problem;
use super::routes::{BOT_ID, CHANNEL_ID, WEBHOOK_ID};
use super::{DiscordAttachment, DiscordMessage};

const FIRST_ID: u64 = 1_300_000_000_000_000_000;

/// The stub's only channel.
#[derive(Default)]
pub struct Channel {
    posts: Vec<Post>,
    ids: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    Webhook,
    Bot,
}

/// A message in the channel, or the draft of one.
#[derive(Clone)]
pub struct Post {
    pub message: DiscordMessage,
    author: Author,
    posted: Timestamp,
    edited: Option<Timestamp>,
}

impl Channel {
    pub fn messages(&self) -> Vec<DiscordMessage> {
        self.posts.iter().map(|post| post.message.clone()).collect()
    }

    pub fn find(&self, id: &str, author: Author) -> Option<&Post> {
        self.posts.iter().find(|post| post.message.id == id && post.author == author)
    }

    /// Drafts the new or edited message of a request, with the problems of its attachments. [`Self::put`] adds the draft
    /// to the channel.
    pub fn draft(&mut self, edited: Option<Post>, author: Author, sent: Sent) -> (Post, Vec<Problem>) {
        let mut post = match edited {
            Some(mut post) => {
                post.edited = Some(Timestamp::now());
                post.message.edits += 1;
                post
            }
            None => self.fresh(author),
        };
        let mut problems = Vec::new();
        let kept = std::mem::take(&mut post.message.attachments);
        post.message.attachments = self.attachments(kept, &sent.payload, sent.files, &mut problems);
        if let (Value::Object(old), Value::Object(new)) = (&mut post.message.payload, sent.payload) {
            old.extend(new);
        }
        (post, problems)
    }

    pub fn put(&mut self, post: Post) {
        match self.posts.iter_mut().find(|old| old.message.id == post.message.id) {
            Some(old) => *old = post,
            None => self.posts.push(post),
        }
    }

    fn fresh(&mut self, author: Author) -> Post {
        let message =
            DiscordMessage { id: self.next_id(), payload: json!({}), attachments: Vec::new(), edits: 0 };
        Post { message, author, posted: Timestamp::now(), edited: None }
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        (FIRST_ID + self.ids).to_string()
    }

    /// The attachments of a message: without a list in the payload all old and new files, else exactly the listed files.
    fn attachments(
        &mut self,
        mut kept: Vec<DiscordAttachment>,
        payload: &Value,
        mut files: Vec<File>,
        problems: &mut Vec<Problem>,
    ) -> Vec<DiscordAttachment> {
        let listed = payload.get("attachments").and_then(Value::as_array);
        let mut all = Vec::new();
        for (index, entry) in listed.into_iter().flatten().enumerate() {
            let id = match entry.get("id") {
                Some(Value::String(id)) => id.clone(),
                id => id.map(ToString::to_string).unwrap_or_default(),
            };
            if let Some(place) = files.iter().position(|file| file.id == id) {
                let mut file = files.remove(place);
                if let Some(name) = entry.get("filename").and_then(Value::as_str) {
                    file.filename = Some(name.to_owned());
                }
                all.push(self.attachment(file, problems));
            } else if let Some(place) = kept.iter().position(|attachment| attachment.id == id) {
                all.push(kept.remove(place));
            } else {
                problems.push(Problem::new(
                    format!("/attachments/{index}/id"),
                    format!("is {id}, which is no file"),
                ));
            }
        }
        if listed.is_none() {
            all = kept;
            all.extend(files.into_iter().map(|file| self.attachment(file, problems)));
        } else {
            let unlisted = files.iter().map(|file| format!("does not list files[{}]", file.id));
            problems.extend(unlisted.map(|text| Problem::new("/attachments", text)));
        }
        all
    }

    fn attachment(&mut self, file: File, problems: &mut Vec<Problem>) -> DiscordAttachment {
        let filename = file.filename.unwrap_or_default();
        if filename.is_empty() {
            problems.push(Problem::new("", format!("has files[{}] without a file name", file.id)));
        }
        let File { content_type, bytes, .. } = file;
        DiscordAttachment { id: self.next_id(), filename, content_type, bytes }
    }
}

impl Post {
    /// The message object of Discord's answers.
    pub fn to_json(&self) -> Value {
        let payload = &self.message.payload;
        let (author, name) = match self.author {
            Author::Webhook => {
                (WEBHOOK_ID, payload.get("username").and_then(Value::as_str).unwrap_or("stub"))
            }
            Author::Bot => (BOT_ID, "stub"),
        };
        let embeds = payload.get("embeds").and_then(Value::as_array).into_iter().flatten();
        let mut message = json!({
            "type": 0, "id": self.message.id, "channel_id": CHANNEL_ID,
            "content": payload.get("content").and_then(Value::as_str).unwrap_or_default(),
            "author": {
                "id": author, "username": name, "discriminator": "0000", "avatar": null, "global_name": null,
                "bot": true, "public_flags": 0, "flags": 0, "primary_guild": null,
            },
            "embeds": embeds.map(embed).collect::<Vec<_>>(),
            "attachments": self.message.attachments.iter().map(attachment).collect::<Vec<_>>(),
            "timestamp": self.posted.to_string(),
            "edited_timestamp": self.edited.map(|at| at.to_string()),
            "mentions": [], "mention_roles": [], "mention_everyone": false, "components": [],
            "pinned": false, "tts": false, "flags": 0,
        });
        if let (Author::Webhook, Some(message)) = (self.author, message.as_object_mut()) {
            message.insert("webhook_id".to_owned(), Value::from(WEBHOOK_ID));
        }
        message
    }
}

fn embed(sent: &Value) -> Value {
    let given = sent.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let mut embed: Map<String, Value> = given.map(|(key, value)| (key.clone(), value.clone())).collect();
    embed.insert("type".to_owned(), Value::from("rich"));
    Value::Object(embed)
}

fn attachment(attachment: &DiscordAttachment) -> Value {
    let DiscordAttachment { id, filename, content_type, bytes } = attachment;
    let url = format!("https://cdn.discordapp.com/attachments/{CHANNEL_ID}/{id}/{filename}");
    let mut described = json!({
        "id": id, "filename": filename, "size": bytes.len(), "url": url, "proxy_url": url,
    });
    if let (Some(content_type), Some(members)) = (content_type, described.as_object_mut()) {
        members.insert("content_type".to_owned(), Value::from(content_type.as_str()));
    }
    described
}
