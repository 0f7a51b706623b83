use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter, ResourceStatus, StackStatus};

use crate::{Stack, eventually};

const TIMEOUT: Duration = Duration::from_mins(2);
const CAPABILITIES: [Capability; 2] = [Capability::CapabilityIam, Capability::CapabilityAutoExpand];

impl Stack {
    /// A client for CloudFormation, bound to the runtime of the calling test.
    #[must_use]
    pub fn cloudformation(&self) -> Client {
        Client::new(&self.aws_config())
    }

    /// Deploys the template at `url` and waits until all resources exist.
    ///
    /// # Errors
    /// A refusal of CloudFormation, or each failed resource with the reason.
    pub async fn create_stack(&self, name: &str, url: &str, parameters: &[(String, String)]) -> Result<()> {
        let client = self.cloudformation();
        let made = client
            .create_stack()
            .stack_name(name)
            .template_url(url)
            .set_parameters(Some(parameters.iter().map(parameter).collect()))
            .set_capabilities(Some(CAPABILITIES.to_vec()))
            .send();
        made.await.with_context(|| format!("cannot deploy {name}"))?;
        wait(&client, name, &StackStatus::CreateComplete).await
    }

    /// Updates a deployed stack to the template at `url` and waits until all resources are as in this template.
    ///
    /// # Errors
    /// A refusal of CloudFormation, or each failed resource with the reason.
    pub async fn update_stack(&self, name: &str, url: &str, parameters: &[(String, String)]) -> Result<()> {
        let client = self.cloudformation();
        let updated = client
            .update_stack()
            .stack_name(name)
            .template_url(url)
            .set_parameters(Some(parameters.iter().map(parameter).collect()))
            .set_capabilities(Some(CAPABILITIES.to_vec()))
            .send();
        updated.await.with_context(|| format!("cannot update {name}"))?;
        wait(&client, name, &StackStatus::UpdateComplete).await
    }

    /// The resources of a stack: the name in the template, with the type and the name in AWS.
    ///
    /// # Errors
    /// A refusal of CloudFormation.
    pub async fn stack_resources(&self, name: &str) -> Result<BTreeMap<String, (String, String)>> {
        let listed = self.cloudformation().list_stack_resources().stack_name(name);
        let listed = listed.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let resources = listed.with_context(|| format!("cannot list the resources of {name}"))?;
        let text = |text: Option<String>| text.unwrap_or_default();
        Ok(resources
            .into_iter()
            .map(|resource| {
                let made = (text(resource.resource_type), text(resource.physical_resource_id));
                (text(resource.logical_resource_id), made)
            })
            .collect())
    }
}

fn parameter((key, value): &(String, String)) -> Parameter {
    Parameter::builder().parameter_key(key).parameter_value(value).build()
}

/// Waits for the end of the running operation, which must leave the stack in this status.
async fn wait(client: &Client, name: &str, expected: &StackStatus) -> Result<()> {
    let what = format!("{name} to be {expected}");
    let status = eventually(&what, TIMEOUT, async || {
        let described = client.describe_stacks().stack_name(name).send().await?;
        let status = described.stacks().first().and_then(|stack| stack.stack_status().cloned());
        match status {
            Some(status) if !status.as_str().ends_with("_IN_PROGRESS") => Ok(Some(status)),
            status => Err(anyhow!("{status:?}")),
        }
    });
    let status = status.await?;
    if status == *expected {
        return Ok(());
    }
    let events = client.describe_stack_events().stack_name(name).send().await?;
    let is_failure = |status: &ResourceStatus| status.as_str().ends_with("FAILED");
    let failed = events.stack_events().iter().filter(|event| event.resource_status().is_some_and(is_failure));
    let failed: Vec<String> = failed
        .filter_map(|event| {
            Some(format!("{}: {}", event.logical_resource_id()?, event.resource_status_reason()?))
        })
        .collect();
    bail!("{name} is {status}: {}", failed.join("; "))
}
