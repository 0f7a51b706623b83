//! Remembers scored attempts from one sync to the next, so that most documents need not be read again.
//!
//! A test session is synced several times, and most of its attempts do not change any more. A [`Snapshot`] holds the
//! outcomes of such attempts, about 90 bytes for each attempt at 105 questions.
//!
//! Invariants:
//!
//! - A snapshot holds for one version of the scoring and one state of the quiz ([`SnapshotKey`]).
//! - It holds only settled attempts: ended, and last written well before the sync.
//! - An entry counts only while its document has the same `updated_at`.
//! - A document of an unusual shape is in no snapshot, so each sync reads it and reports its problems.

use bson::Document;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::read::attempt::{Attempt, AttemptHead};
use crate::read::quiz::Quiz;
use crate::score::outcomes::Outcomes;

/// The version of the byte format. Raise it with each change of the format.
const FORMAT: u32 = 1;

/// The program version and the quiz state that a snapshot is valid for. With another key, all attempts are scored again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotKey {
    format: u32,
    /// Identifies the version of the scoring, for example by its commit.
    program: String,
    /// Digest of the documents that the quiz was read from.
    quiz: u128,
}

impl SnapshotKey {
    /// Makes the key for a quiz; `questions` may come in any order. `None` where a document cannot be encoded as BSON.
    #[must_use]
    pub fn of(program: &str, quiz: &Document, questions: &[Document]) -> Option<Self> {
        let mut digests = Vec::with_capacity(questions.len());
        for question in questions {
            digests.push(xxh3_128(&question.to_vec().ok()?).to_be_bytes());
        }
        digests.sort_unstable();
        let mut bytes = quiz.to_vec().ok()?;
        bytes.extend(digests.iter().flatten());
        Some(Self { format: FORMAT, program: program.to_owned(), quiz: xxh3_128(&bytes) })
    }
}

/// The settled attempts of one quiz, as an earlier sync scored them.
#[derive(Debug)]
pub struct Snapshot {
    bytes: Vec<u8>,
    /// The offset of each entry, sorted by the entries' ids.
    entries: Vec<usize>,
}

/// One attempt under the `_id` of its document. Times are in nanoseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct SnapshotEntry<'a> {
    id: &'a str,
    updated_at: i64,
    started: Option<i64>,
    total_time_spent: Option<f64>,
    codes: &'a [u8],
    partial_marks: Vec<f64>,
}

/// The part of an attempt that a snapshot stores in addition to its [`AttemptHead`].
#[derive(Debug)]
pub(crate) struct KnownAttempt {
    pub started: Option<Timestamp>,
    pub total_time_spent: Option<f64>,
    pub outcomes: Outcomes,
}

impl Snapshot {
    /// Reads a snapshot; `None` where the bytes are no snapshot, or one with another key.
    #[must_use]
    pub fn open(bytes: Vec<u8>, key: &SnapshotKey) -> Option<Self> {
        let (found, mut rest) = postcard::take_from_bytes::<SnapshotKey>(&bytes).ok()?;
        if found != *key {
            return None;
        }
        let mut entries: Vec<(&str, usize)> = Vec::new();
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let (entry, after) = postcard::take_from_bytes::<SnapshotEntry>(rest).ok()?;
            entries.push((entry.id, at));
            rest = after;
        }
        entries.sort_unstable();
        let entries = entries.into_iter().map(|(_, at)| at).collect();
        Some(Self { bytes, entries })
    }

    /// The number of attempts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Finds an attempt, with the bytes of its entry; `None` where the document must be read.
    pub(crate) fn find(&self, head: &AttemptHead, quiz: &Quiz) -> Option<(KnownAttempt, &[u8])> {
        let id = |at: &usize| {
            let (id, _) = postcard::take_from_bytes::<&str>(self.bytes.get(*at..)?).ok()?;
            Some(id)
        };
        let found = self.entries.binary_search_by(|at| id(at).cmp(&Some(head.id.as_str()))).ok()?;
        let bytes = self.bytes.get(*self.entries.get(found)?..)?;
        let (entry, after) = postcard::take_from_bytes::<SnapshotEntry>(bytes).ok()?;
        if !head.ended || head.updated_at.and_then(nanoseconds) != Some(entry.updated_at) {
            return None;
        }
        let started = match entry.started {
            Some(at) => Some(Timestamp::from_nanosecond(at.into()).ok()?),
            None => None,
        };
        let outcomes = Outcomes::unpack(quiz, entry.codes.into(), entry.partial_marks.into())?;
        let known = KnownAttempt { started, total_time_spent: entry.total_time_spent, outcomes };
        Some((known, bytes.get(..bytes.len() - after.len())?))
    }
}

/// Writes the snapshot for the next sync.
#[derive(Debug)]
pub struct SnapshotWriter {
    bytes: Vec<u8>,
    settled_before: Timestamp,
    /// Attempts that this sync read.
    read: usize,
    /// Attempts that were copied from an earlier snapshot.
    known: usize,
}

impl SnapshotWriter {
    /// Starts a snapshot of the attempts whose documents were last written before `settled_before`; `None` where the key
    /// cannot be encoded.
    #[must_use]
    pub fn new(key: &SnapshotKey, settled_before: Timestamp) -> Option<Self> {
        let bytes = postcard::to_stdvec(key).ok()?;
        Some(Self { bytes, settled_before, read: 0, known: 0 })
    }

    pub(crate) fn add_read(&mut self, attempt: &Attempt, outcomes: &Outcomes) {
        let settled = attempt.updated_at.filter(|at| attempt.ended && *at < self.settled_before);
        let Some(updated_at) = settled.and_then(nanoseconds) else { return };
        let started = attempt.started.map(nanoseconds);
        if started == Some(None) {
            return;
        }
        let entry = SnapshotEntry {
            id: &attempt.id,
            updated_at,
            started: started.flatten(),
            total_time_spent: attempt.total_time_spent,
            codes: outcomes.codes(),
            partial_marks: outcomes.partial_marks().to_vec(),
        };
        if let Ok(bytes) = postcard::to_stdvec(&entry) {
            self.bytes.extend(bytes);
            self.read += 1;
        }
    }

    pub(crate) fn add_known(&mut self, entry: &[u8]) {
        self.bytes.extend(entry);
        self.known += 1;
    }

    /// The number of attempts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read + self.known
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of attempts that no earlier snapshot had.
    #[must_use]
    pub fn read(&self) -> usize {
        self.read
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn nanoseconds(at: Timestamp) -> Option<i64> {
    i64::try_from(at.as_nanosecond()).ok()
}
