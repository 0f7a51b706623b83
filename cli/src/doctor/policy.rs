//! Decides from a queue's policy whether a topic may send to the queue.
//!
//! Evaluates the statements that concern SNS and `sqs:SendMessage`: their conditions on `aws:SourceArn` and
//! `aws:SourceAccount`, with wildcards. Any other condition makes the verdict [`Verdict::Unknown`].

use serde_json::Value;

use crate::doctor::arn::Arn;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// Any topic may send, from any account.
    AllowedToAny,
    /// Conditions apply that this module does not evaluate.
    Unknown,
    Refused,
}

/// Evaluates the statements about SNS and sending. A policy that is not JSON allows nothing.
pub fn evaluate(policy: &str, queue_arn: &str, topic_arn: &str) -> Verdict {
    let policy: Value = serde_json::from_str(policy).unwrap_or(Value::Null);
    let statements = list(policy.get("Statement"));
    let concerns_sns = |statement: &&&Value| names_sns(statement) && names_sending(statement, queue_arn);
    let has_effect =
        |statement: &Value, wanted: &str| statement.get("Effect").is_some_and(|effect| effect == wanted);
    let mut verdict = Verdict::Refused;
    for statement in statements.iter().filter(concerns_sns) {
        let conditions = conditions(statement, topic_arn);
        if has_effect(statement, "Deny") && conditions == Some(Verdict::AllowedToAny) {
            return Verdict::Refused;
        }
        if !has_effect(statement, "Allow") {
            continue;
        }
        match conditions {
            Some(Verdict::Allowed) => verdict = Verdict::Allowed,
            Some(found) if verdict != Verdict::Allowed => verdict = found,
            _ => {}
        }
    }
    verdict
}

/// The entries of a list. JSON policies may write a single entry without the list.
fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}

fn names_sns(statement: &Value) -> bool {
    let Some(principal) = statement.get("Principal") else { return false };
    principal == "*"
        || list(principal.get("AWS")).iter().any(|principal| **principal == "*")
        || list(principal.get("Service")).iter().any(|service| **service == "sns.amazonaws.com")
}

fn names_sending(statement: &Value, queue_arn: &str) -> bool {
    let actions = list(statement.get("Action"));
    let sends =
        |action: &Value| action.as_str().is_some_and(|name| is_like(&name.to_lowercase(), "sqs:sendmessage"));
    let resources = list(statement.get("Resource"));
    actions.into_iter().any(sends)
        && resources.iter().any(|resource| resource.as_str().is_some_and(|arn| is_like(arn, queue_arn)))
}

/// The verdict of a statement's conditions; `None` if a condition is not met.
fn conditions(statement: &Value, topic_arn: &str) -> Option<Verdict> {
    let Some(Value::Object(operators)) = statement.get("Condition") else {
        return Some(Verdict::AllowedToAny);
    };
    let mut verdict = Verdict::AllowedToAny;
    let conditions = operators.iter().flat_map(|(operator, keys)| {
        keys.as_object().into_iter().flatten().map(move |(key, values)| (operator.as_str(), key, values))
    });
    for (operator, key, values) in conditions {
        let wanted = match key.to_lowercase().as_str() {
            "aws:sourcearn" => Some(topic_arn.to_owned()),
            "aws:sourceaccount" => Arn::parse(topic_arn, "sns").map(|arn| arn.account),
            _ => None,
        };
        let compares = ["ArnEquals", "ArnLike", "StringEquals", "StringLike"].contains(&operator);
        match wanted.filter(|_| compares) {
            Some(wanted) => {
                let values = list(Some(values));
                if !values.iter().any(|value| value.as_str().is_some_and(|pattern| is_like(pattern, &wanted)))
                {
                    return None;
                }
                if verdict == Verdict::AllowedToAny {
                    verdict = Verdict::Allowed;
                }
            }
            None => verdict = Verdict::Unknown,
        }
    }
    Some(verdict)
}

/// Whether the text matches the pattern: `*` stands for any text, `?` for any character.
fn is_like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut characters) = (pattern.chars(), text.chars());
    match pattern.next() {
        None => text.is_empty(),
        Some('*') => {
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| text.get(at..).is_some_and(|end| is_like(pattern.as_str(), end)))
        }
        Some(wanted) => {
            let fits = characters.next().is_some_and(|character| wanted == '?' || wanted == character);
            fits && is_like(pattern.as_str(), characters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Verdict, evaluate, is_like};

    const QUEUE: &str = "arn:aws:sqs:ap-south-1:111122223333:reports";
    const TOPIC: &str = "arn:aws:sns:ap-south-1:111122223333:quiz-events";

    fn judged(statement: &Value) -> Verdict {
        evaluate(&json!({ "Statement": statement }).to_string(), QUEUE, TOPIC)
    }

    fn allow(principal: &Value, action: &Value, resource: &str, condition: &Value) -> Value {
        json!([{ "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource,
            "Condition": condition }])
    }

    #[test]
    fn condition_on_arn_or_account_allows_topic() {
        let sns = json!({ "Service": "sns.amazonaws.com" });
        let send = json!("sqs:SendMessage");
        let topic = json!({ "ArnEquals": { "aws:SourceArn": TOPIC } });
        assert_eq!(judged(&allow(&sns, &send, QUEUE, &topic)), Verdict::Allowed);
        let like = json!({ "ArnLike": { "AWS:SourceArn": ["arn:aws:sns:*:111122223333:quiz-*"] } });
        assert_eq!(judged(&allow(&json!("*"), &json!(["sqs:*"]), "*", &like)), Verdict::Allowed);
        let account = json!({ "StringEquals": { "aws:SourceAccount": "111122223333" } });
        assert_eq!(judged(&allow(&sns, &send, QUEUE, &account)), Verdict::Allowed);
        assert_eq!(judged(&allow(&sns, &send, QUEUE, &json!({}))), Verdict::AllowedToAny);
        let time = json!({ "DateGreaterThan": { "aws:CurrentTime": "2020-01-01" } });
        assert_eq!(judged(&allow(&sns, &send, QUEUE, &time)), Verdict::Unknown);
    }

    #[test]
    fn statement_for_another_topic_allows_nothing() {
        let sns = json!({ "Service": "sns.amazonaws.com" });
        let send = json!("sqs:SendMessage");
        let other = json!({ "ArnEquals": { "aws:SourceArn": "arn:aws:sns:ap-south-1:111122223333:other" } });
        assert_eq!(judged(&allow(&sns, &send, QUEUE, &other)), Verdict::Refused);
        let events = json!({ "Service": "events.amazonaws.com" });
        assert_eq!(judged(&allow(&events, &send, QUEUE, &json!({}))), Verdict::Refused);
        assert_eq!(judged(&allow(&sns, &json!("sqs:ReceiveMessage"), QUEUE, &json!({}))), Verdict::Refused);
        assert_eq!(judged(&allow(&sns, &send, "arn:aws:sqs:r:1:other", &json!({}))), Verdict::Refused);
        assert_eq!(evaluate("", QUEUE, TOPIC), Verdict::Refused);
    }

    #[test]
    fn denial_counts_unless_it_is_for_http() {
        let deny = |condition: &Value| {
            json!({ "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
                "Condition": condition })
        };
        let allow = json!({ "Effect": "Allow", "Principal": { "Service": ["sns.amazonaws.com"] },
            "Action": "SQS:SendMessage", "Resource": QUEUE,
            "Condition": { "ArnLike": { "aws:SourceArn": TOPIC } } });
        let http = json!({ "Bool": { "aws:SecureTransport": "false" } });
        assert_eq!(judged(&json!([deny(&http), allow])), Verdict::Allowed);
        assert_eq!(judged(&json!([deny(&json!({})), allow])), Verdict::Refused);
    }

    #[test]
    fn patterns_match_any_text_and_any_character() {
        for (pattern, text) in [("a*c", "abc"), ("*", ""), ("a*b*c", "aXbYbZc"), ("a?c", "abc"), ("*é", "aé")]
        {
            assert!(is_like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "abd"), ("ab", "abc"), ("a?c", "ac"), ("a*b", "ba")] {
            assert!(!is_like(pattern, text), "{pattern} {text}");
        }
    }
}
