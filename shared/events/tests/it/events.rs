//! Parsing of events, and the errors of messages that are no events.

use proptest::prelude::*;
use quiz_events::{
    ChangeAction, Event, EventError, QueueMessage, SessionChange, SessionClock, SessionDescription,
    SessionTarget, SyncRequest, parse, quiz_id_of,
};

use serde_json::json;

const ID: &str = "EnableStudents_6715f621e1eb083bfa9b56cc";
const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

fn sync(message: &str) -> SyncRequest {
    match parse(message, None) {
        Ok(Event::SessionSync(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn error(message: &str) -> String {
    parse(message, None).unwrap_err().to_string()
}

#[test]
fn hand_written_forms_are_sync_requests() {
    let quoted = format!("{ID:?}");
    let object = format!(r#"{{"session_id": "{ID}"}}"#);
    for message in [ID, &format!("  {ID}\n"), &quoted, &object, QUIZ, "123456789012345678901234"] {
        let request = sync(message);
        assert_eq!(request.targets.len(), 1, "{message}");
        let quiz = if message.starts_with('1') { message } else { QUIZ };
        assert_eq!(request.targets[0].quiz_id, quiz, "{message}");
        assert!(!request.force);
    }
}

#[test]
fn completion_is_read_with_all_fields() {
    let message = format!(
        r#"{{"type":"quiz.completed","session_id":"{ID}","user_id":"u1","completed_at":"2024-04-30T18:15:00Z","x":1}}"#
    );
    let Ok(Event::QuizCompleted(completion)) = parse(&message, None) else { panic!() };
    assert_eq!((&*completion.target.session_id, &*completion.target.quiz_id), (ID, QUIZ));
    assert_eq!(completion.user_id.as_deref(), Some("u1"));
    assert_eq!(completion.completed_at.to_string(), "2024-04-30T18:15:00Z");
    assert_eq!(parse(&message.replace("type", "event"), None), parse(&message, None));
}

#[test]
fn request_of_many_sessions_is_read() {
    let request = sync(&format!(
        r#"{{"type":"session.sync","session_ids":["{ID}","Other_{QUIZ}"],"force":true,"reason":"late answers",
            "requested_by":"ops","session":{{"test_name":" Weekly ","grade":12,"start_time":"2024-04-30T10:00:00",
            "end_time":"2024-04-30T12:00:00+05:30","batch":null,"school":""}}}}"#
    ));
    assert_eq!(request.targets.len(), 2);
    assert!(request.force);
    let session = request.session.unwrap();
    assert_eq!((session.test_name.as_deref(), session.grade.as_deref()), (Some("Weekly"), Some("12")));
    assert_eq!((session.batch, session.school), (None, None));
    assert_eq!(
        session.start_time.unwrap().to_string(),
        "2024-04-30T04:30:00Z",
        "a clock without zone is India's"
    );
    assert_eq!(session.end_time.unwrap().to_string(), "2024-04-30T06:30:00Z");
}

#[test]
fn session_id_names_its_quiz() {
    assert_eq!(quiz_id_of("A_B_6715f621e1eb083bfa9b56cc"), Some(QUIZ));
    assert_eq!(quiz_id_of("A_6715f621e1eb083bfa9b56c"), None);
    assert_eq!(quiz_id_of("6715f621e1eb083bfa9b56cc_A"), None);
    let request = sync(r#"{"session_id":"weekly","quiz_id":"q1"}"#);
    assert_eq!(request.targets[0].quiz_id, "q1");
    let several = sync(r#"{"session_ids":["weekly-a","weekly-b"],"quiz_id":"q1"}"#);
    assert!(several.targets.iter().all(|target| target.quiz_id == "q1") && several.targets.len() == 2);
}

#[test]
fn every_error_names_its_field() {
    insta::assert_snapshot!(
        [
            "", "hello", "hello world", "{\"session_id\"", "[]", "7", "null", "{}",
            r#"{"type":"quiz.started"}"#,
            r#"{"type":7}"#,
            r#"{"type":"quiz.completed","completed_at":"2024-04-30T18:15:00Z"}"#,
            r#"{"type":"quiz.completed","session_id":"A_6715f621e1eb083bfa9b56cc"}"#,
            r#"{"type":"quiz.completed","session_id":"A_6715f621e1eb083bfa9b56cc","completed_at":"yesterday"}"#,
            r#"{"session_id":5}"#,
            r#"{"session_ids":"A"}"#,
            r#"{"session_ids":[]}"#,
            r#"{"session_ids":["6715f621e1eb083bfa9b56cc",7]}"#,
            r#"{"session_ids":["6715f621e1eb083bfa9b56cc","b"]}"#,
            r#"{"session_id":"6715f621e1eb083bfa9b56cc","session":{"end_time":"2024-04-30"}}"#,
            r#"{"session_id":"6715f621e1eb083bfa9b56cc","session_ids":["6715f621e1eb083bfa9b56cc"]}"#,
            r#"{"session_id":"6715f621e1eb083bfa9b56cc","force":"yes"}"#,
            r#"{"session_id":"6715f621e1eb083bfa9b56cc","session":[]}"#,
            r#"{"session_id":"6715f621e1eb083bfa9b56cc","session":{"batch":1}}"#,
            r#"{"session_id":"6715f621e1eb083bfa9b56cc","session":{"end_time":"late"}}"#,
            r#"{"session_id":"a\u0000b","quiz_id":"q"}"#,
            r#"{"environment":"production","action":"delete","id":825}"#,
            r#"{"action":7,"id":825}"#,
            r#"{"action":"patch"}"#,
            r#"{"action":"patch","id":"GroupA"}"#,
            r#"{"action":"patch","id":8.5}"#,
        ]
        .map(|message| format!("{message}\n    {}", error(message)))
        .join("\n")
    );
    let many = json!({"session_ids": vec![QUIZ; 101]}).to_string();
    assert_eq!(error(&many), "`session_ids` has 101 ids; at most 100 are allowed in one event");
    let long = format!(r#"{{"session_id":"{}_{QUIZ}"}}"#, "a".repeat(600));
    assert_eq!(error(&long), "`session_id` has 625 bytes; at most 512 are allowed");
}

#[test]
fn both_envelopes_are_read() {
    let event = format!(r#"{{"session_id":"{ID}","completed_at":"2024-04-30T18:15:00Z"}}"#);
    let notification = json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:ap-south-1:1:quiz-events",
        "Message": event, "Timestamp": "2024-04-30T18:15:01Z",
        "MessageAttributes": {"type": {"Type": "String", "Value": "quiz.completed"}},
    });
    let enveloped = QueueMessage { body: notification.to_string(), ..QueueMessage::default() };
    assert!(matches!(enveloped.event(), Ok(Event::QuizCompleted(_))));
    let event_type = Some("quiz.completed".to_owned());
    let raw = QueueMessage { body: event.clone(), event_type, ..QueueMessage::default() };
    assert_eq!(raw.event(), enveloped.event());
    let bare = QueueMessage { body: event, ..QueueMessage::default() };
    assert!(matches!(bare.event(), Ok(Event::SessionSync(_))));
    let by_hand = json!({"Type": "Notification", "TopicArn": "arn", "Message": ID});
    let by_hand = QueueMessage { body: by_hand.to_string(), ..QueueMessage::default() };
    assert!(matches!(by_hand.event(), Ok(Event::SessionSync(_))));
}

#[test]
fn message_of_another_service_is_named() {
    let confirmation =
        r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn","Token":"t","Message":"You have"}"#;
    let records = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#;
    let alarm = r#"{"AlarmName":"late","NewStateValue":"ALARM"}"#;
    let bridge =
        r#"{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"bucket":"b"}}"#;
    let parse_error =
        |body: &str| QueueMessage { body: body.into(), ..QueueMessage::default() }.event().unwrap_err();
    let said = [
        (
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#,
            "a test event of Amazon S3 (s3:TestEvent)",
        ),
        (confirmation, "a SubscriptionConfirmation of SNS, which waits for a confirmation"),
        (records, "a list of records of aws:s3"),
        (alarm, "the alarm \"late\" of CloudWatch"),
        (bridge, "an event of EventBridge (Object Created) with another `detail`"),
    ];
    for (body, what) in said {
        let error = parse_error(body);
        assert_eq!(error.to_string(), format!("the message is {what}, not an event of ours"));
        assert_eq!(error.code(), "not_an_event");
    }
}

#[test]
fn changes_of_quiz_creator_and_lms_are_read() {
    use ChangeAction::{DbId, Patch, RegenerateQuiz};
    let cases = [
        (r#"{"environment":"production","action":"db_id","id":825}"#, DbId),
        (r#"{"environment":"staging","action":"regenerate_quiz","id":"825"}"#, RegenerateQuiz),
        (r#"{"action":"patch","id":825,"patch_session":{"name":"Mock 7","is_active":false}}"#, Patch),
    ];
    for (body, action) in cases {
        let event = parse(body, None).unwrap();
        assert_eq!(event, Event::SessionChanged(SessionChange { action, db_id: 825 }), "{body}");
        assert!(event.targets().is_empty() && body.contains(action.as_str()));
    }
    // an event of ours ignores a field that it does not know
    let ours = format!(r#"{{"session_id":"{ID}","action":"patch"}}"#);
    assert!(matches!(parse(&ours, None), Ok(Event::SessionSync(_))));
    let typed = format!(r#"{{"type":"session.sync","session_ids":["{ID}"],"action":7}}"#);
    assert!(matches!(parse(&typed, None), Ok(Event::SessionSync(_))));
}

#[test]
fn event_within_other_wrappings_is_read() {
    let event = format!(r#"{{"session_id":"{ID}"}}"#);
    let expected = parse(&event, None).unwrap();
    let twice = serde_json::Value::String(event.clone()).to_string();
    let detail: serde_json::Value = serde_json::from_str(&event).unwrap();
    let bridge = json!({"detail-type": "quiz", "source": "backend", "detail": detail});
    let within =
        |message: &str| json!({"Type": "Notification", "TopicArn": "arn", "Message": message}).to_string();
    for body in [twice, bridge.to_string(), within(&within(&event))] {
        let message = QueueMessage { body: body.clone(), ..QueueMessage::default() };
        assert_eq!(message.event().as_ref(), Ok(&expected), "{body}");
    }
}

#[test]
fn quiz_time_format_is_read() {
    let start = |text: &str| {
        let request = sync(&format!(r#"{{"session_id":"{ID}","session":{{"start_time":"{text}"}}}}"#));
        request.session.unwrap().start_time.unwrap().to_string()
    };
    assert_eq!(start("2026-05-01 08:00:00 PM"), "2026-05-01T14:30:00Z", "India's clock");
    assert_eq!(start("2026-05-01 12:05:00 am"), "2026-04-30T18:35:00Z");
}

#[test]
fn unknown_type_has_its_own_code() {
    assert_eq!(parse("{\"type\":\"x\"}", None).unwrap_err().code(), "unknown_event_type");
    assert_eq!(
        parse(&format!("{{\"session_id\":\"{ID}\"}}"), Some("x")),
        Err(EventError::UnknownType("x".into()))
    );
}

proptest! {
    #[test]
    fn any_text_parses_without_panic(body in ".{0,200}", attribute in prop::option::of(".{0,20}")) {
        let message = QueueMessage { body, event_type: attribute, ..QueueMessage::default() };
        let _ = message.event();
    }
}

#[test]
fn request_is_read_as_it_was_written() {
    let target = SessionTarget { session_id: "Free-name".into(), quiz_id: QUIZ.into() };
    let small = SyncRequest { targets: vec![target.clone()], ..SyncRequest::default() };
    let description = SessionDescription {
        test_name: Some("Weekly \u{1f642}".into()),
        start_time: "2024-04-30T04:30:00Z".parse().ok(),
        ..SessionDescription::default()
    };
    let full = SyncRequest {
        force: true,
        reason: Some("marks were corrected".into()),
        requested_by: Some("ops".into()),
        backfill_id: Some("b1".into()),
        session: Some(Box::new(description)),
        ..small.clone()
    };
    let several =
        ["A", "B"].map(|group| SessionTarget { session_id: format!("{group}_{QUIZ}"), quiz_id: QUIZ.into() });
    for request in [small, full, SyncRequest { targets: several.into(), ..SyncRequest::default() }] {
        let read = parse(&request.to_json().to_string(), None).unwrap();
        assert_eq!(read, Event::SessionSync(request));
    }
}

#[test]
fn db_service_times_survive_republishing() {
    let clock = SessionClock::India;
    let body = json!({"session_id": ID, "session": {
        "start_time": "2026-05-01T20:00:00Z", "end_time": "2026-05-01T23:45:00+05:30",
    }});
    let message = |body: String| QueueMessage { body, session_clock: clock, ..QueueMessage::default() };
    let Ok(Event::SessionSync(request)) = message(body.to_string()).event() else { panic!("{body}") };
    let session = request.session.as_deref().unwrap();
    let times = [session.start_time, session.end_time].map(|time| time.unwrap().to_string());
    assert_eq!(times, ["2026-05-01T14:30:00Z", "2026-05-01T18:15:00Z"]);
    // the release before published true UTC with a `Z`
    let before =
        json!({"session_id": ID, "backfill_id": "b", "session": {"start_time": "2026-05-01T14:30:00Z"}});
    let Ok(Event::SessionSync(before)) = message(before.to_string()).event() else { panic!("{before}") };
    assert_eq!(before.session.as_deref().unwrap().start_time, session.start_time);
    // what the command publishes says its offset, so the function does not shift it again
    let again = message(request.to_json().to_string()).event().unwrap();
    assert_eq!(again, Event::SessionSync(request));
}
