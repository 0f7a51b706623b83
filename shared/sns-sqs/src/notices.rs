//! Publishes notices to the topic `sync-notices`.
//!
//! A notice informs people and must not fail or delay a sync. So a failure is only logged, and the function waits at
//! most [`TIMEOUT`] for SNS. Only [`SnsNotices::publish_one`] returns its failure: an operator's action needs its notice.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use futures::future::join_all;
use quiz_events::{Notice, Notices, PublishError};
use tokio::time::timeout;

use crate::error::{is_refusal, service_answer};

/// The maximum of notices in one request of PublishBatch.
const MAX_NOTICES: usize = 10;
/// The maximum of bytes in one request, with room for the envelope.
const MAX_BYTES: usize = 200_000;
/// The timeout of one request, its retries included.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The topic `sync-notices`. The message attribute `type` has each notice's type. Each notice names the commit of its
/// sender.
#[derive(Clone, Debug)]
pub struct SnsNotices {
    client: Client,
    topic_arn: String,
    commit: Option<String>,
}

impl SnsNotices {
    /// The topic with this ARN. `commit` is the full hash of the sender's commit, if known.
    #[must_use]
    pub fn new(client: Client, topic_arn: String, commit: Option<&str>) -> Self {
        Self { client, topic_arn, commit: commit.map(str::to_owned) }
    }

    /// Publishes the notice and waits for SNS, with the retries of the SDK.
    ///
    /// # Errors
    /// [`PublishError`] if SNS may not have accepted the notice.
    pub async fn publish_one(&self, mut notice: Notice) -> Result<(), PublishError> {
        notice.commit.clone_from(&self.commit);
        let topic = || self.topic_arn.clone();
        let refused = |cause: String| PublishError::Refused { topic: topic(), cause };
        let text = serde_json::to_string(&notice).map_err(|error| refused(error.to_string()))?;
        let kind = kind_attribute(&notice).map_err(|error| refused(error.to_string()))?;
        let request = self.client.publish().topic_arn(&self.topic_arn).message(text);
        match request.message_attributes("type", kind).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) => Err(refused(service_answer(&error))),
            Err(error) => Err(PublishError::Unavailable { topic: topic(), cause: service_answer(&error) }),
        }
    }

    async fn publish(&self, entries: Vec<PublishBatchRequestEntry>) {
        let count = entries.len();
        let request = self.client.publish_batch().topic_arn(&self.topic_arn);
        match timeout(TIMEOUT, request.set_publish_batch_request_entries(Some(entries)).send()).await {
            Ok(Ok(answer)) => {
                for failed in answer.failed() {
                    tracing::warn!(notice = failed.id(), error = failed.message(), "notice not sent");
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(notices = count, error = service_answer(&error), "notices not sent");
            }
            Err(_) => {
                tracing::warn!(
                    notices = count,
                    error = "the topic did not answer in time",
                    "notices not sent"
                );
            }
        }
    }
}

#[async_trait]
impl Notices for SnsNotices {
    async fn send(&self, mut notices: Vec<Notice>) {
        for notice in &mut notices {
            notice.commit.clone_from(&self.commit);
        }
        join_all(batches(&notices).into_iter().map(|batch| self.publish(batch))).await;
    }
}

/// Divides the notices into requests within the limits of SNS.
fn batches(notices: &[Notice]) -> Vec<Vec<PublishBatchRequestEntry>> {
    let mut batches: Vec<Vec<PublishBatchRequestEntry>> = Vec::new();
    let mut bytes = 0;
    for (number, notice) in notices.iter().enumerate() {
        let Some((size, entry)) = entry(number, notice) else { continue };
        let fits = |batch: &Vec<_>| batch.len() < MAX_NOTICES && bytes + size <= MAX_BYTES;
        if batches.last().is_some_and(fits) {
            bytes += size;
        } else {
            batches.push(Vec::new());
            bytes = size;
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(entry);
        }
    }
    batches
}

fn entry(number: usize, notice: &Notice) -> Option<(usize, PublishBatchRequestEntry)> {
    let text = serde_json::to_string(notice).ok()?;
    let size = text.len();
    let entry = PublishBatchRequestEntry::builder()
        .id(number.to_string())
        .message(text)
        .message_attributes("type", kind_attribute(notice).ok()?)
        .build()
        .ok()?;
    Some((size, entry))
}

/// The notice's type, for the subscriptions' filters.
fn kind_attribute(notice: &Notice) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type("String").string_value(notice.kind.name()).build()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use quiz_events::{MessagesParked, Notice, NoticeKind};

    use super::batches;

    #[test]
    fn requests_stay_within_the_limits_of_sns() {
        let notice = |length: usize| {
            let parked = MessagesParked { error: "x".repeat(length), ..MessagesParked::default() };
            let kind = NoticeKind::MessagesParked(parked);
            Notice::new("n", Timestamp::UNIX_EPOCH, kind)
        };
        let small: Vec<Notice> = (0..23).map(|_| notice(10)).collect();
        let sizes: Vec<usize> = batches(&small).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 3]);
        let large: Vec<Notice> = (0..4).map(|_| notice(90_000)).collect();
        assert_eq!(batches(&large).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }
}
