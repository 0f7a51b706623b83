//! Publishes events to the topic `quiz-events`.
//!
//! PublishBatch can accept some events of a request and fail others. The events that a retry may help are sent again
//! with a growing pause; each event has its own result. An event may be published twice, if only the answer was lost.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use quiz_events::{PublishError, REQUESTS_AT_ONCE, RequestTopic, SyncRequest};

use crate::error::{is_refusal, service_answer};

/// The maximum of bytes in one request, with room for the attributes.
const MAX_BYTES: usize = 200_000;
/// Attempts to publish an event.
const ATTEMPTS: u32 = 5;
/// The pause after an attempt; it doubles with each attempt.
const PAUSE: Duration = Duration::from_millis(200);

/// The topic `quiz-events`. The message attribute `type` has each event's type, for the subscriptions' filters.
#[derive(Clone, Debug)]
pub struct EventTopic {
    client: Client,
    arn: String,
}

impl EventTopic {
    /// The topic with this ARN.
    #[must_use]
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Publishes the events of one request, with retries.
    async fn publish_batch(&self, events: &[String]) -> Vec<Result<(), PublishError>> {
        let mut results: Vec<Result<(), PublishError>> = vec![Ok(()); events.len()];
        let mut left: Vec<usize> = (0..events.len()).collect();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE.saturating_mul(1 << attempt)).await;
            }
            let failed = self.send(events, &left).await;
            for index in left.drain(..) {
                if let Some(result) = results.get_mut(index) {
                    *result = failed.get(&index).cloned().map_or(Ok(()), Err);
                }
            }
            let is_retryable = |error: &PublishError| matches!(error, PublishError::Unavailable { .. });
            left.extend(failed.iter().filter(|(_, error)| is_retryable(error)).map(|(index, _)| *index));
            if left.is_empty() {
                break;
            }
        }
        results
    }

    /// Sends one request with the events at these indexes; returns the errors by index.
    async fn send(&self, events: &[String], indexes: &[usize]) -> HashMap<usize, PublishError> {
        let (mut entries, mut failed) = (Vec::with_capacity(indexes.len()), HashMap::new());
        for index in indexes {
            match events.get(*index).map(|event| entry(*index, event)) {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(error)) => drop(failed.insert(*index, self.failed(true, error.to_string()))),
                None => {}
            }
        }
        let request = self.client.publish_batch().topic_arn(&self.arn);
        match request.set_publish_batch_request_entries(Some(entries)).send().await {
            Ok(answer) => {
                failed.extend(answer.failed().iter().filter_map(|entry| {
                    let text = format!("{}: {}", entry.code(), entry.message().unwrap_or_default());
                    Some((entry.id().parse().ok()?, self.failed(entry.sender_fault(), text)))
                }));
            }
            Err(error) => {
                let error = self.failed(is_refusal(&error), service_answer(&error));
                failed.extend(indexes.iter().map(|index| (*index, error.clone())));
            }
        }
        failed
    }

    fn failed(&self, refused: bool, cause: String) -> PublishError {
        let topic = self.arn.clone();
        if refused {
            PublishError::Refused { topic, cause }
        } else {
            PublishError::Unavailable { topic, cause }
        }
    }
}

#[async_trait]
impl RequestTopic for EventTopic {
    async fn publish(&self, requests: &[SyncRequest]) -> Vec<Result<(), PublishError>> {
        let events: Vec<String> = requests.iter().map(|request| request.to_json().to_string()).collect();
        let mut results: Vec<Result<(), PublishError>> = Vec::with_capacity(events.len());
        let mut rest = &*events;
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            results.extend(self.publish_batch(batch).await);
            rest = others;
        }
        results
    }
}

/// Counts the first events that fit into one request; at least one.
fn batch_length(events: &[String]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&String| {
        bytes += event.len();
        bytes <= MAX_BYTES
    };
    events.iter().take(REQUESTS_AT_ONCE).take_while(fits).count().max(1)
}

fn entry(index: usize, event: &str) -> Result<PublishBatchRequestEntry, BuildError> {
    let kind =
        MessageAttributeValue::builder().data_type("String").string_value(SyncRequest::TYPE).build()?;
    let entry = PublishBatchRequestEntry::builder().id(index.to_string()).message(event);
    entry.message_attributes("type", kind).build()
}

#[cfg(test)]
mod tests {
    use super::batch_length;

    #[test]
    fn request_stays_within_the_limits_of_sns() {
        let events = |lengths: &[usize]| lengths.iter().map(|length| "x".repeat(*length)).collect::<Vec<_>>();
        assert_eq!(batch_length(&events(&[10; 23])), 10);
        assert_eq!(batch_length(&events(&[90_000; 4])), 2);
        assert_eq!(batch_length(&events(&[300_000, 1])), 1, "SNS refuses an event that is too large");
    }
}
