use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use quiz_events::{PublishError, REQUESTS_AT_ONCE, RequestTopic, SyncRequest};

use crate::error::answer_of;

/// What PublishBatch takes in bytes, with room for attributes.
const BYTES: usize = 200_000;
/// Of an event that was not taken though it could be, …
const ATTEMPTS: u32 = 5;
/// … with this pause, doubled each time.
const PAUSE: Duration = Duration::from_millis(200);

/// The topic `quiz-events`. Each event has its type as the message attribute `type`.
#[derive(Clone, Debug)]
pub struct EventTopic {
    client: Client,
    arn: String,
}

impl EventTopic {
    #[must_use]
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    async fn publish_batch(&self, events: &[String]) -> Vec<Result<(), PublishError>> {
        let mut results: Vec<Result<(), PublishError>> = vec![Ok(()); events.len()];
        let mut left: Vec<usize> = (0..events.len()).collect();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE.saturating_mul(1 << attempt)).await;
            }
            let failed = self.send(events, &left).await;
            for place in left.drain(..) {
                if let Some(result) = results.get_mut(place) {
                    *result = failed.get(&place).cloned().map_or(Ok(()), Err);
                }
            }
            let may_help = |error: &PublishError| matches!(error, PublishError::Unavailable { .. });
            left.extend(failed.iter().filter(|(_, error)| may_help(error)).map(|(place, _)| *place));
            if left.is_empty() {
                break;
            }
        }
        results
    }

    /// Publishes the events at these places; tells which of them were not taken.
    async fn send(&self, events: &[String], places: &[usize]) -> HashMap<usize, PublishError> {
        let (mut entries, mut failed) = (Vec::with_capacity(places.len()), HashMap::new());
        for place in places {
            match events.get(*place).map(|event| entry(*place, event)) {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(error)) => drop(failed.insert(*place, self.failed(true, error.to_string()))),
                None => {}
            }
        }
        let request = self.client.publish_batch().topic_arn(&self.arn);
        match request.set_publish_batch_request_entries(Some(entries)).send().await {
            Ok(answer) => {
                failed.extend(answer.failed().iter().filter_map(|it| {
                    let text = format!("{}: {}", it.code(), it.message().unwrap_or_default());
                    Some((it.id().parse().ok()?, self.failed(it.sender_fault(), text)))
                }));
            }
            Err(error) => {
                let error = self.failed(is_refusal(&error), answer_of(&error));
                failed.extend(places.iter().map(|place| (*place, error.clone())));
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
            let (batch, others) = rest.split_at(fitting(rest));
            results.extend(self.publish_batch(batch).await);
            rest = others;
        }
        results
    }
}

/// How many of the first events fit into one request: at least one.
fn fitting(events: &[String]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&String| {
        bytes += event.len();
        bytes <= BYTES
    };
    events.iter().take(REQUESTS_AT_ONCE).take_while(fits).count().max(1)
}

fn entry(place: usize, event: &str) -> Result<PublishBatchRequestEntry, BuildError> {
    let kind =
        MessageAttributeValue::builder().data_type("String").string_value(SyncRequest::TYPE).build()?;
    let entry = PublishBatchRequestEntry::builder().id(place.to_string()).message(event);
    entry.message_attributes("type", kind).build()
}

fn is_refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    ["NotFound", "AuthorizationError", "InvalidParameter", "AccessDenied", "InvalidClientTokenId"]
        .iter()
        .any(|refusal| code.starts_with(refusal))
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn a_request_holds_ten_events_and_no_more_bytes_than_sns_takes() {
        let of = |lengths: &[usize]| lengths.iter().map(|it| "x".repeat(*it)).collect::<Vec<_>>();
        assert_eq!(fitting(&of(&[10; 23])), 10);
        assert_eq!(fitting(&of(&[90_000; 4])), 2);
        assert_eq!(fitting(&of(&[300_000, 1])), 1, "too large alone: SNS says so");
    }
}
