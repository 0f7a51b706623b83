use std::collections::BTreeMap;

use thiserror::Error;

/// A dead-letter queue, and what is given up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterQueue {
    pub name: String,
    pub url: String,
    pub arn: String,
    /// At least one; several where queues or subscriptions share it.
    pub sources: Vec<Source>,
}

/// A queue that a message was given up by, or was on its way to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub url: String,
    pub arn: String,
    pub kind: SourceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The queue gives a message up after so many receives; its function parks there besides.
    Queue { max_receive_count: u32 },
    /// SNS could not deliver the message to the queue.
    Subscription,
}

/// Why it cannot be told where a message belongs; it is then left where it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoSource {
    #[error("it came from the queue {0}, which none of the topics feeds: only a known queue is sent to")]
    Unknown(String),
    #[error("the queues {} share its dead-letter queue, and nothing says from which of them it came", .0.join(" and "))]
    Ambiguous(Vec<String>),
}

impl DeadLetterQueue {
    /// The queue that a message came from: the one that SQS names with it, else the only one there is.
    ///
    /// # Errors
    /// [`NoSource`] where there are several, or the one named is none of them.
    pub fn source_of(&self, named: Option<&str>) -> Result<&Source, NoSource> {
        if let Some(arn) = named {
            let source = self.sources.iter().find(|source| source.arn == arn);
            return source.ok_or_else(|| NoSource::Unknown(arn.to_owned()));
        }
        let by_name: BTreeMap<&str, &Source> = self.sources.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut sources = by_name.values();
        match (sources.next(), sources.next()) {
            (Some(source), None) => Ok(source),
            _ => Err(NoSource::Ambiguous(by_name.into_keys().map(str::to_owned).collect())),
        }
    }

    /// The source itself, as a queue, where it gives messages up: not where only a subscription to it does.
    #[must_use]
    pub fn gave_up(&self, arn: &str) -> Option<(&Source, u32)> {
        self.sources.iter().find_map(|source| match source.kind {
            SourceKind::Queue { max_receive_count } if source.arn == arn => Some((source, max_receive_count)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DeadLetterQueue, NoSource, Source, SourceKind};

    fn source(name: &str, kind: SourceKind) -> Source {
        Source { name: name.into(), url: format!("u/{name}"), arn: format!("arn/{name}"), kind }
    }

    fn queue(sources: Vec<Source>) -> DeadLetterQueue {
        DeadLetterQueue { name: "d".into(), url: "u/d".into(), arn: "arn/d".into(), sources }
    }

    #[test]
    fn a_message_belongs_to_the_queue_that_is_named_or_the_only_one() {
        let given = SourceKind::Queue { max_receive_count: 5 };
        let alone = queue(vec![source("a", given), source("a", SourceKind::Subscription)]);
        assert_eq!(alone.source_of(None).unwrap().name, "a");
        assert_eq!(alone.source_of(Some("arn/b")), Err(NoSource::Unknown("arn/b".into())));
        assert_eq!(alone.gave_up("arn/a").map(|(_, count)| count), Some(5));

        let shared = queue(vec![source("b", given), source("a", given)]);
        assert_eq!(shared.source_of(Some("arn/b")).unwrap().name, "b");
        let unsure = shared.source_of(None).unwrap_err();
        assert_eq!(
            unsure.to_string(),
            "the queues a and b share its dead-letter queue, and nothing says from which of them it came"
        );
    }
}
