use aws_sdk_sns::types::Subscription;
use aws_sdk_sqs::types::QueueAttributeName;
use thiserror::Error;

use super::{DeadLetterQueue, DeadLetters, Source, SourceKind};
use crate::arn::QueueArn;
use crate::error::{SqsError, answer_of};
use crate::lookup;

/// The dead-letter queues behind topics.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    /// In the order of the topics and their subscriptions, each once.
    pub queues: Vec<DeadLetterQueue>,
    /// What could not be read, or has no dead-letter queue; the others are there all the same.
    pub problems: Vec<DiscoveryProblem>,
}

/// Something on the way from a topic to a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiscoveryProblem {
    /// SNS or the network failed, access is denied, or there is no such topic.
    #[error("the subscriptions of topic {topic} cannot be read: {answer}")]
    Topic { topic: String, answer: String },
    /// SNS or the network failed, or access is denied.
    #[error("the dead-letter queue of subscription {subscription} cannot be read: {answer}")]
    Subscription { subscription: String, answer: String },
    #[error("the dead-letter queue {0} is a FIFO queue, which is neither listed nor replayed here")]
    Fifo(String),
    #[error(transparent)]
    Queue(#[from] SqsError),
}

impl DeadLetters {
    /// Asks SNS which queues the topics feed, and the queues and subscriptions where they give messages up to.
    pub async fn discover(&self, topic_arns: &[String]) -> Discovered {
        let mut found = Discovered::default();
        for topic in topic_arns {
            let request = self.sns.list_subscriptions_by_topic().topic_arn(topic);
            let mut subscriptions = request.into_paginator().items().send();
            while let Some(subscription) = subscriptions.next().await {
                match subscription {
                    Ok(subscription) => self.follow(&subscription, &mut found).await,
                    Err(error) => {
                        let answer = answer_of(&error);
                        found.problems.push(DiscoveryProblem::Topic { topic: topic.clone(), answer });
                        break;
                    }
                }
            }
        }
        found
    }

    async fn follow(&self, subscription: &Subscription, found: &mut Discovered) {
        let Some(endpoint) = subscription.endpoint().filter(|_| subscription.protocol() == Some("sqs"))
        else {
            return;
        };
        let queue = match self.locate(endpoint).await {
            Ok(queue) => queue,
            Err(error) => return found.problems.push(error.into()),
        };
        match self.given_up_to(&queue).await {
            Ok((dead_letters, kind)) => self.add(found, &dead_letters, queue.source(kind)).await,
            Err(error) => found.problems.push(error.into()),
        }
        match self.undelivered_to(subscription).await {
            Ok(Some(dead_letters)) => {
                self.add(found, &dead_letters, queue.source(SourceKind::Subscription)).await;
            }
            Ok(None) => {}
            Err(problem) => found.problems.push(problem),
        }
    }

    async fn locate(&self, arn: &str) -> Result<Located, SqsError> {
        let parsed = QueueArn::parse(arn)?;
        let url = lookup::url_of(&self.sqs, &parsed).await?;
        Ok(Located { name: parsed.name, url, arn: arn.to_owned() })
    }

    async fn given_up_to(&self, queue: &Located) -> Result<(String, SourceKind), SqsError> {
        let policy = lookup::attribute(&self.sqs, &queue.url, QueueAttributeName::RedrivePolicy).await?;
        let policy = policy.ok_or_else(|| SqsError::NoDeadLetterQueue(queue.name.clone()))?;
        let redrive = lookup::redrive_policy(&policy)
            .ok_or_else(|| SqsError::Unreadable { queue: queue.name.clone(), what: "redrive policy" })?;
        let kind = SourceKind::Queue { max_receive_count: redrive.max_receive_count };
        Ok((redrive.dead_letter_arn, kind))
    }

    /// `None` where it has none, or waits to be confirmed.
    async fn undelivered_to(&self, subscription: &Subscription) -> Result<Option<String>, DiscoveryProblem> {
        let Some(arn) = subscription.subscription_arn().filter(|arn| arn.starts_with("arn:")) else {
            return Ok(None);
        };
        let problem = |answer| DiscoveryProblem::Subscription { subscription: arn.to_owned(), answer };
        let answer = self.sns.get_subscription_attributes().subscription_arn(arn).send().await;
        let attributes = answer.map_err(|error| problem(answer_of(&error)))?.attributes.unwrap_or_default();
        let Some(policy) = attributes.get("RedrivePolicy").filter(|policy| !policy.is_empty()) else {
            return Ok(None);
        };
        let dead_letters = lookup::dead_letter_arn(policy);
        dead_letters.map(Some).ok_or_else(|| problem("its redrive policy names none".to_owned()))
    }

    async fn add(&self, found: &mut Discovered, arn: &str, source: Source) {
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
            Ok(Located { name, url, arn }) => {
                found.queues.push(DeadLetterQueue { name, url, arn, sources: vec![source] });
            }
            Err(error) => found.problems.push(error.into()),
        }
    }
}

struct Located {
    name: String,
    url: String,
    arn: String,
}

impl Located {
    fn source(&self, kind: SourceKind) -> Source {
        Source { name: self.name.clone(), url: self.url.clone(), arn: self.arn.clone(), kind }
    }
}
