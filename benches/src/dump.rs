use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use quiz_sample::large::LargeAssessment;

/// Questions of a real large test.
const QUESTIONS: u32 = 105;

/// A mongodump folder of one large test, below cargo's target directory.
#[derive(Debug)]
pub struct Dump {
    folder: PathBuf,
    /// Of the session documents.
    pub bytes: u64,
    /// Whether it was there before.
    pub was_there: bool,
}

impl Dump {
    /// The dump of so many students, made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn of(students: u32) -> Result<Self> {
        let folder = target().join("dumps").join(students.to_string());
        let was_there = folder.is_dir();
        if !was_there {
            // a name of its own until it is whole
            let unfinished = folder.with_extension("unfinished");
            LargeAssessment { students, questions: QUESTIONS, seed: 1 }.write(&unfinished)?;
            fs::rename(&unfinished, &folder).with_context(|| format!("cannot name {}", folder.display()))?;
        }
        let sessions = folder.join("sessions.bson");
        let bytes = fs::metadata(&sessions).with_context(|| format!("{} is missing", sessions.display()))?;
        ensure!(bytes.len() > 0, "{} is empty", sessions.display());
        Ok(Self { folder, bytes: bytes.len(), was_there })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}
