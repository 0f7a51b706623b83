//! What a queue's attributes say of it.

use std::collections::HashMap;
use std::time::Duration;

use jiff::SignedDuration;
use quiz_events::MOST_RECEIVES;
use serde_json::{Value, json};

use crate::doctor::arn::Arn;
use crate::doctor::check::Finding;
use crate::doctor::policy::{self, Verdict};
use crate::ui::{age, counted};

/// The shortest function timeout, six times.
const VISIBILITY: Duration = Duration::from_mins(6);
/// What SQS keeps a message for at most.
const RETENTION: Duration = Duration::from_hours(14 * 24);
/// AWS's own key, which SNS may not use.
const AWS_KEY: &str = "alias/aws/sqs";

/// A queue as SQS describes it.
#[derive(Clone, Debug, Default)]
pub struct QueueFacts {
    pub arn: String,
    pub url: String,
    pub attributes: HashMap<String, String>,
}

/// Where a message goes that was received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    pub arn: String,
    pub receives: u64,
}

impl QueueFacts {
    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str).filter(|it| !it.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn set(&self, attributes: &str) -> String {
        format!("aws sqs set-queue-attributes --queue-url {} --attributes {attributes}", self.url)
    }

    /// `None` where there is none that can be read. SQS writes the count as a number or as text.
    pub fn redrive(&self) -> Option<Redrive> {
        let policy: Value = serde_json::from_str(self.text("RedrivePolicy")?).ok()?;
        let count = policy.get("maxReceiveCount")?;
        let receives = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
        Some(Redrive { arn: policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), receives })
    }

    fn redrive_to(&self, arn: &str) -> String {
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES.to_string() });
        self.set(&format!("'{}'", json!({ "RedrivePolicy": policy.to_string() })))
    }
}

pub fn redrive(queue: &QueueFacts) -> Finding {
    let Some(redrive) = queue.redrive() else {
        return Finding::bad(
            "it has no redrive policy, so a message that fails comes back until it is lost",
            format!("make a dead-letter queue, then: {}", queue.redrive_to("DLQ_ARN")),
        );
    };
    let name = Arn::name_in(&redrive.arn);
    if Arn::parse(&redrive.arn, "sqs").is_some_and(|arn| arn.is_fifo()) {
        let mend = format!("make a standard queue, then: {}", queue.redrive_to("DLQ_ARN"));
        return Finding::bad(format!("its dead-letter queue {name} is FIFO, which takes no messages"), mend);
    }
    let times = counted(redrive.receives, "receive");
    // with fewer, SQS moves messages to the dead-letter queue during an outage
    if redrive.receives < u64::from(MOST_RECEIVES) {
        let found = format!("to {name} after {times}, too few to ride out three days of outage");
        return Finding::warning(found, queue.redrive_to(&redrive.arn));
    }
    Finding::good(format!("to {name} after {times}"))
}

pub fn visibility(queue: &QueueFacts) -> Finding {
    let Some(seconds) = queue.number("VisibilityTimeout") else {
        return Finding::warning("it is not told", "allow yourself sqs:GetQueueAttributes on it");
    };
    if seconds >= VISIBILITY.as_secs() {
        return Finding::good(format!("{seconds} s"));
    }
    Finding::warning(
        format!(
            "{seconds} s, within which a run's lease (60 s after its last heartbeat) or the function may not be over"
        ),
        format!(
            "make it 6 × the function's timeout, and its window: {}",
            queue.set("VisibilityTimeout=1800")
        ),
    )
}

/// Whether each of the topics may send to the queue.
pub fn senders(queue: &QueueFacts, topics: &[String]) -> Finding {
    if queue.text("KmsMasterKeyId").is_some_and(|key| key.ends_with(AWS_KEY)) {
        return Finding::bad(
            format!("it is encrypted with {AWS_KEY}, which SNS may not use, so nothing is delivered"),
            queue.set(r#"'{"KmsMasterKeyId":"","SqsManagedSseEnabled":"true"}'"#),
        );
    }
    let policy = queue.text("Policy");
    let verdicts: Vec<(&String, Verdict)> = topics
        .iter()
        .map(|topic| (topic, policy::lets_send(policy.unwrap_or_default(), &queue.arn, topic)))
        .collect();
    let of =
        |wanted: Verdict| verdicts.iter().find(|(_, verdict)| *verdict == wanted).map(|(topic, _)| *topic);
    if let Some(topic) = of(Verdict::Refused) {
        let mend = let_in(queue, topic, policy.is_some());
        return Finding::bad(format!("its policy does not let {} send to it", Arn::name_in(topic)), mend);
    }
    if let Some(topic) = of(Verdict::AllowedToAny) {
        let mend = format!(
            "add to its statement: \"Condition\": {}",
            json!({ "ArnEquals": { "aws:SourceArn": topic } })
        );
        return Finding::warning("its policy lets any topic send to it, other accounts' too", mend);
    }
    if of(Verdict::Perhaps).is_some() {
        return Finding::warning(
            "its policy lets SNS send under conditions that doctor does not read",
            "see that they hold: a message that SNS may not send is lost",
        );
    }
    let names: Vec<&str> = topics.iter().map(|topic| Arn::name_in(topic)).collect();
    Finding::good(format!("its policy lets {} send to it", names.join(" and ")))
}

fn let_in(queue: &QueueFacts, topic: &str, has_policy: bool) -> String {
    let statement = json!({
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": queue.arn, "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
    });
    if has_policy {
        return format!("add the statement {statement}");
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    queue.set(&format!("'{}'", json!({ "Policy": policy.to_string() })))
}

/// `feeds`: the queues whose messages end there.
pub fn retention(dead_letters: &QueueFacts, feeds: &[&QueueFacts]) -> Finding {
    let Some(seconds) = dead_letters.number("MessageRetentionPeriod") else {
        return Finding::warning("it is not told", "allow yourself sqs:GetQueueAttributes on it");
    };
    let shown = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        age(SignedDuration::from_secs(seconds))
    };
    let mend = dead_letters.set(&format!("MessageRetentionPeriod={}", RETENTION.as_secs()));
    // a message keeps the time at which it was first sent
    let of_queue = feeds.iter().filter_map(|queue| queue.number("MessageRetentionPeriod")).max();
    if let Some(of_queue) = of_queue.filter(|of_queue| seconds < *of_queue) {
        let (ours, theirs) = (shown(seconds), shown(of_queue));
        return Finding::bad(
            format!("messages are kept for {ours}, the queue's own for {theirs}: some are lost on the way"),
            mend,
        );
    }
    if seconds < RETENTION.as_secs() {
        let found = format!("messages are kept for {}; 14 d leave time to look at them", shown(seconds));
        return Finding::warning(found, mend);
    }
    Finding::good(format!("messages are kept for {}", shown(seconds)))
}

pub fn messages(dead_letters: &QueueFacts) -> Finding {
    let of = |name: &str| dead_letters.number(name).unwrap_or_default();
    let all = of("ApproximateNumberOfMessages")
        + of("ApproximateNumberOfMessagesNotVisible")
        + of("ApproximateNumberOfMessagesDelayed");
    if all == 0 {
        return Finding::good("it is empty");
    }
    let lie = if all == 1 { "lies" } else { "lie" };
    Finding::warning(format!("{} {lie} in it", counted(all, "message")), "quiz-etl dlq list")
}

#[cfg(test)]
mod tests {
    use super::{QueueFacts, messages, redrive, retention, senders, visibility};
    use crate::doctor::check::Status;

    const TOPIC: &str = "arn:aws:sns:r:1:quiz-events";

    fn queue(attributes: &[(&str, &str)]) -> QueueFacts {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        QueueFacts {
            arn: "arn:aws:sqs:r:1:reports".into(),
            url: "https://sqs/1/reports".into(),
            attributes: attributes.collect(),
        }
    }

    #[test]
    fn a_queue_parks_what_fails_after_enough_tries() {
        let to = |policy: &str| redrive(&queue(&[("RedrivePolicy", policy)]));
        let policy = |dlq: &str, count: &str| {
            format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:1:{dlq}","maxReceiveCount":{count}}}"#)
        };
        assert_eq!(to(&policy("dead", "600")).found, "to dead after 600 receives");
        let few = to(&policy("dead", "\"3\""));
        assert_eq!(few.status, Status::Warning);
        insta::assert_snapshot!(few.mend.unwrap(), @r#"aws sqs set-queue-attributes --queue-url https://sqs/1/reports --attributes '{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:r:1:dead\",\"maxReceiveCount\":\"600\"}"}'"#);
        assert_eq!(to(&policy("dead.fifo", "600")).status, Status::Bad);
        assert_eq!(to("").status, Status::Bad);
    }

    #[test]
    fn a_message_stays_hidden_until_its_run_is_over() {
        assert_eq!(visibility(&queue(&[("VisibilityTimeout", "360")])).status, Status::Good);
        assert_eq!(visibility(&queue(&[("VisibilityTimeout", "30")])).status, Status::Warning);
    }

    #[test]
    fn a_topic_is_let_in_by_the_command_that_is_told() {
        let topics = [TOPIC.to_owned()];
        let closed = senders(&queue(&[]), &topics);
        assert_eq!(
            (closed.status, &*closed.found),
            (Status::Bad, "its policy does not let quiz-events send to it")
        );
        let mend = closed.mend.unwrap();
        let (_, attributes) = mend.split_once("--attributes '").unwrap();
        let attributes: serde_json::Value = serde_json::from_str(attributes.trim_end_matches('\'')).unwrap();
        let policy = attributes["Policy"].as_str().unwrap();
        assert_eq!(senders(&queue(&[("Policy", policy)]), &topics).status, Status::Good);
        let other = senders(&queue(&[("Policy", policy)]), &["arn:aws:sns:r:1:other".to_owned()]);
        assert!(other.mend.unwrap().starts_with("add the statement {"));
        let key = ("KmsMasterKeyId", "alias/aws/sqs");
        assert_eq!(senders(&queue(&[("Policy", policy), key]), &topics).status, Status::Bad);
    }

    #[test]
    fn dead_letters_outlive_their_queue_and_are_looked_at() {
        let kept = |seconds: &str| queue(&[("MessageRetentionPeriod", seconds)]);
        let of_queue = kept("345600");
        assert_eq!(retention(&kept("1209600"), &[&of_queue]).status, Status::Good);
        assert_eq!(retention(&kept("345600"), &[&of_queue]).status, Status::Warning);
        assert_eq!(retention(&kept("86400"), &[&of_queue]).status, Status::Bad);
        assert_eq!(retention(&kept("86400"), &[]).status, Status::Warning);
        assert_eq!(messages(&queue(&[])).status, Status::Good);
        let some = messages(&queue(&[
            ("ApproximateNumberOfMessages", "2"),
            ("ApproximateNumberOfMessagesNotVisible", "1"),
        ]));
        assert_eq!((&*some.found, some.mend.as_deref()), ("3 messages lie in it", Some("quiz-etl dlq list")));
    }
}
