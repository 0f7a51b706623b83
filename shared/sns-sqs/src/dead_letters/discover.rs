use aws_sdk_sns::types::Subscription;
use aws_sdk_sqs::types::QueueAttributeName;
use thiserror::Error;

use super::{DeadLetterQueue, DeadLetters, Source, SourceKind};
use crate::arn::QueueArn;
use crate::error::{SqsError, service_answer};
use crate::lookup;

/// The dead-letter queues that were found behind topics.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// In the order of the topics and their subscriptions, each once.
    pub queues: Vec<DeadLetterQueue>,
    /// Topics, subscriptions and queues that cannot be read or have no dead-letter queue.
    pub problems: Vec<DiscoveryProblem>,
}

/// Why a dead-letter queue behind a topic is missing from the result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiscoveryProblem {
    /// SNS or the network failed, access is denied, or there is no such topic.
    #[error("cannot read the subscriptions of topic {topic}: {answer}")]
    Topic { topic: String, answer: String },
    /// SNS or the network failed, or access is denied.
    #[error("cannot read the dead-letter queue of subscription {subscription}: {answer}")]
    Subscription { subscription: String, answer: String },
    #[error("the dead-letter queue {0} is skipped: FIFO queues are not supported")]
    Fifo(String),
    #[error(transparent)]
    Queue(#[from] SqsError),
}

impl DeadLetters {
    /// Finds the dead-letter queues of all SQS subscriptions of the topics, and of the subscribed queues.
    pub async fn discover(&self, topic_arns: &[String]) -> Discovery {
        let mut found = Discovery::default();
        for topic in topic_arns {
            let request = self.sns.list_subscriptions_by_topic().topic_arn(topic);
            let mut subscriptions = request.into_paginator().items().send();
            while let Some(subscription) = subscriptions.next().await {
                match subscription {
                    Ok(subscription) => self.follow_subscription(&subscription, &mut found).await,
                    Err(error) => {
                        let answer = service_answer(&error);
                        found.problems.push(DiscoveryProblem::Topic { topic: topic.clone(), answer });
                        break;
                    }
                }
            }
        }
        found
    }

    /// Adds the dead-letter queue of the subscribed queue, and that of the subscription itself.
    async fn follow_subscription(&self, subscription: &Subscription, found: &mut Discovery) {
        let Some(endpoint) = subscription.endpoint().filter(|_| subscription.protocol() == Some("sqs"))
        else {
            return;
        };
        let queue = match self.locate(endpoint).await {
            Ok(queue) => queue,
            Err(error) => return found.problems.push(error.into()),
        };
        match self.redrive_target(&queue).await {
            Ok((dead_letters, kind)) => self.add(found, &dead_letters, queue.source(kind)).await,
            Err(error) => found.problems.push(error.into()),
        }
        match self.undelivered_target(subscription).await {
            Ok(Some(dead_letters)) => {
                self.add(found, &dead_letters, queue.source(SourceKind::Subscription)).await;
            }
            Ok(None) => {}
            Err(problem) => found.problems.push(problem),
        }
    }

    async fn locate(&self, arn: &str) -> Result<QueueLocation, SqsError> {
        let parsed = QueueArn::parse(arn)?;
        let url = lookup::queue_url(&self.sqs, &parsed).await?;
        Ok(QueueLocation { name: parsed.name, url, arn: arn.to_owned() })
    }

    /// The ARN of the queue's dead-letter queue.
    async fn redrive_target(&self, queue: &QueueLocation) -> Result<(String, SourceKind), SqsError> {
        let policy = lookup::attribute(&self.sqs, &queue.url, QueueAttributeName::RedrivePolicy).await?;
        let policy = policy.ok_or_else(|| SqsError::NoDeadLetterQueue(queue.name.clone()))?;
        let redrive = lookup::redrive_policy(&policy)
            .ok_or_else(|| SqsError::Unreadable { queue: queue.name.clone(), what: "redrive policy" })?;
        let kind = SourceKind::Queue { max_receive_count: redrive.max_receive_count };
        Ok((redrive.dead_letter_arn, kind))
    }

    /// The ARN of the subscription's dead-letter queue; `None` if the subscription has none, or is not confirmed.
    async fn undelivered_target(
        &self,
        subscription: &Subscription,
    ) -> Result<Option<String>, DiscoveryProblem> {
        let Some(arn) = subscription.subscription_arn().filter(|arn| arn.starts_with("arn:")) else {
            return Ok(None);
        };
        let problem = |answer| DiscoveryProblem::Subscription { subscription: arn.to_owned(), answer };
        let answer = self.sns.get_subscription_attributes().subscription_arn(arn).send().await;
        let attributes =
            answer.map_err(|error| problem(service_answer(&error)))?.attributes.unwrap_or_default();
        let Some(policy) = attributes.get("RedrivePolicy").filter(|policy| !policy.is_empty()) else {
            return Ok(None);
        };
        let dead_letters = lookup::dead_letter_arn(policy);
        dead_letters.map(Some).ok_or_else(|| problem("its redrive policy names no queue".to_owned()))
    }

    async fn add(&self, found: &mut Discovery, arn: &str, source: Source) {
        if let Some(known) = found.queues.iter_mut().find(|queue| queue.arn == arn) {
            if !known.sources.contains(&source) {
                known.sources.push(source);
            }
            return;
        }
        if QueueArn::parse(arn).is_ok_and(|parsed| parsed.is_fifo()) {
            return found.problems.push(DiscoveryProblem::Fifo(arn.to_owned()));
        }
        match self.locate(arn).await {
            Ok(QueueLocation { name, url, arn }) => {
                found.queues.push(DeadLetterQueue { name, url, arn, sources: vec![source] });
            }
            Err(error) => found.problems.push(error.into()),
        }
    }
}

struct QueueLocation {
    name: String,
    url: String,
    arn: String,
}

impl QueueLocation {
    fn source(&self, kind: SourceKind) -> Source {
        Source { name: self.name.clone(), url: self.url.clone(), arn: self.arn.clone(), kind }
    }
}
