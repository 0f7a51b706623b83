use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use quiz_sample::large::LargeAssessment;

/// The number of questions of a real large quiz.
const QUESTIONS: u32 = 105;

/// A mongodump folder of one large test session, below cargo's target directory.
#[derive(Debug)]
pub struct Dump {
    folder: PathBuf,
    /// The size of the collection `sessions` in bytes.
    pub bytes: u64,
    /// Whether an earlier run had written the dump.
    pub existed: bool,
}

impl Dump {
    /// The dump of `students` students, written if it does not exist.
    ///
    /// # Errors
    /// If the dump cannot be written.
    pub fn open(students: u32) -> Result<Self> {
        let folder = target().join("dumps").join(students.to_string());
        let existed = folder.is_dir();
        if !existed {
            // renamed when it is complete
            let unfinished = folder.with_extension("unfinished");
            LargeAssessment { students, questions: QUESTIONS, seed: 1 }.write(&unfinished)?;
            fs::rename(&unfinished, &folder)
                .with_context(|| format!("cannot rename the dump to {}", folder.display()))?;
        }
        let sessions = folder.join("sessions.bson");
        let bytes = fs::metadata(&sessions).with_context(|| format!("{} is missing", sessions.display()))?;
        ensure!(bytes.len() > 0, "{} is empty", sessions.display());
        Ok(Self { folder, bytes: bytes.len(), existed })
    }

    /// The folder with the BSON files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the dump.
    ///
    /// # Errors
    /// If the folder cannot be removed.
    pub fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}
