//! Reads a queue's URL and attributes from SQS.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use crate::arn::QueueArn;
use crate::error::SqsError;

/// A queue's redrive policy: after `max_receive_count` receives SQS moves a message to the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub dead_letter_arn: String,
    pub max_receive_count: u32,
}

pub(crate) async fn queue_url(client: &Client, arn: &QueueArn) -> Result<String, SqsError> {
    let request = client.get_queue_url().queue_name(&arn.name).queue_owner_aws_account_id(&arn.account);
    let answer = request.send().await.map_err(|error| SqsError::failed(&arn.name, &error))?;
    answer
        .queue_url
        .filter(|url| !url.is_empty())
        .ok_or_else(|| SqsError::Unreadable { queue: arn.name.clone(), what: "url" })
}

/// Reads one attribute of a queue; `None` if it is missing or empty.
pub(crate) async fn attribute(
    client: &Client,
    url: &str,
    name: QueueAttributeName,
) -> Result<Option<String>, SqsError> {
    let request = client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let answer = request.send().await.map_err(|error| SqsError::failed(url, &error))?;
    let value = answer.attributes.and_then(|mut attributes| attributes.remove(&name));
    Ok(value.filter(|value| !value.is_empty()))
}

/// Parses a redrive policy. SQS returns the count as a number or as text, depending on how it was set.
pub(crate) fn redrive_policy(policy: &str) -> Option<Redrive> {
    let dead_letter_arn = dead_letter_arn(policy)?;
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(Redrive { dead_letter_arn, max_receive_count: u32::try_from(count).ok()? })
}

/// Parses the dead-letter queue's ARN from the redrive policy of a queue or of a subscription. A subscription's policy
/// has no count.
pub(crate) fn dead_letter_arn(policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    policy.get("deadLetterTargetArn")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::redrive_policy;

    #[test]
    fn policy_count_may_be_number_or_text() {
        for count in ["5", "\"5\""] {
            let policy =
                format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:r:1:d","maxReceiveCount":{count}}}"#);
            let redrive = redrive_policy(&policy).unwrap();
            assert_eq!(
                (redrive.dead_letter_arn.as_str(), redrive.max_receive_count),
                ("arn:aws:sqs:r:1:d", 5)
            );
        }
        assert!(redrive_policy("{}").is_none());
    }
}
