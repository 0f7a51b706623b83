use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The queue of the records.
const QUEUE: &str = "arn:aws:sqs:ap-south-1:000000000000:quiz-reports";
/// The number of quizzes that students complete at the same time.
const QUIZZES: u32 = 10;

/// One student's `quiz.completed`.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The JSON text of the event.
    pub event: String,
    /// The event in SNS's envelope.
    pub envelope: String,
    /// The envelope in Lambda's SQS record.
    pub record: Value,
}

/// Completions of different students, mixed from several quizzes.
///
/// # Errors
/// If `count` exceeds the range of timestamps.
pub fn completions(count: u32) -> Result<Vec<Completion>> {
    let began: Timestamp = "2024-04-30T07:30:00Z".parse()?;
    let completion = |student: u32| {
        let at = began.checked_add(SignedDuration::from_millis(i64::from(student) * 7))?;
        Ok(completion(student, at))
    };
    (0..count).map(completion).collect()
}

fn completion(student: u32, at: Timestamp) -> Completion {
    let quiz = format!("6715f621e1eb083bfa9b{:04x}", student % QUIZZES);
    let event = json!({
        "type": "quiz.completed", "session_id": format!("EnableStudents_{quiz}"), "quiz_id": quiz,
        "user_id": format!("{}", 20_000_000_000_u64 + u64::from(student)), "completed_at": at.to_string(),
    });
    let event = event.to_string();
    let id = format!("0f9a3c1e-7d52-4b7e-9c1d-{student:012x}");
    let envelope = json!({
        "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:ap-south-1:000000000000:quiz-events",
        "Message": event, "Timestamp": at.to_string(), "SignatureVersion": "1",
        "Signature": "q".repeat(344),
        "SigningCertURL": format!("https://sns.example/SimpleNotificationService-{}.pem", "0".repeat(32)),
        "UnsubscribeURL": format!("https://sns.example/?Action=Unsubscribe&SubscriptionArn={}", "1".repeat(90)),
        "MessageAttributes": {"type": {"Type": "String", "Value": "quiz.completed"}},
    });
    let envelope = envelope.to_string();
    let record = json!({
        "messageId": id, "receiptHandle": "r".repeat(180), "body": envelope,
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": at.as_millisecond().to_string(),
            "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
            "ApproximateFirstReceiveTimestamp": (at.as_millisecond() + 5).to_string(),
        },
        "messageAttributes": {}, "md5OfBody": "7b270e59b47ff90a553787216d55d91d", "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE, "awsRegion": "ap-south-1",
    });
    Completion { event, envelope, record }
}
