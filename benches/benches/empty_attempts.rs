//! Measures how the engine finds the attempt of a user who opened the quiz 30,000 times without an answer, in a mongodump
//! folder: `cargo bench -p quiz-benches --bench empty_attempts`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench may panic"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use bson::{Bson, Document};
use criterion::{Criterion, criterion_group, criterion_main};
use quiz_benches::{DiscardingSink, sync};
use quiz_local::DumpSource;
use quiz_sample::large::LargeAssessment;

/// The number of questions of a usual quiz.
const QUESTIONS: u32 = 105;

/// Writes a dump of one user: `empty` documents without a start event and an answer, and the attempt that counts, which the
/// engine checks last.
fn write(folder: &Path, empty: u32) {
    let large = LargeAssessment { students: 1, questions: QUESTIONS, seed: 1 };
    large.write(folder).unwrap();
    let mut attempt: Document = large.sessions().next().unwrap();
    attempt.insert("_id", format!("{:024x}", 0));
    attempt.insert("has_quiz_ended", false);
    let mut opened = attempt.clone();
    opened.insert("events", Vec::<Bson>::new());
    for record in opened.get_array_mut("session_answers").unwrap() {
        record.as_document_mut().unwrap().insert("answer", Bson::Null);
    }
    let mut sessions = BufWriter::new(File::create(folder.join("sessions.bson")).unwrap());
    sessions.write_all(&attempt.to_vec().unwrap()).unwrap();
    for number in 1..=empty {
        opened.insert("_id", format!("{number:024x}"));
        sessions.write_all(&opened.to_vec().unwrap()).unwrap();
    }
    sessions.flush().unwrap();
}

fn empty_attempts(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = std::env::temp_dir().join(format!("quiz-benches-{}", std::process::id()));
    let mut group = criterion.benchmark_group("empty attempts");
    group.sample_size(10);
    for empty in [10_000, 30_000] {
        let dump = folder.join(empty.to_string());
        write(&dump, empty);
        let source = Arc::new(DumpSource::open(&dump).unwrap());
        group.bench_function(format!("{empty} of one user"), |bencher| {
            bencher.iter(|| {
                let synced =
                    runtime.block_on(sync(source.clone(), Arc::new(DiscardingSink), 1, None)).unwrap();
                assert_eq!(synced.participants, 1);
            });
        });
    }
    group.finish();
    fs::remove_dir_all(folder).unwrap();
}

criterion_group!(benches, empty_attempts);
criterion_main!(benches);
