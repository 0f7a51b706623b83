//! The notices of a local run, composed into the messages that Discord would get.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use quiz_discord::{Post, compose};
use quiz_events::{Notice, NoticeMessage, Notices};
use serde_json::{Value, json};

/// Collects the notices of all sinks.
#[derive(Debug, Default)]
pub struct CollectedNotices(Mutex<Vec<Notice>>);

#[async_trait]
impl Notices for CollectedNotices {
    async fn send(&self, notices: Vec<Notice>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(notices);
    }
}

impl CollectedNotices {
    /// Composes the notices into Discord messages.
    pub fn messages(&self) -> Vec<ComposedMessage> {
        let notices = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let messages: Vec<NoticeMessage> =
            notices.iter().map(|notice| NoticeMessage::Notice(Box::new(notice.clone()))).collect();
        let with_notices = |post: Post| {
            let shown = notices.iter().filter(|notice| post.notices.contains(&notice.id));
            ComposedMessage { notices: shown.cloned().collect(), post }
        };
        compose(&messages).into_iter().map(with_notices).collect()
    }
}

/// A Discord message and the notices that it shows.
pub struct ComposedMessage {
    notices: Vec<Notice>,
    pub post: Post,
}

/// Writes each message as a line of `notices.jsonl`, and its pictures into `notices/`. Replaces those of an earlier run.
///
/// # Errors
/// A file or folder that cannot be written.
pub fn write(out: &Path, messages: &[ComposedMessage]) -> anyhow::Result<PathBuf> {
    let file = out.join("notices.jsonl");
    let folder = out.join("notices");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let mut lines = String::new();
    for (number, message) in messages.iter().enumerate() {
        let mut pictures: Vec<Value> = Vec::new();
        for picture in &message.post.pictures {
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
            let path = folder.join(format!("{}-{}", number + 1, picture.file_name));
            fs::write(&path, &picture.png).with_context(|| format!("cannot write {}", path.display()))?;
            pictures.push(json!(path.strip_prefix(out).unwrap_or(&path)));
        }
        let line =
            json!({"notices": message.notices, "message": message.post.payload(), "pictures": pictures});
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    fs::write(&file, lines).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
