//! The notices of an embedded run, as Discord would show them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use quiz_discord::{Post, compose};
use quiz_events::{Notice, NoticeMessage, Notices};
use serde_json::{Value, json};

/// Keeps the notices of all sinks.
#[derive(Debug, Default)]
pub struct KeptNotices(Mutex<Vec<Notice>>);

#[async_trait]
impl Notices for KeptNotices {
    async fn send(&self, notices: Vec<Notice>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(notices);
    }
}

impl KeptNotices {
    /// The Discord messages that the notices make, with the notices that each tells.
    pub fn messages(&self) -> Vec<Told> {
        let notices = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let messages: Vec<NoticeMessage> =
            notices.iter().map(|notice| NoticeMessage::Notice(Box::new(notice.clone()))).collect();
        let told = |post: Post| {
            let of_post = notices.iter().filter(|it| post.notices.contains(&it.id)).cloned().collect();
            Told { notices: of_post, post }
        };
        compose(&messages).into_iter().map(told).collect()
    }
}

/// A Discord message, and what it tells.
pub struct Told {
    notices: Vec<Notice>,
    pub post: Post,
}

/// Writes a line for each message to `notices.jsonl`, and their pictures into `notices/`. What lay there of an
/// earlier run is gone.
///
/// # Errors
/// Where it cannot be written.
pub fn write(out: &Path, messages: &[Told]) -> anyhow::Result<PathBuf> {
    let file = out.join("notices.jsonl");
    let folder = out.join("notices");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let mut lines = String::new();
    for (number, told) in messages.iter().enumerate() {
        let mut pictures: Vec<Value> = Vec::new();
        for picture in &told.post.pictures {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let path = folder.join(format!("{}-{}", number + 1, picture.file_name));
            fs::write(&path, &picture.png).with_context(|| format!("cannot write {}", path.display()))?;
            pictures.push(json!(path.strip_prefix(out).unwrap_or(&path)));
        }
        let line = json!({"notices": told.notices, "message": told.post.payload(), "pictures": pictures});
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    fs::write(&file, lines).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
