use jiff::Timestamp;
use quiz_sns_sqs::dead_letters::{DeadLetter, DeadLetterQueue, Source, SourceKind};

/// The current time of the tests.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// The queue `name` with its dead-letter queue `{name}-dlq`.
pub(crate) fn queue(name: &str) -> DeadLetterQueue {
    let arn = |name: &str| format!("arn:aws:sqs:ap-south-1:000000000000:{name}");
    let url = |name: &str| format!("https://sqs/000000000000/{name}");
    let dead = format!("{name}-dlq");
    let kind = SourceKind::Queue { max_receive_count: 5 };
    let source = Source { name: name.to_owned(), url: url(name), arn: arn(name), kind };
    DeadLetterQueue { url: url(&dead), arn: arn(&dead), name: dead, sources: vec![source] }
}

/// A message parked `seconds_ago`.
pub(crate) fn letter(id: &str, queue: &str, code: &str, seconds_ago: i64) -> DeadLetter {
    DeadLetter {
        message_id: id.to_owned(),
        queue: queue.to_owned(),
        error_code: code.to_owned(),
        error: format!("the sentence of {code}"),
        parked_at: Some(Timestamp::from_second(now().as_second() - seconds_ago).unwrap()),
        receives: 1,
        event_type: Some("session.sync".to_owned()),
        session_ids: vec![format!("Session-{id}")],
        ..DeadLetter::default()
    }
}
