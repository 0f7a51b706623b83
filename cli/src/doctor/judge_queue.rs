//! Judges a queue by its attributes.

use std::collections::HashMap;
use std::time::Duration;

use jiff::SignedDuration;
use quiz_events::MOST_RECEIVES;
use serde_json::{Value, json};

use crate::doctor::arn::Arn;
use crate::doctor::check::Finding;
use crate::doctor::policy::{self, Verdict};
use crate::ui::{age, counted};

/// Six times the shortest function timeout.
const LEAST_VISIBILITY: Duration = Duration::from_mins(6);
/// The longest time that SQS keeps a message.
const LONGEST_RETENTION: Duration = Duration::from_hours(14 * 24);
/// AWS's managed key; SNS may not use it.
const AWS_KEY: &str = "alias/aws/sqs";

/// A queue with the attributes that SQS returns.
#[derive(Clone, Debug, Default)]
pub struct QueueFacts {
    pub arn: String,
    pub url: String,
    pub attributes: HashMap<String, String>,
}

/// The dead-letter queue, and the number of receives after which SQS moves a message there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    pub arn: String,
    pub receives: u64,
}

impl QueueFacts {
    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn set_command(&self, attributes: &str) -> String {
        format!("aws sqs set-queue-attributes --queue-url {} --attributes {attributes}", self.url)
    }

    /// `None` if the queue has no valid redrive policy. SQS writes the count as a number or as text.
    pub fn redrive(&self) -> Option<Redrive> {
        let policy: Value = serde_json::from_str(self.text("RedrivePolicy")?).ok()?;
        let count = policy.get("maxReceiveCount")?;
        let receives = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
        Some(Redrive { arn: policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), receives })
    }

    fn redrive_command(&self, arn: &str) -> String {
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES.to_string() });
        self.set_command(&format!("'{}'", json!({ "RedrivePolicy": policy.to_string() })))
    }
}

/// Judges whether a message that fails ends in a usable dead-letter queue, after enough receives.
pub fn judge_redrive(queue: &QueueFacts) -> Finding {
    let Some(redrive) = queue.redrive() else {
        return Finding::bad(
            "no redrive policy: a message that fails returns until SQS deletes it",
            format!("create a dead-letter queue, then: {}", queue.redrive_command("DLQ_ARN")),
        );
    };
    let name = Arn::name_in(&redrive.arn);
    if Arn::parse(&redrive.arn, "sqs").is_some_and(|arn| arn.is_fifo()) {
        let fix = format!("create a standard queue, then: {}", queue.redrive_command("DLQ_ARN"));
        return Finding::bad(format!("the dead-letter queue {name} is FIFO and accepts no messages"), fix);
    }
    let times = counted(redrive.receives, "receive");
    // with fewer, SQS moves messages to the dead-letter queue during an outage
    if redrive.receives < u64::from(MOST_RECEIVES) {
        let found = format!("to {name} after {times}, too few for an outage of three days");
        return Finding::warning(found, queue.redrive_command(&redrive.arn));
    }
    Finding::good(format!("to {name} after {times}"))
}

/// Judges whether a message stays hidden while its sync runs.
pub fn judge_visibility(queue: &QueueFacts) -> Finding {
    let Some(seconds) = queue.number("VisibilityTimeout") else {
        return Finding::warning("unknown", "grant yourself sqs:GetQueueAttributes on the queue");
    };
    if seconds >= LEAST_VISIBILITY.as_secs() {
        return Finding::good(format!("{seconds} s"));
    }
    Finding::warning(
        format!(
            "{seconds} s: a message can return while its lease (60 s after its last heartbeat) or its function still runs"
        ),
        format!(
            "set 6 × the function's timeout, plus its batching window: {}",
            queue.set_command("VisibilityTimeout=1800")
        ),
    )
}

/// Judges whether each of the topics may send to the queue.
pub fn judge_senders(queue: &QueueFacts, topics: &[String]) -> Finding {
    if queue.text("KmsMasterKeyId").is_some_and(|key| key.ends_with(AWS_KEY)) {
        return Finding::bad(
            format!("encrypted with {AWS_KEY}, which SNS may not use: SNS delivers nothing"),
            queue.set_command(r#"'{"KmsMasterKeyId":"","SqsManagedSseEnabled":"true"}'"#),
        );
    }
    let policy = queue.text("Policy");
    let verdicts: Vec<(&String, Verdict)> = topics
        .iter()
        .map(|topic| (topic, policy::evaluate(policy.unwrap_or_default(), &queue.arn, topic)))
        .collect();
    let first_with =
        |wanted: Verdict| verdicts.iter().find(|(_, verdict)| *verdict == wanted).map(|(topic, _)| *topic);
    if let Some(topic) = first_with(Verdict::Refused) {
        let fix = allow_command(queue, topic, policy.is_some());
        return Finding::bad(format!("the policy does not let {} send", Arn::name_in(topic)), fix);
    }
    if let Some(topic) = first_with(Verdict::AllowedToAny) {
        let fix = format!(
            "add to its statement: \"Condition\": {}",
            json!({ "ArnEquals": { "aws:SourceArn": topic } })
        );
        return Finding::warning("the policy lets any topic send, also of other accounts", fix);
    }
    if first_with(Verdict::Unknown).is_some() {
        return Finding::warning(
            "the policy lets SNS send under conditions that doctor does not evaluate",
            "check the conditions: a message that SNS may not send is lost",
        );
    }
    let names: Vec<&str> = topics.iter().map(|topic| Arn::name_in(topic)).collect();
    Finding::good(format!("the policy lets {} send", names.join(" and ")))
}

fn allow_command(queue: &QueueFacts, topic: &str, has_policy: bool) -> String {
    let statement = json!({
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": queue.arn, "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
    });
    if has_policy {
        return format!("add the statement {statement}");
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    queue.set_command(&format!("'{}'", json!({ "Policy": policy.to_string() })))
}

/// Judges whether the dead-letter queue keeps messages long enough. `feeds`: the queues whose messages end in it.
pub fn judge_retention(dead_letters: &QueueFacts, feeds: &[&QueueFacts]) -> Finding {
    let Some(seconds) = dead_letters.number("MessageRetentionPeriod") else {
        return Finding::warning("unknown", "grant yourself sqs:GetQueueAttributes on the queue");
    };
    let shown = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        age(SignedDuration::from_secs(seconds))
    };
    let fix = dead_letters.set_command(&format!("MessageRetentionPeriod={}", LONGEST_RETENTION.as_secs()));
    // a moved message keeps the time at which it was first sent
    let longest_feed = feeds.iter().filter_map(|queue| queue.number("MessageRetentionPeriod")).max();
    if let Some(feed_seconds) = longest_feed.filter(|feed_seconds| seconds < *feed_seconds) {
        let (ours, theirs) = (shown(seconds), shown(feed_seconds));
        return Finding::bad(
            format!(
                "keeps messages for {ours}, its source queue for {theirs}: some messages are deleted when they arrive"
            ),
            fix,
        );
    }
    if seconds < LONGEST_RETENTION.as_secs() {
        let found = format!("keeps messages for {}; 14 d leave time to look at them", shown(seconds));
        return Finding::warning(found, fix);
    }
    Finding::good(format!("keeps messages for {}", shown(seconds)))
}

/// Judges whether the dead-letter queue is empty.
pub fn judge_messages(dead_letters: &QueueFacts) -> Finding {
    let number = |name: &str| dead_letters.number(name).unwrap_or_default();
    let all = number("ApproximateNumberOfMessages")
        + number("ApproximateNumberOfMessagesNotVisible")
        + number("ApproximateNumberOfMessagesDelayed");
    if all == 0 {
        return Finding::good("empty");
    }
    Finding::warning(counted(all, "message"), "quiz-etl dlq list")
}

#[cfg(test)]
mod tests {
    use super::{
        QueueFacts, judge_messages, judge_redrive, judge_retention, judge_senders, judge_visibility,
    };
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
    fn failing_message_parks_after_enough_receives() {
        let to = |policy: &str| judge_redrive(&queue(&[("RedrivePolicy", policy)]));
        let policy = |dlq: &str, count: &str| {
            format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:1:{dlq}","maxReceiveCount":{count}}}"#)
        };
        assert_eq!(to(&policy("dead", "600")).found, "to dead after 600 receives");
        let few = to(&policy("dead", "\"3\""));
        assert_eq!(few.status, Status::Warning);
        insta::assert_snapshot!(few.fix.unwrap(), @r#"aws sqs set-queue-attributes --queue-url https://sqs/1/reports --attributes '{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:r:1:dead\",\"maxReceiveCount\":\"600\"}"}'"#);
        assert_eq!(to(&policy("dead.fifo", "600")).status, Status::Bad);
        assert_eq!(to("").status, Status::Bad);
    }

    #[test]
    fn message_stays_hidden_while_its_sync_runs() {
        assert_eq!(judge_visibility(&queue(&[("VisibilityTimeout", "360")])).status, Status::Good);
        assert_eq!(judge_visibility(&queue(&[("VisibilityTimeout", "30")])).status, Status::Warning);
    }

    #[test]
    fn suggested_policy_lets_the_topic_send() {
        let topics = [TOPIC.to_owned()];
        let closed = judge_senders(&queue(&[]), &topics);
        assert_eq!(
            (closed.status, &*closed.found),
            (Status::Bad, "the policy does not let quiz-events send")
        );
        let fix = closed.fix.unwrap();
        let (_, attributes) = fix.split_once("--attributes '").unwrap();
        let attributes: serde_json::Value = serde_json::from_str(attributes.trim_end_matches('\'')).unwrap();
        let policy = attributes["Policy"].as_str().unwrap();
        assert_eq!(judge_senders(&queue(&[("Policy", policy)]), &topics).status, Status::Good);
        let other = judge_senders(&queue(&[("Policy", policy)]), &["arn:aws:sns:r:1:other".to_owned()]);
        assert!(other.fix.unwrap().starts_with("add the statement {"));
        let key = ("KmsMasterKeyId", "alias/aws/sqs");
        assert_eq!(judge_senders(&queue(&[("Policy", policy), key]), &topics).status, Status::Bad);
    }

    #[test]
    fn dead_letters_outlive_their_source_queue() {
        let kept = |seconds: &str| queue(&[("MessageRetentionPeriod", seconds)]);
        let source = kept("345600");
        assert_eq!(judge_retention(&kept("1209600"), &[&source]).status, Status::Good);
        assert_eq!(judge_retention(&kept("345600"), &[&source]).status, Status::Warning);
        assert_eq!(judge_retention(&kept("86400"), &[&source]).status, Status::Bad);
        assert_eq!(judge_retention(&kept("86400"), &[]).status, Status::Warning);
        assert_eq!(judge_messages(&queue(&[])).status, Status::Good);
        let some = judge_messages(&queue(&[
            ("ApproximateNumberOfMessages", "2"),
            ("ApproximateNumberOfMessagesNotVisible", "1"),
        ]));
        assert_eq!((&*some.found, some.fix.as_deref()), ("3 messages", Some("quiz-etl dlq list")));
    }
}
