//! The Python of `docs/PUBLISHING.md` publishes to the local SNS; the message in the queue is the event as intended.
//! The tests of `shared/events` hold the JavaScript to the same fields.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quiz_e2e::PATIENCE;
use quiz_events::{Event, QueueMessage, SessionTarget};
use quiz_stack::{Delivery, Stack, unique};

const PAGE: &str = include_str!("../../../../docs/PUBLISHING.md");
const SESSION: &str = "Group_6715f621e1eb083bfa9b56cc";
const QUIZ: &str = "6715f621e1eb083bfa9b56cc";
const USER: &str = "20231234";

#[tokio::test]
async fn python_snippet_publishes_a_completion() {
    let stack = Stack::get().await.unwrap();
    let name = unique("publishing");
    let queue = stack.create_queue_pair(&name, 3, Duration::from_secs(30)).await.unwrap();
    let topic = stack.create_topic(&name).await.unwrap();
    stack.subscribe(&topic, &queue.arn, Delivery::Raw).await.unwrap();

    let (_, snippet) = PAGE.split_once("```python\n").unwrap();
    let (snippet, _) = snippet.split_once("```").unwrap();
    let script = format!("{snippet}\nimport sys\npublish_completion(*sys.argv[1:])\n");
    // the stack's Python has boto3, which aws-sam-translator needs
    let python = stack.python().map_or_else(|_| PathBuf::from("python3"), PathBuf::from);
    let started = Timestamp::now();
    let output = Command::new(python)
        .args(["-c", &script, SESSION, QUIZ, USER])
        .env_clear()
        .env("EVENTS_TOPIC_ARN", &topic)
        .env("AWS_ENDPOINT_URL", stack.aws_endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let received = stack.wait_for_messages(&queue.url, 1, PATIENCE).await.unwrap();
    let message = &received[0];
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["type"].string_value(), Some("quiz.completed"));
    let message = QueueMessage { body: message.body().unwrap().to_owned(), ..QueueMessage::default() };
    let Event::QuizCompleted(completion) = message.event().unwrap() else { panic!("{message:?}") };
    assert_eq!(completion.target, SessionTarget { session_id: SESSION.into(), quiz_id: QUIZ.into() });
    assert_eq!(completion.user_id.as_deref(), Some(USER));
    let minute = SignedDuration::from_mins(1);
    assert!(
        started - minute <= completion.completed_at && completion.completed_at <= Timestamp::now() + minute
    );
}
