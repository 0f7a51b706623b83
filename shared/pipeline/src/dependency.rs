use quiz_events::Sink;

use crate::error::FOLLOW_UP_NOT_SENT;

/// A service that syncs need. While the service is down, messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    MongoDb,
    DynamoDb,
    BigQuery,
    /// The sink's own queue, for follow-ups.
    Sqs,
}

impl Dependency {
    pub const ALL: [Self; 4] = [Self::MongoDb, Self::DynamoDb, Self::BigQuery, Self::Sqs];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MongoDb => "MongoDB",
            Self::DynamoDb => "DynamoDB",
            Self::BigQuery => "BigQuery",
            Self::Sqs => "SQS",
        }
    }

    /// The service that was missing in a sync into `sink`, by the error code of its failure; `None` for other causes.
    #[must_use]
    pub fn from_failure(sink: Sink, error_code: &str) -> Option<Self> {
        match (error_code, sink) {
            ("source_unavailable" | "source_refused", _) => Some(Self::MongoDb),
            ("state_unavailable", _) | ("sink_failed", Sink::Reports) => Some(Self::DynamoDb),
            ("sink_failed", Sink::Warehouse) => Some(Self::BigQuery),
            (FOLLOW_UP_NOT_SENT, _) => Some(Self::Sqs),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dependency;
    use quiz_events::Sink;

    #[test]
    fn error_code_names_the_service_of_its_sink() {
        let dependency = Dependency::from_failure;
        assert_eq!(dependency(Sink::Warehouse, "source_unavailable"), Some(Dependency::MongoDb));
        assert_eq!(dependency(Sink::Reports, "sink_failed"), Some(Dependency::DynamoDb));
        assert_eq!(dependency(Sink::Warehouse, "sink_failed"), Some(Dependency::BigQuery));
        assert_eq!(dependency(Sink::Reports, "attempt_not_found"), None);
    }
}
