//! Measures reading one event in each of its forms: `cargo bench -p quiz-benches --bench events`
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may panic")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quiz_benches::completions;
use quiz_events::QueueMessage;

const DESCRIBED: &str = r#"{"type":"session.sync","session_id":"Group_6715f621e1eb083bfa9b56cc","force":true,
"reason":"the key was corrected","requested_by":"asha","session":{"test_name":"Mock test 7","group":"EnableStudents",
"batch":"2024","stream":"engineering","course":"JEE","grade":12,"school":"JNV Pune",
"start_time":"2024-04-30T10:00:00","end_time":"2024-04-30T13:00:00+05:30"}}"#;

fn events(criterion: &mut Criterion) {
    let completion = completions(1).unwrap().remove(0);
    let raw = QueueMessage { body: completion.event, ..QueueMessage::default() };
    let enveloped = QueueMessage { body: completion.envelope, ..QueueMessage::default() };
    let described = QueueMessage { body: DESCRIBED.to_owned(), ..QueueMessage::default() };
    let bare = QueueMessage { body: "Group_6715f621e1eb083bfa9b56cc".into(), ..QueueMessage::default() };
    let mut group = criterion.benchmark_group("an event");
    group.throughput(Throughput::Elements(1));
    for (name, message) in [
        ("quiz.completed", raw),
        ("quiz.completed, in SNS's envelope", enveloped),
        ("session.sync with a description", described),
        ("a bare session id", bare),
    ] {
        assert!(message.event().is_ok(), "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| black_box(&message).event().unwrap()));
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
