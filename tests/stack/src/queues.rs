use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use serde_json::json;

use crate::{Stack, eventually};

/// The most messages of one SNS or SQS batch request.
const BATCH: usize = 10;

/// A queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub struct QueuePair {
    pub url: String,
    pub arn: String,
    pub dlq_url: String,
    pub dlq_arn: String,
}

/// The form of a topic's messages in a queue: the message itself, or SNS's notification envelope with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Raw,
    Envelope,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    pub visible: u64,
    /// Received, but neither deleted nor visible again.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
}

impl Stack {
    /// A client for SQS, bound to the runtime of the calling test.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.aws_config())
    }

    /// A client for SNS, bound to the runtime of the calling test.
    #[must_use]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.aws_config())
    }

    /// Creates the queue `name` and its dead-letter queue `{name}-dlq`, which gets a message after `max_receive_count`
    /// receives. `visibility_timeout` has whole seconds.
    ///
    /// # Errors
    /// A refusal of SQS.
    pub async fn create_queue_pair(
        &self,
        name: &str,
        max_receive_count: u32,
        visibility_timeout: Duration,
    ) -> Result<QueuePair> {
        let sqs = self.sqs();
        let dlq_url = create_queue(&sqs, &format!("{name}-dlq"), &[]).await?;
        let dlq_arn = attribute(&sqs, &dlq_url, QueueAttributeName::QueueArn).await?;
        let redrive =
            json!({"deadLetterTargetArn": dlq_arn, "maxReceiveCount": max_receive_count.to_string()});
        let attributes = [
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
            (QueueAttributeName::VisibilityTimeout, visibility_timeout.as_secs().to_string()),
        ];
        let url = create_queue(&sqs, name, &attributes).await?;
        let arn = attribute(&sqs, &url, QueueAttributeName::QueueArn).await?;
        Ok(QueuePair { url, arn, dlq_url, dlq_arn })
    }

    /// Creates a topic and returns its ARN.
    ///
    /// # Errors
    /// A refusal of SNS.
    pub async fn create_topic(&self, name: &str) -> Result<String> {
        let topic = self.sns().create_topic().name(name).send().await;
        topic
            .with_context(|| format!("cannot create topic {name}"))?
            .topic_arn
            .context("a topic without an ARN")
    }

    /// Subscribes a queue to a topic and returns the subscription's ARN.
    ///
    /// # Errors
    /// A refusal of SNS.
    pub async fn subscribe(&self, topic_arn: &str, queue_arn: &str, delivery: Delivery) -> Result<String> {
        let request = self.sns().subscribe().topic_arn(topic_arn).protocol("sqs").endpoint(queue_arn);
        let raw = (delivery == Delivery::Raw).to_string();
        let made = request.attributes("RawMessageDelivery", raw).return_subscription_arn(true).send().await;
        let made = made.with_context(|| format!("cannot subscribe {queue_arn} to {topic_arn}"))?;
        made.subscription_arn.context("a subscription without an ARN")
    }

    /// Changes how a subscribed queue receives a topic's messages.
    ///
    /// # Errors
    /// A refusal of SNS, or a queue without a subscription.
    pub async fn deliver(&self, topic_arn: &str, queue_arn: &str, delivery: Delivery) -> Result<()> {
        let sns = self.sns();
        let found = sns.list_subscriptions_by_topic().topic_arn(topic_arn).into_paginator().items().send();
        let found = found.collect::<Result<Vec<_>, _>>().await?;
        let subscription = found.into_iter().find(|subscription| subscription.endpoint() == Some(queue_arn));
        let subscription = subscription.and_then(|subscription| subscription.subscription_arn);
        let subscription =
            subscription.with_context(|| format!("{queue_arn} hears nothing of {topic_arn}"))?;
        let set = sns.set_subscription_attributes().subscription_arn(subscription);
        let raw = (delivery == Delivery::Raw).to_string();
        set.attribute_name("RawMessageDelivery").attribute_value(raw).send().await?;
        Ok(())
    }

    /// Publishes one message with string attributes and returns its id.
    ///
    /// # Errors
    /// A refusal of SNS.
    pub async fn publish(&self, topic_arn: &str, body: &str, attributes: &[(&str, &str)]) -> Result<String> {
        let mut request = self.sns().publish().topic_arn(topic_arn).message(body);
        for (name, value) in attributes {
            request = request.message_attributes(*name, string_attribute(value)?);
        }
        let sent = request.send().await.with_context(|| format!("cannot publish to {topic_arn}"))?;
        sent.message_id.context("a publication without an id")
    }

    /// Publishes many messages, ten a request, each with the same string attributes.
    ///
    /// # Errors
    /// A refusal of SNS, also when it is one message of many.
    pub async fn publish_all(
        &self,
        topic_arn: &str,
        bodies: &[String],
        attributes: &[(&str, &str)],
    ) -> Result<()> {
        let sns = self.sns();
        for chunk in bodies.chunks(BATCH) {
            let mut request = sns.publish_batch().topic_arn(topic_arn);
            for (index, body) in chunk.iter().enumerate() {
                let mut entry = PublishBatchRequestEntry::builder().id(index.to_string()).message(body);
                for (name, value) in attributes {
                    entry = entry.message_attributes(*name, string_attribute(value)?);
                }
                request = request.publish_batch_request_entries(entry.build()?);
            }
            let sent = request.send().await.with_context(|| format!("cannot publish to {topic_arn}"))?;
            if !sent.failed().is_empty() {
                bail!("{topic_arn} refused {:?}", sent.failed());
            }
        }
        Ok(())
    }

    /// Sends messages straight to a queue, ten a request.
    ///
    /// # Errors
    /// A refusal of SQS, also when it is one message of many.
    pub async fn send_all(&self, queue_url: &str, bodies: &[String]) -> Result<()> {
        let sqs = self.sqs();
        for chunk in bodies.chunks(BATCH) {
            let mut request = sqs.send_message_batch().queue_url(queue_url);
            for (index, body) in chunk.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
                request = request.entries(entry.build()?);
            }
            let sent = request.send().await.with_context(|| format!("cannot send to {queue_url}"))?;
            if !sent.failed().is_empty() {
                bail!("{queue_url} refused {:?}", sent.failed());
            }
        }
        Ok(())
    }

    /// Receives and deletes all messages that are visible now. Messages in flight stay.
    ///
    /// # Errors
    /// A refusal of SQS.
    pub async fn drain(&self, queue_url: &str) -> Result<Vec<Message>> {
        let sqs = self.sqs();
        let mut drained = Vec::new();
        loop {
            let batch = take(&sqs, queue_url).await?;
            if batch.is_empty() {
                return Ok(drained);
            }
            drained.extend(batch);
        }
    }

    /// Receives and deletes messages until at least `count` have arrived, and returns them.
    ///
    /// # Errors
    /// A refusal of SQS, or fewer messages within `timeout`, with the bodies of the received ones.
    pub async fn wait_for_messages(
        &self,
        queue_url: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Message>> {
        let sqs = self.sqs();
        let mut taken = Vec::new();
        let what = format!("{count} messages in {queue_url}");
        let enough = eventually(&what, timeout, async || {
            taken.extend(take(&sqs, queue_url).await?);
            if taken.len() >= count {
                return Ok(Some(()));
            }
            let bodies: Vec<&str> = taken.iter().filter_map(Message::body).collect();
            Err(anyhow!("{} so far: {bodies:?}", taken.len()))
        });
        enough.await?;
        Ok(taken)
    }

    /// The numbers of messages in a queue at one moment.
    ///
    /// # Errors
    /// A refusal of SQS.
    pub async fn queue_depth(&self, queue_url: &str) -> Result<QueueDepth> {
        const NAMES: [QueueAttributeName; 3] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.sqs().get_queue_attributes().queue_url(queue_url);
        let request = request.set_attribute_names(Some(NAMES.to_vec()));
        let answer = request.send().await.with_context(|| format!("cannot read the depth of {queue_url}"))?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name: &QueueAttributeName| -> Result<u64> {
            let count = attributes.get(name).with_context(|| format!("{queue_url} has no {name}"))?;
            Ok(count.parse()?)
        };
        let [visible, in_flight, delayed] = &NAMES;
        Ok(QueueDepth { visible: count(visible)?, in_flight: count(in_flight)?, delayed: count(delayed)? })
    }

    /// Waits until a queue has no visible, received or delayed message: all were handled or moved to the dead-letter
    /// queue.
    ///
    /// # Errors
    /// The numbers of messages that are left after `timeout`.
    pub async fn wait_until_empty(&self, queue_url: &str, timeout: Duration) -> Result<()> {
        let what = format!("{queue_url} to be empty");
        eventually(&what, timeout, async || {
            let depth = self.queue_depth(queue_url).await?;
            if depth == QueueDepth::default() { Ok(Some(())) } else { Err(anyhow!("{depth:?}")) }
        })
        .await
    }
}

async fn create_queue(
    sqs: &aws_sdk_sqs::Client,
    name: &str,
    attributes: &[(QueueAttributeName, String)],
) -> Result<String> {
    let attributes = attributes.iter().cloned().collect();
    let made = sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
    made.with_context(|| format!("cannot create queue {name}"))?.queue_url.context("a queue without a URL")
}

async fn attribute(sqs: &aws_sdk_sqs::Client, queue_url: &str, name: QueueAttributeName) -> Result<String> {
    let request = sqs.get_queue_attributes().queue_url(queue_url).attribute_names(name.clone());
    let answer = request.send().await.with_context(|| format!("cannot read {name} of {queue_url}"))?;
    let value = answer.attributes.and_then(|mut attributes| attributes.remove(&name));
    value.with_context(|| format!("{queue_url} has no {name}"))
}

async fn take(sqs: &aws_sdk_sqs::Client, queue_url: &str) -> Result<Vec<Message>> {
    let request = sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
    let request = request.message_attribute_names("All");
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    let received = request.send().await.with_context(|| format!("cannot receive from {queue_url}"))?;
    let messages = received.messages.unwrap_or_default();
    if messages.is_empty() {
        return Ok(messages);
    }
    let mut delete = sqs.delete_message_batch().queue_url(queue_url);
    for (index, message) in messages.iter().enumerate() {
        let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
        delete = delete.entries(entry.set_receipt_handle(message.receipt_handle.clone()).build()?);
    }
    let deleted = delete.send().await.with_context(|| format!("cannot delete from {queue_url}"))?;
    if !deleted.failed().is_empty() {
        bail!("{queue_url} refused to delete {:?}", deleted.failed());
    }
    Ok(messages)
}

fn string_attribute(value: &str) -> Result<MessageAttributeValue> {
    Ok(MessageAttributeValue::builder().data_type("String").string_value(value).build()?)
}
