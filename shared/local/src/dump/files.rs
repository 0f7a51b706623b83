use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::collection::Collection;
use super::error::DumpError;
use super::format::Format;

/// The files of a dump's collections.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub quizzes: Arc<Collection>,
    /// `None` where the questions were not dumped: then only the questions embedded in quizzes are known.
    pub questions: Option<Arc<Collection>>,
    pub sessions: Arc<Collection>,
}

impl Files {
    /// Searches the folder and one level below, because `mongodump` makes a folder for each database.
    pub fn find(folder: &Path) -> Result<Self, DumpError> {
        if !folder.exists() {
            return Err(DumpError::NoFolder(folder.to_owned()));
        }
        if !folder.is_dir() {
            return Err(DumpError::NotAFolder { path: folder.to_owned(), hint: hint(folder) });
        }
        let (folder, quizzes) = match collection(folder, "quizzes")? {
            Some(quizzes) => (folder.to_owned(), quizzes),
            None => only_dump_below(folder)?,
        };
        Ok(Self {
            quizzes,
            questions: collection(&folder, "questions")?,
            sessions: collection(&folder, "sessions")?.ok_or(DumpError::NoSessions(folder))?,
        })
    }
}

/// The next step for a caller who named a file instead of a folder.
fn hint(path: &Path) -> &'static str {
    const ONE_FILE: &str = "this is one file; name the folder that mongodump wrote";
    let Ok(file) = File::open(path) else { return ONE_FILE };
    let format = match Format::of(&file) {
        Format::Gzip => Format::within(&file),
        other => other,
    };
    format.refusal().unwrap_or(ONE_FILE)
}

fn only_dump_below(folder: &Path) -> Result<(PathBuf, Arc<Collection>), DumpError> {
    let unreadable = |cause| DumpError::Unreadable { folder: folder.to_owned(), cause };
    let mut below = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        below.push(entry.map_err(unreadable)?.path());
    }
    below.sort();
    let mut dumps = Vec::new();
    for below in below.into_iter().filter(|below| below.is_dir()) {
        if let Some(quizzes) = collection(&below, "quizzes")? {
            dumps.push((below, quizzes));
        }
    }
    match dumps.len() {
        0 | 1 => dumps.pop().ok_or_else(|| DumpError::NoQuizzes(folder.to_owned())),
        _ => Err(DumpError::SeveralDumps {
            folder: folder.to_owned(),
            dumps: dumps.iter().map(|(dump, _)| dump.display().to_string()).collect(),
        }),
    }
}

/// The file of a collection. Collection names are case-sensitive in MongoDB, so the file name must match exactly.
fn collection(folder: &Path, name: &str) -> Result<Option<Arc<Collection>>, DumpError> {
    let stored = |file: String| {
        let path = folder.join(file);
        match fs::symlink_metadata(&path) {
            Ok(_) if path.is_file() => Ok(Some(path)),
            Ok(_) => Err(DumpError::NotAFile(path)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(DumpError::Unreadable { folder: folder.to_owned(), cause }),
        }
    };
    let path = match (stored(format!("{name}.bson"))?, stored(format!("{name}.bson.gz"))?) {
        (Some(plain), Some(gzipped)) => return Err(DumpError::TwoFiles { plain, gzipped }),
        (plain, gzipped) => plain.or(gzipped),
    };
    Ok(path.map(|path| Arc::new(Collection::new(path))))
}
