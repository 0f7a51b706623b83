//! The snippets of docs/PUBLISHING.md: both publish the same event, and each example is read as intended.
//!
//! A fresh machine has neither Node nor the AWS SDK, so no test runs the JavaScript. Here the event's literal of both
//! snippets becomes JSON, with values for its variables. `tests/e2e` runs the Python.

use quiz_events::{Completion, Event, SessionTarget, parse};
use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../../../docs/PUBLISHING.md");
const SESSION: &str = "Group_6715f621e1eb083bfa9b56cc";
const QUIZ: &str = "6715f621e1eb083bfa9b56cc";

/// The first code block in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The value of a variable of the snippets.
fn value(field: &str) -> &'static str {
    match field {
        "session_id" => SESSION,
        "quiz_id" => QUIZ,
        "user_id" => "20231234",
        "completed_at" => "2026-11-30T06:30:00.123456+00:00",
        other => panic!("{other} has no value"),
    }
}

/// The event's literal of a snippet as JSON.
fn event(snippet: &str) -> String {
    let (_, rest) = snippet.split_once("event = {\n").unwrap();
    let (literal, _) = rest.split_once('}').unwrap();
    let field = |line: &str| {
        let (name, expression) = line.trim().trim_end_matches(',').split_once(": ").unwrap();
        let name = name.trim_matches('"');
        let is_text = expression.starts_with('"');
        format!("{name:?}: {}", if is_text { expression.to_owned() } else { format!("{:?}", value(name)) })
    };
    let fields: Vec<String> = literal.lines().filter(|line| !line.trim().is_empty()).map(field).collect();
    format!("{{{}}}", fields.join(", "))
}

#[test]
fn both_snippets_publish_the_same_completion() {
    let [python, javascript] = ["python", "javascript"].map(|language| event(block(language)));
    let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
    assert_eq!(fields(&python), fields(&javascript));
    let expected = Event::QuizCompleted(Completion {
        target: SessionTarget { session_id: SESSION.into(), quiz_id: QUIZ.into() },
        user_id: Some(value("user_id").into()),
        completed_at: value("completed_at").parse().unwrap(),
    });
    assert_eq!(parse(&javascript, None), Ok(expected));
    for name in fields(&python).keys() {
        assert!(PAGE.contains(&format!("\n| `{name}` |")), "the table of fields lacks {name}");
    }
}

#[test]
fn snippets_send_the_type_as_attribute() {
    for (language, attribute) in [
        ("python", r#""type": {"DataType": "String", "StringValue": "quiz.completed"}"#),
        ("javascript", r#"type: { DataType: "String", StringValue: "quiz.completed" }"#),
    ] {
        assert!(block(language).contains(attribute), "{language}");
    }
}

#[test]
fn scheduler_example_is_a_request() {
    let Ok(Event::SessionSync(request)) = parse(block("json"), None) else { panic!("no request") };
    assert_eq!(request.targets[0].session_id, SESSION);
    let session = request.session.unwrap();
    assert_eq!(session.test_name.as_deref(), Some("Mock 7"));
    assert_eq!(session.start_time.unwrap().to_string(), "2026-11-30T03:30:00Z");
}
