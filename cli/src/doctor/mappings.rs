use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::EventSourceMappingConfiguration;

use crate::doctor::arn::Arn;
use crate::doctor::aws::AwsFailure;
use crate::doctor::check::Finding;
use crate::doctor::patience::Patience;

/// Asks Lambda which functions get a queue's messages.
pub struct MappingReader {
    client: Client,
    patience: Patience,
}

impl MappingReader {
    pub fn new(aws: &SdkConfig, patience: Patience) -> Self {
        Self { client: Client::new(aws), patience }
    }

    /// One finding for each event source mapping of the queue, or one that says why there is none.
    pub async fn of_queue(&self, arn: &str) -> Vec<Finding> {
        let asked = async {
            let pages = self.client.list_event_source_mappings().event_source_arn(arn);
            let mappings = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
            mappings.map_err(|error| AwsFailure::of(&error))
        };
        match self.patience.hold(asked, AwsFailure::silent).await {
            Ok(mappings) if mappings.is_empty() => {
                let mend = "release again (deploy/release): the template makes the event source mapping";
                vec![Finding::bad("no function gets its messages", mend)]
            }
            Ok(mappings) => mappings.iter().map(judge).collect(),
            Err(failure) if failure.is_denied() => {
                vec![Finding::warning(failure.text, "allow yourself lambda:ListEventSourceMappings")]
            }
            Err(failure) => {
                let mend = "check the network and AWS_ENDPOINT_URL, then run this again";
                vec![Finding::bad(failure.text, mend)]
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
            format!("{function} does not take its messages: {result}"),
            format!("look at the log of {function}, then: aws lambda get-event-source-mapping --uuid {uuid}"),
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
    fn a_disabled_mapping_is_bad() {
        for state in ["Disabled", "Disabling"] {
            let finding = judged(state, Some("No records processed"));
            assert_eq!(finding.status, Status::Bad);
            assert!(finding.found.contains("quiz-etl-sync-reports:live is disabled"), "{}", finding.found);
            let mend = finding.mend.unwrap();
            assert!(mend.contains("ConsumeEvents") && mend.contains("--uuid u-1 --enabled"), "{mend}");
        }
    }

    #[test]
    fn an_enabled_mapping_is_good_unless_lambda_reports_a_problem() {
        assert_eq!(judged("Enabled", Some("OK")).found, "quiz-etl-sync-reports:live (enabled)");
        assert_eq!(judged("Updating", None).status, Status::Good);
        let finding = judged("Enabled", Some("PROBLEM: Function call failed"));
        assert_eq!(finding.status, Status::Bad);
    }
}
