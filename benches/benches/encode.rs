//! Measures the encoding of a ranked result for its sinks: `cargo bench -p quiz-benches --bench encode`
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may panic")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quiz_benches::{LoadedAssessment, stamp};
use quiz_domain::reports::{self, ReportItem, ReportTable};
use quiz_domain::rows::{QuestionRows, RowBatch, WarehouseTable};
use quiz_dynamo::can_hold;
use quiz_parquet::StagingWriter;
use quiz_sample::large::LargeAssessment;

const STUDENTS: u32 = 1_000;
const QUESTIONS: u32 = 105;
/// The attempts that the engine encodes at once: at most 16,384 rows.
const ATTEMPTS: usize = 16_384 / QUESTIONS as usize;

fn items(criterion: &mut Criterion, stored: &LoadedAssessment) {
    let result = stored.result().unwrap();
    let (made, sealed) = (stored.items().unwrap(), stored.items().unwrap());
    let mut group = criterion.benchmark_group("v1 items");
    group.throughput(Throughput::Elements(made.len() as u64)).sample_size(20);
    group.bench_function("made of the ranked test", |bencher| {
        bencher.iter(|| {
            for item in reports::items(&result, ReportTable::Sections, stamp()) {
                black_box(item);
            }
        });
    });
    group.bench_function("digested", |bencher| {
        bencher.iter_batched_ref(
            || made.clone(),
            |items| items.iter_mut().for_each(ReportItem::seal),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("encoded as DynamoDB's attributes", |bencher| {
        bencher.iter(|| {
            for item in &sealed {
                can_hold(black_box(item)).unwrap();
            }
        });
    });
    group.finish();
}

fn rows(criterion: &mut Criterion, stored: &LoadedAssessment) {
    let attempts = stored.attempts(ATTEMPTS).unwrap();
    let mut made = RowBatch::new(WarehouseTable::QuestionResponses);
    let questions = QuestionRows::new(&stored.quiz, "Large");
    for attempt in &attempts {
        questions.append(&stored.quiz, attempt, &mut made);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("rows of answers");
    group.throughput(Throughput::Elements(made.len() as u64)).sample_size(20);
    group.bench_function("made of scored attempts", |bencher| {
        bencher.iter(|| {
            let mut rows = RowBatch::new(WarehouseTable::QuestionResponses);
            for attempt in &attempts {
                questions.append(&stored.quiz, black_box(attempt), &mut rows);
            }
            rows
        });
    });
    group.bench_function("encoded as Parquet", |bencher| {
        let encode = |rows: RowBatch| {
            runtime.block_on(async {
                let staging = StagingWriter::new().unwrap();
                staging.add("Large", rows).await.unwrap();
                staging.finish().await.unwrap()
            })
        };
        bencher.iter_batched(|| made.clone(), encode, BatchSize::LargeInput);
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let stored =
        LoadedAssessment::generate(LargeAssessment { students: STUDENTS, questions: QUESTIONS, seed: 1 })
            .unwrap();
    items(criterion, &stored);
    rows(criterion, &stored);
}

criterion_group!(benches, encode);
criterion_main!(benches);
