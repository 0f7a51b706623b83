use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::collection::Collection;
use super::error::DumpError;

/// Where a dump's collections lie.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub quizzes: Arc<Collection>,
    /// Absent where the questions were not dumped: then only those within quizzes are known.
    pub questions: Option<Arc<Collection>>,
    pub sessions: Arc<Collection>,
}

impl Files {
    /// Looks into the folder, and one level below, as `mongodump` makes a folder for each database.
    pub fn find(folder: &Path) -> Result<Self, DumpError> {
        if !folder.exists() {
            return Err(DumpError::NoFolder(folder.to_owned()));
        }
        if !folder.is_dir() {
            return Err(DumpError::NotAFolder(folder.to_owned()));
        }
        let folder = if collection(folder, "quizzes").is_some() {
            folder.to_owned()
        } else {
            only_dump_below(folder)?
        };
        let quizzes = collection(&folder, "quizzes");
        Ok(Self {
            questions: collection(&folder, "questions"),
            sessions: collection(&folder, "sessions").ok_or_else(|| DumpError::NoSessions(folder.clone()))?,
            quizzes: quizzes.ok_or(DumpError::NoQuizzes(folder))?,
        })
    }
}

fn only_dump_below(folder: &Path) -> Result<PathBuf, DumpError> {
    let unreadable = |cause| DumpError::Unreadable { folder: folder.to_owned(), cause };
    let mut dumps = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let below = entry.map_err(unreadable)?.path();
        if below.is_dir() && collection(&below, "quizzes").is_some() {
            dumps.push(below);
        }
    }
    dumps.sort();
    match dumps.as_slice() {
        [] => Err(DumpError::NoQuizzes(folder.to_owned())),
        [only] => Ok(only.clone()),
        several => Err(DumpError::SeveralDumps {
            folder: folder.to_owned(),
            dumps: several.iter().map(|dump| dump.display().to_string()).collect(),
        }),
    }
}

fn collection(folder: &Path, name: &str) -> Option<Arc<Collection>> {
    [format!("{name}.bson"), format!("{name}.bson.gz")]
        .into_iter()
        .map(|file| folder.join(file))
        .find(|path| path.is_file())
        .map(|path| Arc::new(Collection::new(path)))
}
