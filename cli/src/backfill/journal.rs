//! What a backfill was asked to do and has published, in a file of its own, so that it can be resumed: JSON lines,
//! the first one what was asked for.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use quiz_events::{SessionDescription, Sink};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::backfill::track::Before;

/// Why a backfill's file cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    #[error("{what} {path}: {cause}")]
    File { what: &'static str, path: PathBuf, cause: std::io::Error },
    #[error("{path} is no backfill's file: {cause}")]
    Malformed { path: PathBuf, cause: serde_json::Error },
    #[error("there is no backfill {id:?} in {folder}")]
    Unknown { id: String, folder: PathBuf },
    #[error("there is no backfill to resume in {0}")]
    None(PathBuf),
    #[error("another process is at the backfill {id}: let it finish, or stop it first")]
    Busy { id: String },
    #[error("where backfills are remembered is not known: set QUIZ_ETL_STATE_DIR, or HOME")]
    NoFolder,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub backfill_id: String,
    pub topic: String,
    pub started_at: Timestamp,
    /// Tests a second.
    pub rate: f64,
    pub sinks: Vec<Sink>,
    pub force: bool,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub tests: Vec<AskedTest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedTest {
    pub session_id: String,
    pub quiz_id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDescription>,
}

/// A test that SNS has, with how it stood just before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub session_id: String,
    /// By sink.
    pub before: HashMap<Sink, Before>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Asked(Asked),
    Published(Vec<Published>),
}

/// One backfill's file, open and locked.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// # Errors
    /// [`JournalError::File`] where the folder cannot be written.
    pub fn create(folder: &Path, asked: &Asked) -> Result<Self, JournalError> {
        fs::create_dir_all(folder).map_err(|cause| failed("cannot make the folder", folder, cause))?;
        let path = path_of(folder, &asked.backfill_id);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|cause| failed("cannot make", &path, cause))?;
        let mut journal = Self::locked(path, file, &asked.backfill_id)?;
        journal.append(&Line::Asked(asked.clone()))?;
        Ok(journal)
    }

    /// Opens the backfill of this id, or the newest where it is empty.
    ///
    /// # Errors
    /// [`JournalError`] where there is none, it cannot be read, or another process is at it.
    pub fn open(folder: &Path, id: &str) -> Result<(Self, Asked, Vec<Published>), JournalError> {
        let path = if id.is_empty() { newest(folder)? } else { path_of(folder, id) };
        let file = match OpenOptions::new().append(true).open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                return Err(JournalError::Unknown { id: id.to_owned(), folder: folder.to_owned() });
            }
            Err(cause) => return Err(failed("cannot open", &path, cause)),
        };
        let text = fs::read_to_string(&path).map_err(|cause| failed("cannot read", &path, cause))?;
        let (asked, published) =
            read(&text).map_err(|cause| JournalError::Malformed { path: path.clone(), cause })?;
        let mut journal = Self::locked(path, file, &asked.backfill_id)?;
        if !text.ends_with('\n') {
            // what a killed process wrote half of; its tests are published again
            journal.write("\n")?;
        }
        Ok((journal, asked, published))
    }

    /// Remembers that SNS has these.
    ///
    /// # Errors
    /// [`JournalError::File`] where the file cannot be written.
    pub fn published(&mut self, tests: Vec<Published>) -> Result<(), JournalError> {
        self.append(&Line::Published(tests))
    }

    fn locked(path: PathBuf, file: File, id: &str) -> Result<Self, JournalError> {
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::Busy { id: id.to_owned() }),
            Err(fs::TryLockError::Error(cause)) => Err(failed("cannot lock", &path, cause)),
        }
    }

    fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        let text = serde_json::to_string(line)
            .map_err(|cause| JournalError::Malformed { path: self.path.clone(), cause })?;
        self.write(&format!("{text}\n"))
    }

    fn write(&mut self, text: &str) -> Result<(), JournalError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|cause| failed("cannot write to", &self.path, cause))
    }
}

/// Where backfills are remembered: `QUIZ_ETL_STATE_DIR`, else under `XDG_STATE_HOME`, else `~/.local/state`.
///
/// # Errors
/// [`JournalError::NoFolder`] where the environment names no such place.
pub fn folder() -> Result<PathBuf, JournalError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || Some(set("HOME").or_else(|| set("USERPROFILE"))?.join(".local").join("state"));
    let own = set("QUIZ_ETL_STATE_DIR");
    let folder = own.or_else(|| Some(set("XDG_STATE_HOME").or_else(home)?.join("quiz-etl")));
    Ok(folder.ok_or(JournalError::NoFolder)?.join("backfills"))
}

fn path_of(folder: &Path, id: &str) -> PathBuf {
    // an id is made of digits, letters and hyphens; what else was typed names no file
    let id: String = id.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').collect();
    folder.join(format!("{id}.jsonl"))
}

/// Ids begin with their time.
fn newest(folder: &Path) -> Result<PathBuf, JournalError> {
    let none = || JournalError::None(folder.to_owned());
    let entries = fs::read_dir(folder).map_err(|_| none())?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).max().ok_or_else(none)
}

fn read(text: &str) -> Result<(Asked, Vec<Published>), serde_json::Error> {
    let mut lines = text.lines();
    let Line::Asked(asked) = serde_json::from_str(lines.next().unwrap_or_default())? else {
        return Err(serde::de::Error::custom("its first line does not say what was asked for"));
    };
    let published = lines.filter_map(|line| match serde_json::from_str(line) {
        Ok(Line::Published(tests)) => Some(tests),
        _ => None,
    });
    Ok((asked, published.flatten().collect()))
}

fn failed(what: &'static str, path: &Path, cause: std::io::Error) -> JournalError {
    JournalError::File { what, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::{Asked, AskedTest, Journal, JournalError, Published};
    use crate::backfill::track::Before;
    use quiz_events::Sink;
    use std::collections::HashMap;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn asked(id: &str) -> Asked {
        Asked {
            backfill_id: id.into(),
            topic: "arn:aws:sns:r:1:events".into(),
            started_at: "2026-11-21T12:00:00Z".parse().unwrap(),
            rate: 5.0,
            sinks: vec![Sink::Reports],
            force: true,
            reason: Some("why".into()),
            requested_by: None,
            tests: vec![AskedTest {
                session_id: "A".into(),
                quiz_id: "q".into(),
                name: "Sums".into(),
                session: None,
            }],
        }
    }

    fn published(session_id: &str) -> Published {
        let before = Before { requested_through: 1, finished_at: 3, published_at: 4 };
        Published { session_id: session_id.into(), before: HashMap::from([(Sink::Reports, before)]) }
    }

    #[test]
    fn an_interrupted_backfill_is_remembered_up_to_the_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("backfills");
        let mut journal = Journal::create(&folder, &asked("1")).unwrap();
        journal.published(vec![published("A"), published("B")]).unwrap();
        drop(journal);
        let mut torn = OpenOptions::new().append(true).open(folder.join("1.jsonl")).unwrap();
        torn.write_all(b"{\"published\":[{\"session").unwrap();
        let (mut journal, read, done) = Journal::open(&folder, "1").unwrap();
        assert_eq!((read, done), (asked("1"), vec![published("A"), published("B")]));
        journal.published(vec![published("C")]).unwrap();
        drop(journal);
        let (_, _, done) = Journal::open(&folder, "").unwrap();
        assert_eq!(done.last(), Some(&published("C")));
    }

    #[test]
    fn one_process_is_at_a_backfill_and_what_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Journal::open(folder.path(), ""), Err(JournalError::None(_))));
        let first = Journal::create(folder.path(), &asked("1")).unwrap();
        assert!(matches!(Journal::open(folder.path(), "1"), Err(JournalError::Busy { .. })));
        drop(first);
        assert!(Journal::open(folder.path(), "1").is_ok());
        assert!(matches!(Journal::open(folder.path(), "../../etc"), Err(JournalError::Unknown { .. })));
        std::fs::write(folder.path().join("2.jsonl"), "{}\n").unwrap();
        assert!(matches!(Journal::open(folder.path(), ""), Err(JournalError::Malformed { .. })));
    }
}
