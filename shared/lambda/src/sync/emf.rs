use std::io::Write;

use jiff::Timestamp;
use quiz_pipeline::{Dimension, Meter, Metric};
use serde_json::{Map, Value, json};

use crate::Commit;

/// A property and not a dimension: as a dimension, each commit would have metrics of its own.
const COMMIT: &str = "commit";

/// Writes metrics as log lines in CloudWatch's embedded metric format, so that no API call is needed.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
#[derive(Clone, Debug)]
pub struct EmbeddedMetrics {
    /// The CloudWatch namespace of the metrics.
    pub namespace: String,
    /// The running commit, a property of each line.
    pub commit: Commit,
}

impl Meter for EmbeddedMetrics {
    fn record(&self, dimension: Dimension, measured: &[(Metric, u64)]) {
        let line = self.line(dimension, measured, Timestamp::now());
        // if standard output fails, there is no place to log the error
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

impl EmbeddedMetrics {
    fn line(&self, dimension: Dimension, measured: &[(Metric, u64)], at: Timestamp) -> Value {
        let (dimension, value) = dimension.name_and_value();
        let metrics: Vec<Value> = measured
            .iter()
            .map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit.name()}))
            .collect();
        let directive = json!({"Namespace": self.namespace, "Dimensions": [[dimension]], "Metrics": metrics});
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({"Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive]}),
        );
        line.insert(dimension.into(), value.into());
        line.insert(COMMIT.into(), self.commit.short().into());
        for (metric, value) in measured {
            line.insert(metric.name.into(), (*value).into());
        }
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::EmbeddedMetrics;
    use crate::Commit;
    use jiff::Timestamp;
    use quiz_events::Sink;
    use quiz_pipeline::{Dimension, METRICS};
    use serde_json::json;

    #[test]
    fn line_has_the_embedded_metric_format() {
        let named = |name: &str| *METRICS.iter().find(|metric| metric.name == name).unwrap();
        let measured = [(named("SyncsFinished"), 1), (named("Lag"), 1_500)];
        let metrics = EmbeddedMetrics {
            namespace: "QuizEtl/staging".into(),
            commit: Commit::from_hash("0123456789abcdef"),
        };
        let at = Timestamp::from_millisecond(1_714_500_000_123).unwrap();
        let line = metrics.line(Dimension::Sink(Sink::Reports), &measured, at);
        assert_eq!(
            line,
            json!({
                "_aws": {
                    "Timestamp": 1_714_500_000_123_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "QuizEtl/staging",
                        "Dimensions": [["Sink"]],
                        "Metrics": [
                            {"Name": "SyncsFinished", "Unit": "Count"}, {"Name": "Lag", "Unit": "Milliseconds"},
                        ],
                    }],
                },
                "Sink": "reports", "commit": "0123456789ab", "SyncsFinished": 1, "Lag": 1_500,
            })
        );
    }
}
