//! Checks the topics and their subscriptions, and finds the queues that they feed.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use futures::future::join_all;
use serde_json::Value;

use crate::doctor::arn::Arn;
use crate::doctor::aws::AwsFailure;
use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};

/// A topic of the pipeline.
#[derive(Clone, Debug)]
pub struct Topic {
    pub role: &'static str,
    /// The environment variable that holds its ARN.
    pub variable: &'static str,
    pub arn: String,
    /// How many queues must be subscribed.
    pub queues: usize,
}

/// A queue that a topic feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FedQueue {
    pub queue_arn: String,
    pub topic_arn: String,
    /// Whether the queue gets the messages that SNS could not deliver.
    pub is_dead_letters: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Subscription {
    arn: String,
    protocol: String,
    endpoint: String,
}

type Attributes = HashMap<String, String>;

/// Checks the topic and its subscriptions. Returns the checks, and the queues that the topic feeds.
pub async fn check(aws: &SdkConfig, topic: &Topic, timeout: CallTimeout) -> (Vec<Check>, Vec<FedQueue>) {
    let client = Client::new(aws);
    let name = format!("{} topic", topic.role);
    let region = aws.region().map(ToString::to_string).unwrap_or_default();
    let attributes = client.get_topic_attributes().topic_arn(&topic.arn);
    let subscriptions = list_subscriptions(&client, &topic.arn);
    let (attributes, subscriptions) = futures::join!(
        timeout.limit(
            async { attributes.send().await.map_err(|error| AwsFailure::from_sdk(&error)) },
            AwsFailure::without_code
        ),
        timeout.limit(subscriptions, AwsFailure::without_code),
    );
    if let Err(failure) = attributes.map(|_| ()) {
        let finding = judge_topic_failure(topic, &region, &failure);
        // an account that may not read the topic may still list its subscriptions
        if !failure.is_denied() || subscriptions.is_err() {
            return (vec![Group::Sns.check(name, finding)], Vec::new());
        }
    }
    let subscriptions = match subscriptions {
        Ok(subscriptions) => subscriptions,
        Err(failure) => {
            let fix = "grant yourself sns:ListSubscriptionsByTopic on the topic";
            let finding = Finding::warning(format!("cannot list the subscriptions: {}", failure.text), fix);
            return (vec![Group::Sns.check(name, finding)], Vec::new());
        }
    };
    let mut checks = vec![Group::Sns.check(name, judge_topic(topic, &subscriptions))];
    let subscription_attributes =
        join_all(subscriptions.iter().map(|subscription| read_attributes(&client, subscription, timeout)))
            .await;
    let mut fed = Vec::new();
    for (subscription, attributes) in subscriptions.iter().zip(subscription_attributes) {
        if subscription.protocol != "sqs" {
            continue;
        }
        let queue = Arn::name_in(&subscription.endpoint);
        let finding = judge_subscription(topic, subscription, &attributes);
        checks.push(Group::Sns.check(format!("{} → {queue}", topic.role), finding));
        let to = |queue_arn: &str, is_dead_letters| FedQueue {
            queue_arn: queue_arn.to_owned(),
            topic_arn: topic.arn.clone(),
            is_dead_letters,
        };
        fed.push(to(&subscription.endpoint, false));
        fed.extend(attributes.ok().as_ref().and_then(dead_letters).map(|arn| to(&arn, true)));
    }
    (checks, fed)
}

async fn list_subscriptions(client: &Client, topic_arn: &str) -> Result<Vec<Subscription>, AwsFailure> {
    let mut pages = client.list_subscriptions_by_topic().topic_arn(topic_arn).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsFailure::from_sdk(&error))?;
        all.extend(page.subscriptions().iter().map(|listed| Subscription {
            arn: listed.subscription_arn().unwrap_or_default().to_owned(),
            protocol: listed.protocol().unwrap_or_default().to_owned(),
            endpoint: listed.endpoint().unwrap_or_default().to_owned(),
        }));
    }
    // SNS lists a deleted subscription for some days
    all.retain(|subscription| subscription.arn != "Deleted");
    Ok(all)
}

async fn read_attributes(
    client: &Client,
    subscription: &Subscription,
    timeout: CallTimeout,
) -> Result<Attributes, AwsFailure> {
    if subscription.is_pending() {
        return Ok(Attributes::new());
    }
    let request = client.get_subscription_attributes().subscription_arn(&subscription.arn);
    let read = async { request.send().await.map_err(|error| AwsFailure::from_sdk(&error)) };
    Ok(timeout.limit(read, AwsFailure::without_code).await?.attributes.unwrap_or_default())
}

impl Subscription {
    /// SNS lists these words in place of the ARN of an unconfirmed subscription.
    fn is_pending(&self) -> bool {
        self.arn == "PendingConfirmation" || self.arn == "pending confirmation"
    }
}

fn judge_topic_failure(topic: &Topic, region: &str, failure: &AwsFailure) -> Finding {
    let variable = topic.variable;
    if failure.is_denied() {
        return Finding::warning(failure.text.clone(), "grant yourself sns:GetTopicAttributes on the topic");
    }
    let topic_region = Arn::parse(&topic.arn, "sns").map(|arn| arn.region);
    let fix = match topic_region {
        Some(other) if other != region => {
            format!("{variable} names a topic in {other}, but AWS_REGION is {region}: correct one of them")
        }
        _ if failure.is_missing() => {
            format!(
                "correct {variable} (aws sns list-topics), or create the topic: aws sns create-topic --name NAME"
            )
        }
        _ => format!("check {variable}, the network and AWS_ENDPOINT_URL"),
    };
    Finding::bad(failure.text.clone(), fix)
}

fn judge_topic(topic: &Topic, subscriptions: &[Subscription]) -> Finding {
    let queues = subscriptions
        .iter()
        .filter(|subscription| subscription.protocol == "sqs" && !subscription.is_pending())
        .count();
    let fix = format!(
        "subscribe the queue: aws sns subscribe --topic-arn {} --protocol sqs --notification-endpoint QUEUE_ARN",
        topic.arn
    );
    match (queues, topic.queues) {
        (0, _) => Finding::bad("no queue is subscribed: published messages are lost", fix),
        (queues, wanted) if queues < wanted => Finding::warning(
            format!("{queues} queue is subscribed; reports and warehouse need one each"),
            fix,
        ),
        (1, _) => Finding::good(format!("{}, 1 queue subscribed", topic.arn)),
        (queues, _) => Finding::good(format!("{}, {queues} queues subscribed", topic.arn)),
    }
}

fn judge_subscription(
    topic: &Topic,
    subscription: &Subscription,
    attributes: &Result<Attributes, AwsFailure>,
) -> Finding {
    if subscription.is_pending() {
        let fix = "subscribe the queue again from the account that owns it, which confirms at once";
        return Finding::bad("the subscription is not confirmed", fix);
    }
    let attributes = match attributes {
        Ok(attributes) => attributes,
        Err(failure) => {
            let fix = "grant yourself sns:GetSubscriptionAttributes on the topic";
            return Finding::warning(format!("cannot read the subscription: {}", failure.text), fix);
        }
    };
    let text = |name: &str| attributes.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let form = if text("RawMessageDelivery") == Some("true") { "raw" } else { "in envelopes" };
    let filter = text("FilterPolicy").filter(|filter| *filter != "{}");
    let shown = filter.map_or_else(String::new, |filter| format!(", filtered by {filter}"));
    let found = format!("delivered {form}{shown}");
    let set = |attribute: &str, value: &str| {
        format!(
            "aws sns set-subscription-attributes --subscription-arn {} --attribute-name {attribute} \
             --attribute-value '{value}'",
            subscription.arn
        )
    };
    let by_body = text("FilterPolicyScope") == Some("MessageBody");
    if topic.role == "events" && !by_body && filter.is_some_and(drops_syncs) {
        return Finding::warning(
            format!("{found}; the filter drops session.sync, so sync, backfill and reconcile have no effect"),
            set("FilterPolicy", r#"{"type":["quiz.completed","session.sync"]}"#),
        );
    }
    match dead_letters(attributes) {
        Some(arn) => Finding::good(format!("{found}; undelivered messages go to {}", Arn::name_in(&arn))),
        None => Finding::warning(
            format!("{found}; undelivered messages are lost: the subscription has no dead-letter queue"),
            set("RedrivePolicy", r#"{"deadLetterTargetArn":"DLQ_ARN"}"#),
        ),
    }
}

/// Whether a filter on the attribute `type` lists exact types and leaves `session.sync` out.
fn drops_syncs(filter: &str) -> bool {
    let filter: Option<Value> = serde_json::from_str(filter).ok();
    let types = filter.as_ref().and_then(|filter| filter.get("type")?.as_array());
    types.is_some_and(|types| types.iter().all(|name| name.is_string() && name != "session.sync"))
}

fn dead_letters(attributes: &Attributes) -> Option<String> {
    let policy: Value = serde_json::from_str(attributes.get("RedrivePolicy")?).ok()?;
    policy.get("deadLetterTargetArn")?.as_str().filter(|arn| !arn.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Subscription, Topic, judge_subscription, judge_topic, judge_topic_failure};
    use crate::doctor::aws::AwsFailure;
    use crate::doctor::check::Status;

    fn topic(queues: usize) -> Topic {
        let arn = "arn:aws:sns:ap-south-1:1:quiz-events".to_owned();
        Topic { role: "events", variable: "EVENTS_TOPIC_ARN", arn, queues }
    }

    fn to_queue(arn: &str) -> Subscription {
        let endpoint = "arn:aws:sqs:ap-south-1:1:reports".to_owned();
        Subscription { arn: arn.to_owned(), protocol: "sqs".to_owned(), endpoint }
    }

    #[test]
    fn every_sink_needs_a_queue() {
        let subscribed = |queues: usize| vec![to_queue("arn:aws:sns:ap-south-1:1:quiz-events:x"); queues];
        assert_eq!(judge_topic(&topic(2), &subscribed(0)).status, Status::Bad);
        assert_eq!(judge_topic(&topic(2), &subscribed(1)).status, Status::Warning);
        assert_eq!(judge_topic(&topic(1), &subscribed(1)).status, Status::Good);
        assert_eq!(judge_topic(&topic(2), &[to_queue("PendingConfirmation")]).status, Status::Bad);
    }

    #[test]
    fn subscription_must_not_lose_messages() {
        let judge = |attributes: &[(&str, &str)]| {
            let attributes: Attributes =
                attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            judge_subscription(&topic(1), &to_queue("arn:s"), &Ok(attributes))
        };
        let redrive = ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:lost"}"#);
        let good = judge(&[("RawMessageDelivery", "true"), redrive]);
        assert_eq!(good.status, Status::Good);
        assert_eq!(good.found, "delivered raw; undelivered messages go to lost");
        let lossy = judge(&[]);
        assert_eq!(lossy.status, Status::Warning);
        assert!(lossy.fix.unwrap().contains("--subscription-arn arn:s --attribute-name RedrivePolicy"));
        let filter = |policy| judge(&[redrive, ("FilterPolicy", policy)]);
        assert_eq!(filter(r#"{"type":["quiz.completed"]}"#).status, Status::Warning);
        let all = filter(r#"{"type":["quiz.completed","session.sync"]}"#);
        assert_eq!(all.status, Status::Good);
        assert!(all.found.contains(r#"filtered by {"type":["quiz.completed","session.sync"]}"#));
        assert_eq!(filter(r#"{"type":[{"prefix":"session"}]}"#).status, Status::Good);
        let pending = judge_subscription(&topic(1), &to_queue("PendingConfirmation"), &Ok(Attributes::new()));
        assert_eq!(pending.status, Status::Bad);
    }

    #[test]
    fn topic_in_another_region_names_both_regions() {
        let failure = AwsFailure { code: Some("NotFound".into()), text: "NotFound: no".into() };
        let fix = |region| judge_topic_failure(&topic(1), region, &failure).fix.unwrap();
        assert!(fix("eu-west-1").contains("names a topic in ap-south-1, but AWS_REGION is eu-west-1"));
        assert!(fix("ap-south-1").contains("aws sns list-topics"));
    }
}
