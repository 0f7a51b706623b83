//! The journal of a backfill, so that `--resume` can continue after Ctrl-C or a crash.
//!
//! Each backfill has a file of JSON lines. The first line holds the request; each later line holds test sessions that
//! SNS has accepted. A lock on the file keeps a second process out. A line that a killed process wrote only in part is
//! skipped, and its test sessions are published again: a repeated sync gives the same results.
//! The JSON names are stored in operators' files and stay.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use quiz_events::{SessionDescription, SessionTarget, Sink};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::backfill::track::StateBefore;

/// Why a journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    #[error("{action} {path}: {cause}")]
    File { action: &'static str, path: PathBuf, cause: std::io::Error },
    #[error("cannot read the journal {path}: {cause}")]
    Malformed { path: PathBuf, cause: serde_json::Error },
    #[error("there is no backfill {id:?} in {folder}")]
    Unknown { id: String, folder: PathBuf },
    #[error("there is no backfill to resume in {0}")]
    None(PathBuf),
    #[error("another process runs the backfill {id}: wait for it, or stop it first")]
    Busy { id: String },
    #[error("no folder for the journals of backfills: set QUIZ_ETL_STATE_DIR or HOME")]
    NoFolder,
}

/// What a backfill publishes, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillRequest {
    pub backfill_id: String,
    pub topic: String,
    pub started_at: Timestamp,
    /// Test sessions a second.
    pub rate: f64,
    pub sinks: Vec<Sink>,
    pub force: bool,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub tests: Vec<RequestedSession>,
}

/// A test session of a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedSession {
    pub session_id: String,
    pub quiz_id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDescription>,
}

impl RequestedSession {
    /// A test session without a known name: its id stands for the name.
    pub fn unnamed(target: SessionTarget, session: Option<SessionDescription>) -> Self {
        let SessionTarget { session_id, quiz_id } = target;
        Self { name: session_id.clone(), session_id, quiz_id, session }
    }
}

/// A test session that SNS has accepted, and its sync states just before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedSession {
    pub session_id: String,
    /// By sink.
    pub before: HashMap<Sink, StateBefore>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JournalLine {
    #[serde(rename = "asked")]
    Request(BackfillRequest),
    Published(Vec<PublishedSession>),
}

/// The open, locked journal of one backfill.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// # Errors
    /// [`JournalError::File`] where the folder cannot be written.
    pub fn create(folder: &Path, request: &BackfillRequest) -> Result<Self, JournalError> {
        fs::create_dir_all(folder).map_err(|cause| failed("cannot create the folder", folder, cause))?;
        let path = journal_path(folder, &request.backfill_id);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|cause| failed("cannot create", &path, cause))?;
        let mut journal = Self::lock(path, file, &request.backfill_id)?;
        journal.append(&JournalLine::Request(request.clone()))?;
        Ok(journal)
    }

    /// Opens the journal of the backfill with this id; of the newest backfill if the id is empty.
    ///
    /// # Errors
    /// [`JournalError`] if there is none, it cannot be read, or another process runs the backfill.
    pub fn open(
        folder: &Path,
        id: &str,
    ) -> Result<(Self, BackfillRequest, Vec<PublishedSession>), JournalError> {
        let path = if id.is_empty() { newest(folder)? } else { journal_path(folder, id) };
        let file = match OpenOptions::new().append(true).open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                return Err(JournalError::Unknown { id: id.to_owned(), folder: folder.to_owned() });
            }
            Err(cause) => return Err(failed("cannot open", &path, cause)),
        };
        let text = fs::read_to_string(&path).map_err(|cause| failed("cannot read", &path, cause))?;
        let (request, published) =
            read(&text).map_err(|cause| JournalError::Malformed { path: path.clone(), cause })?;
        let mut journal = Self::lock(path, file, &request.backfill_id)?;
        if !text.ends_with('\n') {
            // a killed process wrote the last line in part: end that line
            journal.write("\n")?;
        }
        Ok((journal, request, published))
    }

    /// Records test sessions that SNS has accepted.
    ///
    /// # Errors
    /// [`JournalError::File`] where the file cannot be written.
    pub fn record_published(&mut self, tests: Vec<PublishedSession>) -> Result<(), JournalError> {
        self.append(&JournalLine::Published(tests))
    }

    fn lock(path: PathBuf, file: File, id: &str) -> Result<Self, JournalError> {
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::Busy { id: id.to_owned() }),
            Err(fs::TryLockError::Error(cause)) => Err(failed("cannot lock", &path, cause)),
        }
    }

    fn append(&mut self, line: &JournalLine) -> Result<(), JournalError> {
        let text = serde_json::to_string(line)
            .map_err(|cause| JournalError::Malformed { path: self.path.clone(), cause })?;
        self.write(&format!("{text}\n"))
    }

    fn write(&mut self, text: &str) -> Result<(), JournalError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|cause| failed("cannot write to", &self.path, cause))
    }
}

/// The folder of the journals: `QUIZ_ETL_STATE_DIR`, else under `XDG_STATE_HOME`, else `~/.local/state`.
///
/// # Errors
/// [`JournalError::NoFolder`] if the environment names none of them.
pub fn folder() -> Result<PathBuf, JournalError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || Some(set("HOME").or_else(|| set("USERPROFILE"))?.join(".local").join("state"));
    let own = set("QUIZ_ETL_STATE_DIR");
    let folder = own.or_else(|| Some(set("XDG_STATE_HOME").or_else(home)?.join("quiz-etl")));
    Ok(folder.ok_or(JournalError::NoFolder)?.join("backfills"))
}

fn journal_path(folder: &Path, id: &str) -> PathBuf {
    // an id has digits, letters and hyphens; dropping the rest keeps the path inside the folder
    let is_allowed = |character: &char| character.is_ascii_alphanumeric() || *character == '-';
    let id: String = id.chars().filter(is_allowed).collect();
    folder.join(format!("{id}.jsonl"))
}

/// The newest journal: ids begin with their time, so names sort by age.
fn newest(folder: &Path) -> Result<PathBuf, JournalError> {
    let none = || JournalError::None(folder.to_owned());
    let entries = fs::read_dir(folder).map_err(|_| none())?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).max().ok_or_else(none)
}

fn read(text: &str) -> Result<(BackfillRequest, Vec<PublishedSession>), serde_json::Error> {
    let mut lines = text.lines();
    let JournalLine::Request(request) = serde_json::from_str(lines.next().unwrap_or_default())? else {
        return Err(serde::de::Error::custom("its first line is not a request"));
    };
    let published = lines.filter_map(|line| match serde_json::from_str(line) {
        Ok(JournalLine::Published(tests)) => Some(tests),
        _ => None,
    });
    Ok((request, published.flatten().collect()))
}

fn failed(action: &'static str, path: &Path, cause: std::io::Error) -> JournalError {
    JournalError::File { action, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::{BackfillRequest, Journal, JournalError, PublishedSession, RequestedSession};
    use crate::backfill::track::StateBefore;
    use quiz_events::Sink;
    use std::collections::HashMap;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn request(id: &str) -> BackfillRequest {
        BackfillRequest {
            backfill_id: id.into(),
            topic: "arn:aws:sns:r:1:events".into(),
            started_at: "2026-11-21T12:00:00Z".parse().unwrap(),
            rate: 5.0,
            sinks: vec![Sink::Reports],
            force: true,
            reason: Some("why".into()),
            requested_by: None,
            tests: vec![RequestedSession {
                session_id: "A".into(),
                quiz_id: "q".into(),
                name: "Sums".into(),
                session: None,
            }],
        }
    }

    fn published(session_id: &str) -> PublishedSession {
        let before = StateBefore { requested_through: 1, finished_at: 3, published_at: 4 };
        PublishedSession { session_id: session_id.into(), before: HashMap::from([(Sink::Reports, before)]) }
    }

    #[test]
    fn torn_last_line_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("backfills");
        let mut journal = Journal::create(&folder, &request("1")).unwrap();
        journal.record_published(vec![published("A"), published("B")]).unwrap();
        drop(journal);
        let mut torn = OpenOptions::new().append(true).open(folder.join("1.jsonl")).unwrap();
        torn.write_all(b"{\"published\":[{\"session").unwrap();
        let (mut journal, read, done) = Journal::open(&folder, "1").unwrap();
        assert_eq!((read, done), (request("1"), vec![published("A"), published("B")]));
        journal.record_published(vec![published("C")]).unwrap();
        drop(journal);
        let (_, _, done) = Journal::open(&folder, "").unwrap();
        assert_eq!(done.last(), Some(&published("C")));
    }

    #[test]
    fn journal_is_locked_and_its_absence_reported() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Journal::open(folder.path(), ""), Err(JournalError::None(_))));
        let first = Journal::create(folder.path(), &request("1")).unwrap();
        assert!(matches!(Journal::open(folder.path(), "1"), Err(JournalError::Busy { .. })));
        drop(first);
        assert!(Journal::open(folder.path(), "1").is_ok());
        assert!(matches!(Journal::open(folder.path(), "../../etc"), Err(JournalError::Unknown { .. })));
        std::fs::write(folder.path().join("2.jsonl"), "{}\n").unwrap();
        assert!(matches!(Journal::open(folder.path(), ""), Err(JournalError::Malformed { .. })));
    }
}
