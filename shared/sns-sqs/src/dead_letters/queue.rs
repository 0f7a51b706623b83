use std::collections::BTreeMap;

use thiserror::Error;

/// A dead-letter queue, and the queues whose messages it receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterQueue {
    pub name: String,
    pub url: String,
    pub arn: String,
    /// At least one source; several if queues or subscriptions share the dead-letter queue.
    pub sources: Vec<Source>,
}

/// A queue that moves messages to the dead-letter queue, or to which SNS could not deliver them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub url: String,
    pub arn: String,
    pub kind: SourceKind,
}

/// How messages get from a source to the dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// SQS moves a message there after this number of receives; the queue's function also parks messages there.
    Queue { max_receive_count: u32 },
    /// SNS sends a message there if it cannot deliver the message to the queue.
    Subscription,
}

/// Why the source of a message is unknown. The message then stays in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoSource {
    #[error("it came from the queue {0}, which none of the topics feeds: only a known queue is sent to")]
    Unknown(String),
    #[error("the queues {} share its dead-letter queue, and nothing says from which of them it came", .0.join(" and "))]
    Ambiguous(Vec<String>),
}

impl DeadLetterQueue {
    /// The source of a message: the queue that SQS names with the message, else the only source.
    ///
    /// # Errors
    /// [`NoSource`] if the named queue is not a source, or SQS names none and there are several sources.
    pub fn find_source(&self, named: Option<&str>) -> Result<&Source, NoSource> {
        if let Some(arn) = named {
            let source = self.sources.iter().find(|source| source.arn == arn);
            return source.ok_or_else(|| NoSource::Unknown(arn.to_owned()));
        }
        let by_name: BTreeMap<&str, &Source> =
            self.sources.iter().map(|source| (source.name.as_str(), source)).collect();
        let mut sources = by_name.values();
        match (sources.next(), sources.next()) {
            (Some(source), None) => Ok(source),
            _ => Err(NoSource::Ambiguous(by_name.into_keys().map(str::to_owned).collect())),
        }
    }

    /// The source with this ARN, and its maximum of receives; `None` if only a subscription to the queue is a source.
    #[must_use]
    pub fn redrive_source(&self, arn: &str) -> Option<(&Source, u32)> {
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
    fn source_is_the_named_or_the_only_queue() {
        let kind = SourceKind::Queue { max_receive_count: 5 };
        let single = queue(vec![source("a", kind), source("a", SourceKind::Subscription)]);
        assert_eq!(single.find_source(None).unwrap().name, "a");
        assert_eq!(single.find_source(Some("arn/b")), Err(NoSource::Unknown("arn/b".into())));
        assert_eq!(single.redrive_source("arn/a").map(|(_, count)| count), Some(5));

        let shared = queue(vec![source("b", kind), source("a", kind)]);
        assert_eq!(shared.find_source(Some("arn/b")).unwrap().name, "b");
        let ambiguous = shared.find_source(None).unwrap_err();
        assert_eq!(
            ambiguous.to_string(),
            "the queues a and b share its dead-letter queue, and nothing says from which of them it came"
        );
    }
}
