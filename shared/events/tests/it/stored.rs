//! Messages that commit 17c7b52 sends. They wait in the queues during an update of the stack, and during the shift of traffic
//! both versions send them, so this version reads them and keeps all their fields.

use quiz_events::{Event, Notice, parse};
use serde_json::Value;

const NOTICES: &str = include_str!("fixtures/notices.jsonl");
const REQUESTS: &str = include_str!("fixtures/events.jsonl");

/// Whether all of `before` is in `after`, which may have more fields.
fn contains(after: &Value, before: &Value) -> bool {
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => {
            before.iter().all(|(name, value)| after.get(name).is_some_and(|after| contains(after, value)))
        }
        (Value::Array(after), Value::Array(before)) => {
            after.len() == before.len()
                && after.iter().zip(before).all(|(after, before)| contains(after, before))
        }
        _ => after == before,
    }
}

#[test]
fn notices_of_the_version_before_are_read() {
    for line in NOTICES.lines() {
        let notice: Notice = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (before, after) = (serde_json::from_str(line).unwrap(), serde_json::to_value(&notice).unwrap());
        assert!(contains(&after, &before), "{after}\n{before}");
    }
    assert_eq!(NOTICES.lines().count(), 10, "each kind");
}

#[test]
fn requests_of_the_version_before_are_read() {
    for line in REQUESTS.lines() {
        let Ok(Event::SessionSync(request)) = parse(line, None) else { panic!("{line}") };
        let before = serde_json::from_str(line).unwrap();
        assert!(contains(&request.to_json(), &before), "{}\n{before}", request.to_json());
    }
}
