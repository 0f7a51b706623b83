use std::path::{Path, PathBuf};

use bson::error::Error as BsonError;
use quiz_pipeline::ports::SourceError;
use std::io;
use thiserror::Error;

use super::reader::{LARGEST, SMALLEST};

/// Why a folder cannot be used as a dump. A retry cannot help until the folder changes.
#[derive(Debug, Error)]
pub enum DumpError {
    #[error("cannot find folder {}", .0.display())]
    NoFolder(PathBuf),
    #[error("{} is not a folder: {hint}", path.display())]
    NotAFolder { path: PathBuf, hint: &'static str },
    #[error("{} is not a file; remove it, or name another folder", .0.display())]
    NotAFile(PathBuf),
    /// One of them is most likely left over from an older dump.
    #[error("both {} and {} exist; remove the older one", plain.display(), gzipped.display())]
    TwoFiles { plain: PathBuf, gzipped: PathBuf },
    #[error("cannot read folder {}: {cause}", folder.display())]
    Unreadable { folder: PathBuf, cause: io::Error },
    #[error("{} holds no quiz dump: no quizzes.bson or quizzes.bson.gz in the folder or a sub-folder", .0.display())]
    NoQuizzes(PathBuf),
    #[error("{} holds several dumps, name one of: {}", folder.display(), .dumps.join(", "))]
    SeveralDumps { folder: PathBuf, dumps: Vec<String> },
    #[error("{} has quizzes but no sessions.bson or sessions.bson.gz, the students' answers", .0.display())]
    NoSessions(PathBuf),
    /// The quizzes themselves cannot be read.
    #[error(transparent)]
    Quizzes(#[from] SourceError),
}

/// Why the bytes at an offset are not a document.
#[derive(Debug, Error)]
pub(super) enum Malformed {
    #[error("length of {0} bytes is not between {SMALLEST} and {LARGEST}")]
    Length(i32),
    #[error("the file ends {missing} bytes before the end of the document")]
    Truncated { missing: usize },
    #[error("the file has changed and no longer holds the document")]
    Gone,
    #[error("not valid BSON: {0}")]
    Undecodable(#[from] BsonError),
    #[error("its field {0} is not UTF-8")]
    NotUtf8(String),
    #[error("its field {field} is not valid BSON: {cause}")]
    Field { field: String, cause: BsonError },
    #[error("nested deeper than {0} levels")]
    Nested(usize),
}

/// The error of a failed read: `Unavailable` (worth a retry) where the disk failed, `Corrupt` where the file is wrong.
pub(super) fn io_error(path: &Path, what: &str, cause: io::Error) -> SourceError {
    use io::ErrorKind as Kind;
    let what = format!("{what}{}", path.display());
    match cause.kind() {
        Kind::NotFound
        | Kind::PermissionDenied
        | Kind::IsADirectory
        | Kind::NotADirectory
        | Kind::InvalidData
        | Kind::InvalidInput
        | Kind::UnexpectedEof => SourceError::Corrupt { what, cause: Box::new(cause) },
        _ => SourceError::Unavailable { what, cause: Box::new(cause) },
    }
}
