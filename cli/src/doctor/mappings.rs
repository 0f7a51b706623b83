//! Checks that a function receives the messages of a queue.

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::EventSourceMappingConfiguration;

use crate::doctor::arn::Arn;
use crate::doctor::aws::AwsFailure;
use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::Finding;

/// Reads from Lambda which functions receive the messages of a queue.
pub struct MappingReader {
    client: Client,
    timeout: CallTimeout,
}

impl MappingReader {
    pub fn new(aws: &SdkConfig, timeout: CallTimeout) -> Self {
        Self { client: Client::new(aws), timeout }
    }

    /// One finding for each event source mapping of the queue, or one that says why the queue has none.
    pub async fn check_queue(&self, arn: &str) -> Vec<Finding> {
        let listed = async {
            let pages = self.client.list_event_source_mappings().event_source_arn(arn);
            let mappings = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
            mappings.map_err(|error| AwsFailure::from_sdk(&error))
        };
        match self.timeout.limit(listed, AwsFailure::without_code).await {
            Ok(mappings) if mappings.is_empty() => {
                let fix = "release again (deploy/release): the template creates the event source mapping";
                vec![Finding::bad("no function receives its messages", fix)]
            }
            Ok(mappings) => mappings.iter().map(judge).collect(),
            Err(failure) if failure.is_denied() => {
                vec![Finding::warning(failure.text, "grant yourself lambda:ListEventSourceMappings")]
            }
            Err(failure) => {
                let fix = "check the network and AWS_ENDPOINT_URL, then run this again";
                vec![Finding::bad(failure.text, fix)]
            }
        }
    }
}

fn judge(mapping: &EventSourceMappingConfiguration) -> Finding {
    let function = mapping.function_arn().map_or("a function without an ARN", function_name);
    let uuid = mapping.uuid().unwrap_or_default();
    let state = mapping.state().unwrap_or("of unknown state");
    if state.starts_with("Disabl") {
        return Finding::bad(
            format!(
                "the mapping to {function} is disabled: messages wait, and SQS deletes them after 14 days"
            ),
            format!(
                "remove ConsumeEvents from the parameters file and release again, or: \
                 aws lambda update-event-source-mapping --uuid {uuid} --enabled"
            ),
        );
    }
    match mapping.last_processing_result() {
        Some(result) if result.starts_with("PROBLEM") => Finding::bad(
            format!("{function} does not process its messages: {result}"),
            format!("read the log of {function}, then: aws lambda get-event-source-mapping --uuid {uuid}"),
        ),
        _ => Finding::good(format!("{function} ({})", state.to_lowercase())),
    }
}

/// `name`, or `name:alias`.
fn function_name(arn: &str) -> &str {
    arn.split_once(":function:").map_or_else(|| Arn::name_in(arn), |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::EventSourceMappingConfiguration;

    use super::judge;
    use crate::doctor::check::{Finding, Status};

    fn judged(state: &str, result: Option<&str>) -> Finding {
        let mapping = EventSourceMappingConfiguration::builder()
            .uuid("u-1")
            .function_arn("arn:aws:lambda:ap-south-1:1:function:quiz-etl-sync-reports:live")
            .state(state)
            .set_last_processing_result(result.map(str::to_owned));
        judge(&mapping.build())
    }

    #[test]
    fn disabled_mapping_is_bad() {
        for state in ["Disabled", "Disabling"] {
            let finding = judged(state, Some("No records processed"));
            assert_eq!(finding.status, Status::Bad);
            assert!(finding.found.contains("quiz-etl-sync-reports:live is disabled"), "{}", finding.found);
            let fix = finding.fix.unwrap();
            assert!(fix.contains("ConsumeEvents") && fix.contains("--uuid u-1 --enabled"), "{fix}");
        }
    }

    #[test]
    fn enabled_mapping_is_bad_only_with_problem() {
        assert_eq!(judged("Enabled", Some("OK")).found, "quiz-etl-sync-reports:live (enabled)");
        assert_eq!(judged("Updating", None).status, Status::Good);
        let finding = judged("Enabled", Some("PROBLEM: Function call failed"));
        assert_eq!(finding.status, Status::Bad);
    }
}
