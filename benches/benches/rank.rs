//! Measures ranking a million participants in five sections and overall: `cargo bench -p quiz-benches --bench rank`
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may panic")]

use std::hint::black_box;

use bson::{RawDocumentBuf, doc, rawdoc};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quiz_benches::{builder, read};
use quiz_domain::{Quiz, SessionScorer};

const PARTICIPANTS: i32 = 1_000_000;
const SECTIONS: [&str; 5] = ["Physics", "Chemistry", "Mathematics", "Biology", "English"];

fn quiz() -> Quiz {
    let sets = SECTIONS.map(|section| {
        let question = doc! {"_id": section, "type": "numerical-integer", "correct_answer": 1,
        "metadata": {"subject": section}};
        doc! {"_id": section, "title": section, "questions": [question],
        "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0}}
    });
    let sets = sets.to_vec();
    read(&doc! {"_id": "quiz", "question_sets": sets, "metadata": {"quiz_type": "assessment"}}, &[]).unwrap()
}

/// A million participants with few different marks, so that many share a rank.
fn participants() -> SessionScorer {
    let mut builder = builder(quiz());
    for number in 0..PARTICIPANTS {
        let answer = |section: usize| (number / 7_i32.pow(u32::try_from(section).unwrap())) % 3;
        let mut records = bson::RawArrayBuf::new();
        for (at, section) in SECTIONS.iter().enumerate() {
            records.push(rawdoc! {"question_id": *section, "answer": answer(at)});
        }
        // the factor shuffles the ids and keeps them unique
        let id = format!("{:08}", i64::from(number) * 7_919 % i64::from(PARTICIPANTS));
        let document: RawDocumentBuf = rawdoc! {"_id": id.as_str(), "user_id": id.as_str(), "quiz_id": "quiz",
        "has_quiz_ended": true, "session_answers": records};
        assert!(builder.take_raw(&document, false).is_some());
    }
    builder
}

fn rank(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rank");
    group.sample_size(10);
    group.bench_function("1,000,000 takers in 5 sections", |bencher| {
        bencher.iter_batched(
            participants,
            |builder| black_box(builder.finish().unwrap()),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, rank);
criterion_main!(benches);
