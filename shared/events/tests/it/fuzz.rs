//! Any message in a queue is an event, a notice or a clear error, and never crashes the process.

use proptest::collection::vec;
use proptest::prelude::*;
use quiz_events::{Event, QueueMessage, parse};
use serde_json::json;

/// Real messages, which the tests damage.
fn seeds() -> Vec<String> {
    let completed = json!({
        "type": "quiz.completed", "session_id": "Group_6715f621e1eb083bfa9b56cc", "user_id": "42",
        "completed_at": "2024-04-30T18:15:00Z",
    });
    let request = json!({
        "type": "session.sync", "session_ids": ["A_6715f621e1eb083bfa9b56cc", "B_6715f621e1eb083bfa9b56cc"],
        "force": true, "follow_up_depth": 7, "session": {"test_name": "Unit test", "start_time": "2024-04-30T04:30:00Z"},
    });
    let notice = json!({
        "type": "messages.dropped", "id": "n-1", "at": "2024-04-30T18:15:00Z", "queue": "reports-dlq",
        "messages": 3, "by": "olivia", "reason": "a trial",
    });
    let finished = json!({
        "type": "sync.finished", "id": "n-2", "at": "2026-11-21T08:36:04Z", "sink": "reports", "session_id": "A",
        "quiz_id": "q", "test_name": "A test", "takers": 3, "ranked": 3, "rows_written": 15, "messages_coalesced": 3,
        "started_at": "2026-11-21T08:36:00Z", "duration_ms": 4000, "histogram": [{"from": 0.0, "to": 4.0, "takers": 3}],
    });
    let backfill = json!({
        "type": "backfill.started", "id": "n-3", "at": "2026-11-21T08:36:04Z", "backfill_id": "b1", "tests": 300,
        "done": 7, "failed": 0,
    });
    let alarm = json!({
        "AlarmName": "quiz-etl-dead-letters", "NewStateValue": "ALARM", "NewStateReason": "1 > 0",
        "StateChangeTime": "2026-11-21T08:36:04.123+0000",
    });
    let envelope = |message: &serde_json::Value| {
        json!({
            "Type": "Notification", "TopicArn": "arn:aws:sns:ap-south-1:1:events", "MessageId": "m",
            "Message": message.to_string(), "MessageAttributes": {"type": {"Type": "String", "Value": "session.sync"}},
        })
    };
    let change =
        json!({"environment": "production", "action": "patch", "id": 825, "patch_session": {"name": "n"}});
    let plain = [completed, request, notice, finished, backfill, alarm, change];
    plain.iter().chain(&plain.each_ref().map(envelope)).map(ToString::to_string).collect()
}

#[derive(Clone, Debug)]
enum Damage {
    Byte(usize, u8),
    Cut(usize, usize),
    Repeat(usize, usize),
    /// So many of one bracket: a parser that goes down a level by a call overflows its stack.
    Nest(usize, usize, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<usize>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (place(), 0..200_usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        (place(), 0..200_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        (
            place(),
            0..200_000_usize,
            prop_oneof![Just("["), Just("{\"a\":"), Just("\\\""), Just("[{\"type\":")]
        )
            .prop_map(|(at, levels, bracket)| Damage::Nest(at, levels, bracket)),
    ]
}

fn damaged(seed: &str, damages: &[Damage]) -> String {
    let mut bytes = seed.as_bytes().to_vec();
    for damage in damages {
        let place = |at: usize| at % (bytes.len() + 1);
        match *damage {
            Damage::Byte(at, byte) => {
                let at = place(at);
                bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
            }
            Damage::Cut(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Damage::Repeat(at, length) => {
                let at = place(at);
                let part: Vec<u8> = bytes.iter().skip(at).take(length).copied().collect();
                bytes.splice(at..at, part);
            }
            Damage::Nest(at, levels, bracket) => {
                let at = place(at);
                bytes.splice(at..at, bracket.repeat(levels).into_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(body: String, attribute: Option<String>) {
    let message = QueueMessage {
        message_id: "m".into(),
        body,
        event_type: attribute,
        receive_count: 1,
        ..QueueMessage::default()
    };
    match message.event() {
        Ok(event) => {
            assert_eq!(event.targets().is_empty(), matches!(event, Event::SessionChanged(_)), "{event:?}");
            assert!(
                event
                    .targets()
                    .iter()
                    .all(|target| !target.session_id.is_empty() && !target.quiz_id.is_empty())
            );
            // a request that was read can be sent again
            if let Event::SessionSync(request) = &event {
                let again = parse(&request.to_json().to_string(), None);
                assert!(again.is_ok(), "{request:?}: {again:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && error.to_string().len() < 2_000),
    }
    assert!(!format!("{:?}", message.notice()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_message_is_an_event_or_an_error(
        seed in 0..seeds().len(),
        damages in vec(damage(), 0..4),
        attribute in proptest::option::of(".{0,20}"),
    ) {
        read(damaged(&seeds()[seed], &damages), attribute);
    }

    #[test]
    fn any_text_is_an_event_or_an_error(body in ".{0,300}", attribute in proptest::option::of(".{0,20}")) {
        read(body, attribute);
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for open in ["[", "{\"a\":", "{\"Type\":\"Notification\",\"TopicArn\":"] {
        let deep = open.repeat(100_000);
        assert!(parse(&deep, None).is_err());
        read(deep, None);
    }
}
