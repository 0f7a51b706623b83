//! Dumps, and clocks that tests move.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its part, and may panic")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bson::Document;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use quiz_pipeline::ports::Clock;
use quiz_suites::source::Collections;
use tokio::time::Instant;

pub fn bytes(documents: &[Document]) -> Vec<u8> {
    documents.iter().flat_map(|document| document.to_vec().unwrap()).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes the collections as `mongodump` does, with or without `--gzip`.
pub fn write_dump(folder: &Path, collections: &Collections, gzipped: bool) {
    fs::create_dir_all(folder).unwrap();
    let Collections { quizzes, questions, sessions } = collections;
    for (name, documents) in [("quizzes", quizzes), ("questions", questions), ("sessions", sessions)] {
        let bytes = bytes(documents);
        if gzipped {
            fs::write(folder.join(format!("{name}.bson.gz")), gzip(&bytes)).unwrap();
        } else {
            fs::write(folder.join(format!("{name}.bson")), bytes).unwrap();
        }
    }
}

/// A clock that stands still until a test moves the time.
pub struct MovedClock(Mutex<Timestamp>);

impl Default for MovedClock {
    fn default() -> Self {
        Self(Mutex::new("2024-05-01T10:00:00Z".parse().unwrap()))
    }
}

impl MovedClock {
    pub fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += SignedDuration::try_from(time).unwrap();
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A clock that follows tokio's time, which a test can pause.
pub struct TokioClock(Instant);

impl TokioClock {
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}
