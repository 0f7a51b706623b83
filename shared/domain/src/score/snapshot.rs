use bson::Document;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::read::attempt::{Attempt, AttemptHead};
use crate::read::quiz::Quiz;
use crate::score::outcomes::Outcomes;

/// One more whenever a snapshot is written otherwise than before.
const FORMAT: u32 = 1;

/// What a snapshot holds for. Attempts at a quiz that has changed, or scored by another program, are scored anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotKey {
    format: u32,
    /// Whatever tells two versions of the scoring apart, such as the commit that it was built from.
    program: String,
    /// Of the documents that the quiz was read from.
    quiz: u128,
}

impl SnapshotKey {
    /// `questions` are in any order. `None` where one of the documents is no BSON.
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

/// The scored attempts of one quiz as an earlier read saw them, some 90 bytes for one with 105 questions: what spares
/// reading their documents again.
///
/// Only an attempt that nobody will change any more is in it: an ended one, whose document was last written well before
/// that read. It counts as long as the document has the same `updated_at`.
#[derive(Debug)]
pub struct Snapshot {
    bytes: Vec<u8>,
    /// Where each entry begins, by the entries' ids.
    entries: Vec<usize>,
}

/// One attempt, by the `_id` of its document. Times are in nanoseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    id: &'a str,
    updated_at: i64,
    started: Option<i64>,
    total_time_spent: Option<f64>,
    codes: &'a [u8],
    partial_marks: Vec<f64>,
}

/// What a snapshot knows of an attempt, beside what its head says.
#[derive(Debug)]
pub(crate) struct Known {
    pub started: Option<Timestamp>,
    pub total_time_spent: Option<f64>,
    pub outcomes: Outcomes,
}

impl Snapshot {
    /// `None` where the bytes are no snapshot, or one that holds for something else.
    #[must_use]
    pub fn open(bytes: Vec<u8>, key: &SnapshotKey) -> Option<Self> {
        let (found, mut rest) = postcard::take_from_bytes::<SnapshotKey>(&bytes).ok()?;
        if found != *key {
            return None;
        }
        let mut entries: Vec<(&str, usize)> = Vec::new();
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let (entry, behind) = postcard::take_from_bytes::<Entry>(rest).ok()?;
            entries.push((entry.id, at));
            rest = behind;
        }
        entries.sort_unstable();
        let entries = entries.into_iter().map(|(_, at)| at).collect();
        Some(Self { bytes, entries })
    }

    /// Of how many attempts it is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it knows of an attempt, and the same in bytes; `None` where the document has to be read.
    pub(crate) fn find(&self, head: &AttemptHead, quiz: &Quiz) -> Option<(Known, &[u8])> {
        let id = |at: &usize| {
            let (id, _) = postcard::take_from_bytes::<&str>(self.bytes.get(*at..)?).ok()?;
            Some(id)
        };
        let found = self.entries.binary_search_by(|at| id(at).cmp(&Some(head.id.as_str()))).ok()?;
        let bytes = self.bytes.get(*self.entries.get(found)?..)?;
        let (entry, behind) = postcard::take_from_bytes::<Entry>(bytes).ok()?;
        if !head.ended || head.updated_at.and_then(nanoseconds) != Some(entry.updated_at) {
            return None;
        }
        let started = match entry.started {
            Some(at) => Some(Timestamp::from_nanosecond(at.into()).ok()?),
            None => None,
        };
        let outcomes = Outcomes::unpack(quiz, entry.codes.into(), entry.partial_marks.into())?;
        let known = Known { started, total_time_spent: entry.total_time_spent, outcomes };
        Some((known, bytes.get(..bytes.len() - behind.len())?))
    }
}

/// Makes the snapshot for the next read.
#[derive(Debug)]
pub struct SnapshotWriter {
    bytes: Vec<u8>,
    settled_before: Timestamp,
    /// How many were read by this run.
    read: usize,
    /// How many are of an earlier snapshot.
    known: usize,
}

impl SnapshotWriter {
    /// Takes attempts whose documents were last written before `settled_before`; `None` where the key cannot be
    /// written.
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
        let entry = Entry {
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

    /// Of how many attempts it is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read + self.known
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them an earlier snapshot did not have.
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
