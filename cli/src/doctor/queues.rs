//! Checks the queues that the topics feed, their dead-letter queues and their functions.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures::future::join_all;

use crate::doctor::arn::Arn;
use crate::doctor::aws::AwsFailure;
use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::judge_queue::{self, QueueFacts};
use crate::doctor::mappings::MappingReader;
use crate::doctor::topics::FedQueue;

/// Checks the queues that the topics feed and their dead-letter queues, each once.
pub async fn check(aws: &SdkConfig, fed: &[FedQueue], timeout: CallTimeout) -> Vec<Check> {
    let reader = QueueReader { client: Client::new(aws), timeout };
    let queues = queues(fed);
    let queue_facts = join_all(queues.iter().map(|queue| reader.facts(&queue.arn))).await;
    let dead_letters = dead_letters(fed, queue_facts.iter().flatten());
    let dead_letter_facts = join_all(dead_letters.keys().map(|arn| reader.facts(arn))).await;
    let mappings = MappingReader::new(aws, timeout);
    let functions = join_all(queues.iter().map(|queue| mappings.check_queue(&queue.arn))).await;
    let mut checks = Vec::new();
    for ((queue, facts), functions) in queues.iter().zip(&queue_facts).zip(functions) {
        checks.extend(check_queue(queue, facts));
        let name = format!("{} function", Arn::name_in(&queue.arn));
        checks.extend(functions.into_iter().map(|finding| Group::Sqs.check(name.clone(), finding)));
    }
    for ((arn, queue), facts) in dead_letters.iter().zip(&dead_letter_facts) {
        checks.extend(check_dead_letters(arn, queue, facts));
    }
    checks
}

/// A queue, with the topics that send to it.
#[derive(Debug, PartialEq, Eq)]
struct Queue {
    arn: String,
    topics: Vec<String>,
}

/// The topics and queues that feed a dead-letter queue.
#[derive(Debug, Default)]
struct DeadLetters<'a> {
    /// The topics that send messages here that they could not deliver.
    topics: Vec<String>,
    /// The queues whose failed messages end here.
    feeds: Vec<&'a QueueFacts>,
}

fn queues(fed: &[FedQueue]) -> Vec<Queue> {
    let mut queues: Vec<Queue> = Vec::new();
    for fed_queue in fed.iter().filter(|queue| !queue.is_dead_letters) {
        match queues.iter_mut().find(|queue| queue.arn == fed_queue.queue_arn) {
            Some(queue) => queue.topics.push(fed_queue.topic_arn.clone()),
            None => queues
                .push(Queue { arn: fed_queue.queue_arn.clone(), topics: vec![fed_queue.topic_arn.clone()] }),
        }
    }
    queues
}

/// The dead-letter queues by ARN.
fn dead_letters<'a>(
    fed: &[FedQueue],
    queues: impl IntoIterator<Item = &'a QueueFacts>,
) -> BTreeMap<String, DeadLetters<'a>> {
    let mut all: BTreeMap<String, DeadLetters<'a>> = BTreeMap::new();
    for queue in queues {
        if let Some(redrive) = queue.redrive() {
            all.entry(redrive.arn).or_default().feeds.push(queue);
        }
    }
    for fed_queue in fed.iter().filter(|queue| queue.is_dead_letters) {
        let topics = &mut all.entry(fed_queue.queue_arn.clone()).or_default().topics;
        if !topics.contains(&fed_queue.topic_arn) {
            topics.push(fed_queue.topic_arn.clone());
        }
    }
    all
}

fn check_queue(queue: &Queue, facts: &Result<QueueFacts, AwsFailure>) -> Vec<Check> {
    let name = Arn::name_in(&queue.arn);
    let facts = match facts {
        Ok(facts) => facts,
        Err(failure) => return vec![Group::Sqs.check(name, judge_failure(&queue.arn, failure))],
    };
    let check = |aspect: &str, finding| Group::Sqs.check(format!("{name} {aspect}"), finding);
    vec![
        check("policy", judge_queue::judge_senders(facts, &queue.topics)),
        check("visibility timeout", judge_queue::judge_visibility(facts)),
        check("redrive", judge_queue::judge_redrive(facts)),
    ]
}

fn check_dead_letters(
    arn: &str,
    queue: &DeadLetters<'_>,
    facts: &Result<QueueFacts, AwsFailure>,
) -> Vec<Check> {
    let name = Arn::name_in(arn);
    let facts = match facts {
        Ok(facts) => facts,
        Err(failure) => return vec![Group::Sqs.check(name, judge_failure(arn, failure))],
    };
    let check = |aspect: &str, finding| Group::Sqs.check(format!("{name} {aspect}"), finding);
    let mut checks = Vec::new();
    if !queue.topics.is_empty() {
        checks.push(check("policy", judge_queue::judge_senders(facts, &queue.topics)));
    }
    checks.push(check("retention", judge_queue::judge_retention(facts, &queue.feeds)));
    checks.push(check("messages", judge_queue::judge_messages(facts)));
    checks
}

struct QueueReader {
    client: Client,
    timeout: CallTimeout,
}

impl QueueReader {
    async fn facts(&self, arn: &str) -> Result<QueueFacts, AwsFailure> {
        let Some(parsed) = Arn::parse(arn, "sqs") else {
            return Err(AwsFailure::without_code(format!("{arn} is not the ARN of a queue")));
        };
        let read = async {
            let url = self.client.get_queue_url().queue_name(&parsed.name);
            let url = url.queue_owner_aws_account_id(&parsed.account).send().await;
            let url = url.map_err(|error| AwsFailure::from_sdk(&error))?.queue_url.unwrap_or_default();
            let request = self.client.get_queue_attributes().queue_url(&url);
            let answer = request.attribute_names(QueueAttributeName::All).send().await;
            let answer = answer.map_err(|error| AwsFailure::from_sdk(&error))?;
            let attributes = answer.attributes.unwrap_or_default().into_iter();
            let attributes = attributes.map(|(name, value)| (name.as_str().to_owned(), value));
            Ok(QueueFacts { arn: arn.to_owned(), url, attributes: attributes.collect() })
        };
        self.timeout.limit(read, AwsFailure::without_code).await
    }
}

fn judge_failure(arn: &str, failure: &AwsFailure) -> Finding {
    if failure.is_missing() {
        let fix = format!("create it: aws sqs create-queue --queue-name {}", Arn::name_in(arn));
        return Finding::bad("the queue does not exist", fix);
    }
    if failure.is_denied() {
        let fix = "grant yourself sqs:GetQueueUrl and sqs:GetQueueAttributes on the queue";
        return Finding::warning(failure.text.clone(), fix);
    }
    Finding::bad(failure.text.clone(), "check the network and AWS_ENDPOINT_URL, then run this again")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{dead_letters, judge_failure, queues};
    use crate::doctor::aws::AwsFailure;
    use crate::doctor::check::Status;
    use crate::doctor::judge_queue::QueueFacts;
    use crate::doctor::topics::FedQueue;

    #[test]
    fn each_queue_is_checked_once() {
        let fed = |queue: &str, topic: &str, is_dead_letters| FedQueue {
            queue_arn: queue.into(),
            topic_arn: topic.into(),
            is_dead_letters,
        };
        let fed = [
            fed("a", "t", false),
            fed("dead", "t", true),
            fed("a", "u", false),
            fed("dead", "t", true),
            fed("lost", "u", true),
        ];
        let queues: Vec<_> = queues(&fed).into_iter().map(|queue| (queue.arn, queue.topics.len())).collect();
        assert_eq!(queues, [("a".to_owned(), 2)]);
        let redrive = r#"{"deadLetterTargetArn":"dead","maxReceiveCount":5}"#;
        let a = QueueFacts {
            attributes: HashMap::from([("RedrivePolicy".to_owned(), redrive.to_owned())]),
            ..QueueFacts::default()
        };
        let dead: Vec<_> = dead_letters(&fed, [&a])
            .into_iter()
            .map(|(arn, queue)| (arn, queue.topics.len(), queue.feeds.len()))
            .collect();
        assert_eq!(dead, [("dead".to_owned(), 1, 1), ("lost".to_owned(), 1, 0)]);
    }

    #[test]
    fn missing_queue_is_bad_and_denied_a_warning() {
        let failure = |code: &str| AwsFailure { code: Some(code.into()), text: code.into() };
        let judged = |code| judge_failure("arn:aws:sqs:r:1:reports", &failure(code));
        assert!(judged("QueueDoesNotExist").fix.unwrap().contains("--queue-name reports"));
        assert_eq!(judged("AccessDenied").status, Status::Warning);
        assert_eq!(judged("InternalError").status, Status::Bad);
    }
}
