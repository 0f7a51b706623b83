use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures::future::join_all;

use crate::doctor::arn::Arn;
use crate::doctor::aws::AwsFailure;
use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::mappings::MappingReader;
use crate::doctor::patience::Patience;
use crate::doctor::queue_judge::{self, QueueFacts};
use crate::doctor::topics::Fed;

/// The queues that the topics lead to and their dead-letter queues, each once.
pub async fn check(aws: &SdkConfig, fed: &[Fed], patience: Patience) -> Vec<Check> {
    let asker = Asker { client: Client::new(aws), patience };
    let queues = queues(fed);
    let asked = join_all(queues.iter().map(|queue| asker.facts(&queue.arn))).await;
    let dead_letters = dead_letters(fed, asked.iter().flatten());
    let told = join_all(dead_letters.keys().map(|arn| asker.facts(arn))).await;
    let mappings = MappingReader::new(aws, patience);
    let functions = join_all(queues.iter().map(|queue| mappings.of_queue(&queue.arn))).await;
    let mut checks = Vec::new();
    for ((queue, facts), functions) in queues.iter().zip(&asked).zip(functions) {
        checks.extend(check_queue(queue, facts));
        let name = format!("{} function", Arn::name_in(&queue.arn));
        checks.extend(functions.into_iter().map(|finding| Group::Sqs.check(name.clone(), finding)));
    }
    for ((arn, queue), facts) in dead_letters.iter().zip(&told) {
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

/// What leads to a dead-letter queue.
#[derive(Debug, Default)]
struct DeadLetters<'a> {
    /// Those that send what they could not deliver.
    topics: Vec<String>,
    /// The queues whose messages end there.
    feeds: Vec<&'a QueueFacts>,
}

fn queues(fed: &[Fed]) -> Vec<Queue> {
    let mut queues: Vec<Queue> = Vec::new();
    for one in fed.iter().filter(|it| !it.is_dead_letters) {
        match queues.iter_mut().find(|queue| queue.arn == one.queue_arn) {
            Some(queue) => queue.topics.push(one.topic_arn.clone()),
            None => queues.push(Queue { arn: one.queue_arn.clone(), topics: vec![one.topic_arn.clone()] }),
        }
    }
    queues
}

/// By their ARNs.
fn dead_letters<'a>(
    fed: &[Fed],
    queues: impl IntoIterator<Item = &'a QueueFacts>,
) -> BTreeMap<String, DeadLetters<'a>> {
    let mut all: BTreeMap<String, DeadLetters<'a>> = BTreeMap::new();
    for queue in queues {
        if let Some(redrive) = queue.redrive() {
            all.entry(redrive.arn).or_default().feeds.push(queue);
        }
    }
    for one in fed.iter().filter(|it| it.is_dead_letters) {
        let topics = &mut all.entry(one.queue_arn.clone()).or_default().topics;
        if !topics.contains(&one.topic_arn) {
            topics.push(one.topic_arn.clone());
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
    let of = |aspect: &str, finding| Group::Sqs.check(format!("{name} {aspect}"), finding);
    vec![
        of("policy", queue_judge::senders(facts, &queue.topics)),
        of("visibility timeout", queue_judge::visibility(facts)),
        of("redrive", queue_judge::redrive(facts)),
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
    let of = |aspect: &str, finding| Group::Sqs.check(format!("{name} {aspect}"), finding);
    let mut checks = Vec::new();
    if !queue.topics.is_empty() {
        checks.push(of("policy", queue_judge::senders(facts, &queue.topics)));
    }
    checks.push(of("retention", queue_judge::retention(facts, &queue.feeds)));
    checks.push(of("messages", queue_judge::messages(facts)));
    checks
}

struct Asker {
    client: Client,
    patience: Patience,
}

impl Asker {
    async fn facts(&self, arn: &str) -> Result<QueueFacts, AwsFailure> {
        let Some(parsed) = Arn::parse(arn, "sqs") else {
            return Err(AwsFailure::silent(format!("{arn} is no ARN of a queue")));
        };
        let asked = async {
            let url = self.client.get_queue_url().queue_name(&parsed.name);
            let url = url.queue_owner_aws_account_id(&parsed.account).send().await;
            let url = url.map_err(|error| AwsFailure::of(&error))?.queue_url.unwrap_or_default();
            let told = self.client.get_queue_attributes().queue_url(&url);
            let told = told.attribute_names(QueueAttributeName::All).send().await;
            let told = told.map_err(|error| AwsFailure::of(&error))?.attributes.unwrap_or_default();
            let attributes = told.into_iter().map(|(name, value)| (name.as_str().to_owned(), value));
            Ok(QueueFacts { arn: arn.to_owned(), url, attributes: attributes.collect() })
        };
        self.patience.hold(asked, AwsFailure::silent).await
    }
}

fn judge_failure(arn: &str, failure: &AwsFailure) -> Finding {
    if failure.is_missing() {
        let mend = format!("make it: aws sqs create-queue --queue-name {}", Arn::name_in(arn));
        return Finding::bad("there is no such queue", mend);
    }
    if failure.is_denied() {
        let mend = "allow yourself sqs:GetQueueUrl and sqs:GetQueueAttributes on it";
        return Finding::warning(failure.text.clone(), mend);
    }
    Finding::bad(failure.text.clone(), "check the network and AWS_ENDPOINT_URL, then run this again")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{dead_letters, judge_failure, queues};
    use crate::doctor::aws::AwsFailure;
    use crate::doctor::check::Status;
    use crate::doctor::queue_judge::QueueFacts;
    use crate::doctor::topics::Fed;

    #[test]
    fn a_queue_is_asked_once_whatever_leads_to_it() {
        let fed = |queue: &str, topic: &str, is_dead_letters| Fed {
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
        let queues: Vec<_> = queues(&fed).into_iter().map(|it| (it.arn, it.topics.len())).collect();
        assert_eq!(queues, [("a".to_owned(), 2)]);
        let redrive = r#"{"deadLetterTargetArn":"dead","maxReceiveCount":5}"#;
        let a = QueueFacts {
            attributes: HashMap::from([("RedrivePolicy".to_owned(), redrive.to_owned())]),
            ..QueueFacts::default()
        };
        let dead: Vec<_> = dead_letters(&fed, [&a])
            .into_iter()
            .map(|(arn, it)| (arn, it.topics.len(), it.feeds.len()))
            .collect();
        assert_eq!(dead, [("dead".to_owned(), 1, 1), ("lost".to_owned(), 1, 0)]);
    }

    #[test]
    fn an_absent_queue_is_bad_and_a_hidden_one_is_not() {
        let failure = |code: &str| AwsFailure { code: Some(code.into()), text: code.into() };
        let of = |code| judge_failure("arn:aws:sqs:r:1:reports", &failure(code));
        assert!(of("QueueDoesNotExist").mend.unwrap().contains("--queue-name reports"));
        assert_eq!(of("AccessDenied").status, Status::Warning);
        assert_eq!(of("InternalError").status, Status::Bad);
    }
}
