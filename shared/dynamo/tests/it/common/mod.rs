//! Items, limits with short waits, and a stub of DynamoDB that follows a script.
#![allow(dead_code, reason = "not every test uses each helper")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

pub mod stub;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use quiz_domain::Value;
use quiz_domain::reports::{FormResponse, ReportItem};
use quiz_dynamo::{DynamoStore, TableNames, WriteLimits};

pub fn item(session_id: &str, user_id: &str, user_response: Value) -> ReportItem {
    ReportItem::FormResponse(Box::new(FormResponse {
        session_id: session_id.to_owned(),
        sort_key: format!("{user_id}#0"),
        user_id: user_id.to_owned(),
        question_position_index: 0,
        question_id: "q0".into(),
        question_set_title: None,
        question_text: None,
        priority: Value::Null,
        user_response,
        user_response_labels: None,
        is_answered: true,
        test_name: "A form".into(),
        start_date: "2024-04-30".to_owned(),
        sync_generation: 1,
        content_digest: None,
    }))
}

pub fn items(count: usize) -> Vec<ReportItem> {
    (0..count).map(|user| item("session", &format!("u{user:03}"), Value::Null)).collect()
}

pub fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Int(1), |inner, _| Value::List(vec![inner]))
}

/// Limits with short waits and one request at a time, so that a stub answers in order.
pub fn quick() -> WriteLimits {
    WriteLimits {
        requests: 1,
        attempts: 6,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        ..WriteLimits::default()
    }
}

/// A client like that of the functions: the SDK's retries are on.
pub fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .http_client(quiz_lambda::aws::http_client())
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("ap-south-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

pub fn store_at(endpoint: &str, limits: WriteLimits) -> DynamoStore {
    DynamoStore::new(client(endpoint), TableNames::default(), limits)
}
