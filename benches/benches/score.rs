//! Measures decoding and scoring attempts with 105 questions: `cargo bench -p quiz-benches --bench score`
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may panic")]

use std::hint::black_box;

use bson::Document;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quiz_benches::LoadedAssessment;
use quiz_domain::TakenDocument;
use quiz_sample::large::LargeAssessment;

fn score(criterion: &mut Criterion) {
    let stored =
        LoadedAssessment::generate(LargeAssessment { students: 1_000, questions: 105, seed: 1 }).unwrap();
    let mut group = criterion.benchmark_group("decode and score");
    group.throughput(Throughput::Bytes(stored.bytes())).sample_size(20);
    for (name, wants_attempts) in [("raw", false), ("raw, with each answer", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || stored.builder(),
                |builder| {
                    for document in &stored.sessions {
                        let taken = builder.take_raw(black_box(document), wants_attempts);
                        assert!(black_box(taken).is_some(), "an unusual document");
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("plain", |bencher| {
        bencher.iter_batched_ref(
            || stored.builder(),
            |builder| {
                for document in &stored.sessions {
                    let document = Document::try_from(black_box(document)).unwrap();
                    assert!(matches!(black_box(builder.take(&document)), TakenDocument::Attempt(_)));
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, score);
criterion_main!(benches);
