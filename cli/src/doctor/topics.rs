use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use futures::future::join_all;
use serde_json::Value;

use crate::doctor::arn::Arn;
use crate::doctor::aws::AwsFailure;
use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::patience::Patience;

/// A topic of the pipeline.
#[derive(Clone, Debug)]
pub struct Topic {
    pub role: &'static str,
    /// The environment variable that holds its ARN.
    pub variable: &'static str,
    pub arn: String,
    /// How many queues are to hear it.
    pub queues: usize,
}

/// A queue that a topic leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fed {
    pub queue_arn: String,
    pub topic_arn: String,
    /// Whether it takes what could not be delivered, rather than what is delivered.
    pub is_dead_letters: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Subscription {
    arn: String,
    protocol: String,
    endpoint: String,
}

type Attributes = HashMap<String, String>;

/// The topic's checks, and the queues that it leads to.
pub async fn check(aws: &SdkConfig, topic: &Topic, patience: Patience) -> (Vec<Check>, Vec<Fed>) {
    let client = Client::new(aws);
    let name = format!("{} topic", topic.role);
    let region = aws.region().map(ToString::to_string).unwrap_or_default();
    let attributes = client.get_topic_attributes().topic_arn(&topic.arn);
    let subscriptions = list(&client, &topic.arn);
    let (attributes, subscriptions) = futures::join!(
        patience.hold(
            async { attributes.send().await.map_err(|error| AwsFailure::of(&error)) },
            AwsFailure::silent
        ),
        patience.hold(subscriptions, AwsFailure::silent),
    );
    if let Err(failure) = attributes.map(|_| ()) {
        let finding = judge_topic_failure(topic, &region, &failure);
        // it may be told who listens, though not how the topic is set up
        if !failure.is_denied() || subscriptions.is_err() {
            return (vec![Group::Sns.check(name, finding)], Vec::new());
        }
    }
    let subscriptions = match subscriptions {
        Ok(subscriptions) => subscriptions,
        Err(failure) => {
            let mend = "allow yourself sns:ListSubscriptionsByTopic on it";
            let finding = Finding::warning(format!("who listens is not told: {}", failure.text), mend);
            return (vec![Group::Sns.check(name, finding)], Vec::new());
        }
    };
    let mut checks = vec![Group::Sns.check(name, judge_topic(topic, &subscriptions))];
    let told = join_all(subscriptions.iter().map(|it| attributes_of(&client, it, patience))).await;
    let mut fed = Vec::new();
    for (subscription, attributes) in subscriptions.iter().zip(told) {
        if subscription.protocol != "sqs" {
            continue;
        }
        let queue = Arn::name_in(&subscription.endpoint);
        let finding = judge_subscription(topic, subscription, &attributes);
        checks.push(Group::Sns.check(format!("{} → {queue}", topic.role), finding));
        let to = |queue_arn: &str, is_dead_letters| Fed {
            queue_arn: queue_arn.to_owned(),
            topic_arn: topic.arn.clone(),
            is_dead_letters,
        };
        fed.push(to(&subscription.endpoint, false));
        fed.extend(attributes.ok().as_ref().and_then(dead_letters).map(|arn| to(&arn, true)));
    }
    (checks, fed)
}

async fn list(client: &Client, topic_arn: &str) -> Result<Vec<Subscription>, AwsFailure> {
    let mut pages = client.list_subscriptions_by_topic().topic_arn(topic_arn).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsFailure::of(&error))?;
        all.extend(page.subscriptions().iter().map(|it| Subscription {
            arn: it.subscription_arn().unwrap_or_default().to_owned(),
            protocol: it.protocol().unwrap_or_default().to_owned(),
            endpoint: it.endpoint().unwrap_or_default().to_owned(),
        }));
    }
    // SNS lists a subscription for some days after it has ended
    all.retain(|it| it.arn != "Deleted");
    Ok(all)
}

async fn attributes_of(
    client: &Client,
    subscription: &Subscription,
    patience: Patience,
) -> Result<Attributes, AwsFailure> {
    if subscription.is_pending() {
        return Ok(Attributes::new());
    }
    let asked = client.get_subscription_attributes().subscription_arn(&subscription.arn);
    let asked = async { asked.send().await.map_err(|error| AwsFailure::of(&error)) };
    Ok(patience.hold(asked, AwsFailure::silent).await?.attributes.unwrap_or_default())
}

impl Subscription {
    /// What SNS lists in place of the ARN of one that is not confirmed.
    fn is_pending(&self) -> bool {
        self.arn == "PendingConfirmation" || self.arn == "pending confirmation"
    }
}

fn judge_topic_failure(topic: &Topic, region: &str, failure: &AwsFailure) -> Finding {
    let variable = topic.variable;
    if failure.is_denied() {
        return Finding::warning(failure.text.clone(), "allow yourself sns:GetTopicAttributes on it");
    }
    let of_topic = Arn::parse(&topic.arn, "sns").map(|arn| arn.region);
    let mend = match of_topic {
        Some(other) if other != region => {
            format!("{variable} names a topic in {other}, and AWS_REGION is {region}: set one of them right")
        }
        _ if failure.is_missing() => {
            format!("correct {variable} (aws sns list-topics), or make it: aws sns create-topic --name NAME")
        }
        _ => format!("check {variable}, the network and AWS_ENDPOINT_URL"),
    };
    Finding::bad(failure.text.clone(), mend)
}

fn judge_topic(topic: &Topic, subscriptions: &[Subscription]) -> Finding {
    let queues = subscriptions.iter().filter(|it| it.protocol == "sqs" && !it.is_pending()).count();
    let mend = format!(
        "subscribe it: aws sns subscribe --topic-arn {} --protocol sqs --notification-endpoint QUEUE_ARN",
        topic.arn
    );
    match (queues, topic.queues) {
        (0, _) => Finding::bad("no queue is subscribed, so what is published reaches nobody", mend),
        (queues, wanted) if queues < wanted => Finding::warning(
            format!("{queues} queue is subscribed; reports and warehouse need one each"),
            mend,
        ),
        (1, _) => Finding::good(format!("{}, which 1 queue listens to", topic.arn)),
        (queues, _) => Finding::good(format!("{}, which {queues} queues listen to", topic.arn)),
    }
}

fn judge_subscription(
    topic: &Topic,
    subscription: &Subscription,
    attributes: &Result<Attributes, AwsFailure>,
) -> Finding {
    if subscription.is_pending() {
        let mend = "subscribe the queue again as the owner of the queue, which confirms it at once";
        return Finding::bad("the subscription is not confirmed", mend);
    }
    let attributes = match attributes {
        Ok(attributes) => attributes,
        Err(failure) => {
            let mend = "allow yourself sns:GetSubscriptionAttributes on the topic";
            return Finding::warning(
                format!("how the subscription is set up is not told: {}", failure.text),
                mend,
            );
        }
    };
    let text = |name: &str| attributes.get(name).map(String::as_str).filter(|it| !it.is_empty());
    let form = if text("RawMessageDelivery") == Some("true") { "raw" } else { "in envelopes" };
    let filter = text("FilterPolicy").filter(|it| *it != "{}");
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
            format!("{found}, which drops session.sync: sync, backfill and reconcile do not reach it"),
            set("FilterPolicy", r#"{"type":["quiz.completed","session.sync"]}"#),
        );
    }
    match dead_letters(attributes) {
        Some(arn) => {
            Finding::good(format!("{found}; what cannot be delivered goes to {}", Arn::name_in(&arn)))
        }
        None => Finding::warning(
            format!(
                "{found}; what cannot be delivered is lost, as the subscription has no dead-letter queue"
            ),
            set("RedrivePolicy", r#"{"deadLetterTargetArn":"DLQ_ARN"}"#),
        ),
    }
}

/// Whether a filter on the attribute `type` lists exact types and leaves `session.sync` out.
fn drops_syncs(filter: &str) -> bool {
    let filter: Option<Value> = serde_json::from_str(filter).ok();
    let types = filter.as_ref().and_then(|it| it.get("type")?.as_array());
    types.is_some_and(|types| types.iter().all(|it| it.is_string() && it != "session.sync"))
}

fn dead_letters(attributes: &Attributes) -> Option<String> {
    let policy: Value = serde_json::from_str(attributes.get("RedrivePolicy")?).ok()?;
    policy.get("deadLetterTargetArn")?.as_str().filter(|it| !it.is_empty()).map(str::to_owned)
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
        let of = |queues: usize| vec![to_queue("arn:aws:sns:ap-south-1:1:quiz-events:x"); queues];
        assert_eq!(judge_topic(&topic(2), &of(0)).status, Status::Bad);
        assert_eq!(judge_topic(&topic(2), &of(1)).status, Status::Warning);
        assert_eq!(judge_topic(&topic(1), &of(1)).status, Status::Good);
        assert_eq!(judge_topic(&topic(2), &[to_queue("PendingConfirmation")]).status, Status::Bad);
    }

    #[test]
    fn a_subscription_delivers_and_loses_nothing() {
        let judge = |attributes: &[(&str, &str)]| {
            let attributes: Attributes =
                attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            judge_subscription(&topic(1), &to_queue("arn:s"), &Ok(attributes))
        };
        let redrive = ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:lost"}"#);
        let good = judge(&[("RawMessageDelivery", "true"), redrive]);
        assert_eq!(good.status, Status::Good);
        assert_eq!(good.found, "delivered raw; what cannot be delivered goes to lost");
        let lossy = judge(&[]);
        assert_eq!(lossy.status, Status::Warning);
        assert!(lossy.mend.unwrap().contains("--subscription-arn arn:s --attribute-name RedrivePolicy"));
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
    fn a_topic_elsewhere_is_said_to_be_elsewhere() {
        let failure = AwsFailure { code: Some("NotFound".into()), text: "NotFound: no".into() };
        let mend = |region| judge_topic_failure(&topic(1), region, &failure).mend.unwrap();
        assert!(mend("eu-west-1").contains("names a topic in ap-south-1, and AWS_REGION is eu-west-1"));
        assert!(mend("ap-south-1").contains("aws sns list-topics"));
    }
}
