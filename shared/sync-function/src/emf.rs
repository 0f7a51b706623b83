use std::io::Write;

use jiff::Timestamp;
use quiz_pipeline::{Meter, Metric};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "QuizEtl";
const DIMENSION: &str = "Sink";

/// Metrics as lines of the log, in CloudWatch's embedded metric format: no call is made for them.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddedMetrics;

impl Meter for EmbeddedMetrics {
    fn record(&self, sink: &'static str, measured: &[(Metric, u64)]) {
        let line = line(sink, measured, Timestamp::now());
        // a log that takes no lines takes no complaint either
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

fn line(sink: &str, measured: &[(Metric, u64)], at: Timestamp) -> Value {
    let metrics: Vec<Value> =
        measured.iter().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit.name()})).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics});
    let mut line = Map::new();
    line.insert("_aws".into(), json!({"Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive]}));
    line.insert(DIMENSION.into(), sink.into());
    for (metric, value) in measured {
        line.insert(metric.name.into(), (*value).into());
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::line;
    use jiff::Timestamp;
    use quiz_pipeline::METRICS;
    use serde_json::json;

    #[test]
    fn a_line_is_as_cloudwatch_reads_it() {
        let measured = [(METRICS[0], 1), (METRICS[5], 1_500)];
        let line = line("reports", &measured, Timestamp::from_millisecond(1_714_500_000_123).unwrap());
        assert_eq!(
            line,
            json!({
                "_aws": {
                    "Timestamp": 1_714_500_000_123_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "QuizEtl",
                        "Dimensions": [["Sink"]],
                        "Metrics": [
                            {"Name": "SyncsFinished", "Unit": "Count"}, {"Name": "Lag", "Unit": "Milliseconds"},
                        ],
                    }],
                },
                "Sink": "reports", "SyncsFinished": 1, "Lag": 1_500,
            })
        );
    }
}
