use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionResponseType, Runtime, ScalingConfig, State};
use serde_json::Value;

use crate::{Stack, eventually, process};

const ACTIVE_TIMEOUT: Duration = Duration::from_mins(1);
const ROLE: &str = "arn:aws:iam::000000000000:role/quiz-stack";

/// A native function: an executable that speaks the Lambda runtime API.
#[derive(Debug, Clone)]
pub struct FunctionSpec<'a> {
    pub name: &'a str,
    /// An executable file.
    pub binary: &'a Path,
    pub environment: &'a [(&'a str, &'a str)],
    /// Whole seconds; an invocation that takes longer is killed.
    pub timeout: Duration,
    pub memory_mb: u16,
}

/// The event source mapping of a queue to a function.
#[derive(Debug, Clone)]
pub struct MappingSpec<'a> {
    pub function: &'a str,
    pub queue_arn: &'a str,
    /// The most messages of an invocation; ministack's limit is 10.
    pub batch_size: u16,
    /// Invocations at a time, at least 2; ministack's default is 5.
    pub maximum_concurrency: Option<u16>,
    /// `false` keeps messages in the queue until [`Stack::enable_mapping`].
    pub enabled: bool,
}

impl Stack {
    /// A client for Lambda, bound to the runtime of the calling test.
    #[must_use]
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.aws_config())
    }

    /// Deploys a function on `provided.al2023`, waits until the function is active and returns its ARN. The binary may
    /// be removed afterwards.
    ///
    /// # Errors
    /// A binary that cannot be read, a refusal of Lambda, or a function that does not become active.
    pub async fn deploy_function(&self, spec: &FunctionSpec<'_>) -> Result<String> {
        let archive = self.package(spec.binary).await?;
        let environment: HashMap<String, String> =
            spec.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let lambda = self.lambda();
        let made = lambda
            .create_function()
            .function_name(spec.name)
            .runtime(Runtime::from("provided.al2023"))
            .handler("bootstrap")
            .role(ROLE)
            .code(FunctionCode::builder().zip_file(Blob::new(archive)).build())
            .environment(Environment::builder().set_variables(Some(environment)).build())
            .timeout(i32::try_from(spec.timeout.as_secs())?)
            .memory_size(i32::from(spec.memory_mb))
            .send()
            .await
            .with_context(|| format!("cannot deploy function {}", spec.name))?;
        eventually(&format!("function {} to be active", spec.name), ACTIVE_TIMEOUT, async || {
            let state = lambda.get_function_configuration().function_name(spec.name).send().await?.state;
            if state == Some(State::Active) { Ok(Some(())) } else { Err(anyhow!("state {state:?}")) }
        })
        .await?;
        made.function_arn.context("function has no ARN")
    }

    /// Maps a queue to a function with `ReportBatchItemFailures`, waits until the mapping reaches the requested state and
    /// returns its UUID.
    ///
    /// # Errors
    /// A refusal of Lambda, or a mapping that does not reach its state.
    pub async fn map_queue(&self, spec: &MappingSpec<'_>) -> Result<String> {
        let scaling = spec
            .maximum_concurrency
            .map(|maximum| ScalingConfig::builder().maximum_concurrency(i32::from(maximum)).build());
        let request = self
            .lambda()
            .create_event_source_mapping()
            .function_name(spec.function)
            .event_source_arn(spec.queue_arn)
            .batch_size(i32::from(spec.batch_size))
            .function_response_types(FunctionResponseType::ReportBatchItemFailures)
            .set_scaling_config(scaling)
            .enabled(spec.enabled);
        let made = request.send().await;
        let made = made.with_context(|| format!("cannot map {} to {}", spec.queue_arn, spec.function))?;
        let uuid = made.uuid.context("mapping has no UUID")?;
        self.wait_for_mapping(&uuid, spec.enabled).await?;
        Ok(uuid)
    }

    /// Enables or disables a mapping and waits for its state. Running invocations continue.
    ///
    /// # Errors
    /// A refusal of Lambda, or a mapping that does not reach its state.
    pub async fn enable_mapping(&self, uuid: &str, enabled: bool) -> Result<()> {
        let request = self.lambda().update_event_source_mapping().uuid(uuid).enabled(enabled);
        request.send().await.with_context(|| format!("cannot update mapping {uuid}"))?;
        self.wait_for_mapping(uuid, enabled).await
    }

    async fn wait_for_mapping(&self, uuid: &str, enabled: bool) -> Result<()> {
        let lambda = self.lambda();
        let wanted = if enabled { "Enabled" } else { "Disabled" };
        eventually(&format!("mapping {uuid} to be {wanted}"), ACTIVE_TIMEOUT, async || {
            let state = lambda.get_event_source_mapping().uuid(uuid).send().await?.state;
            if state.as_deref() == Some(wanted) { Ok(Some(())) } else { Err(anyhow!("state {state:?}")) }
        })
        .await
    }

    /// The UUID of the mapping to a function, or to one of its aliases (`name:alias`).
    ///
    /// # Errors
    /// A refusal of Lambda, or a function without a mapping.
    pub async fn mapping_of(&self, function: &str) -> Result<String> {
        let found = self.lambda().list_event_source_mappings().into_paginator().items().send();
        let found = found.collect::<Result<Vec<_>, _>>().await?;
        let arn = format!(":function:{function}");
        let mapping =
            found.iter().find(|mapping| mapping.function_arn().is_some_and(|found| found.ends_with(&arn)));
        let uuid = mapping.and_then(|mapping| mapping.uuid.clone());
        uuid.with_context(|| format!("function {function} has no event source mapping"))
    }

    /// Changes the batch size of a mapping (ministack: at most 10) and its number of concurrent invocations.
    ///
    /// # Errors
    /// A refusal of Lambda.
    pub async fn pace_mapping(&self, uuid: &str, batch_size: u16, instances: u16) -> Result<()> {
        let scaling = ScalingConfig::builder().maximum_concurrency(i32::from(instances)).build();
        let update = self.lambda().update_event_source_mapping().uuid(uuid);
        let update = update.batch_size(i32::from(batch_size)).scaling_config(scaling);
        update.send().await.with_context(|| format!("cannot update mapping {uuid}"))?;
        Ok(())
    }

    /// Changes variables of a function's environment: publishes a new version and moves the alias to this version.
    ///
    /// # Errors
    /// A refusal of Lambda.
    pub async fn set_environment(&self, name: &str, alias: &str, variables: &[(&str, &str)]) -> Result<()> {
        let lambda = self.lambda();
        let configured = lambda.get_function_configuration().function_name(name).send().await?;
        let mut all =
            configured.environment.and_then(|environment| environment.variables).unwrap_or_default();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let environment = Environment::builder().set_variables(Some(all)).build();
        lambda.update_function_configuration().function_name(name).environment(environment).send().await?;
        let version = lambda.publish_version().function_name(name).send().await?.version;
        let version = version.context("version has no number")?;
        lambda.update_alias().function_name(name).name(alias).function_version(version).send().await?;
        Ok(())
    }

    /// Kills the processes that run a function, as a failing machine does. Returns their number.
    ///
    /// # Errors
    /// A process that cannot be killed.
    pub fn kill_function(&self, name: &str) -> Result<usize> {
        let pids = process::with_variable("AWS_LAMBDA_FUNCTION_NAME", name);
        for pid in &pids {
            process::signal(*pid, "KILL").with_context(|| format!("cannot kill {name}"))?;
        }
        Ok(pids.len())
    }

    /// Invokes a function and returns its answer.
    ///
    /// # Errors
    /// A refusal of Lambda, or a failed invocation, with its payload and the function's log.
    pub async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        let request = self.lambda().invoke().function_name(name).payload(Blob::new(payload.to_string()));
        let answer = request.send().await.with_context(|| format!("cannot invoke {name}"))?;
        let returned = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if let Some(error) = answer.function_error {
            let logs = self.function_logs(name).await?;
            bail!("{name} failed, {error}: {}\n{logs}", String::from_utf8_lossy(&returned));
        }
        serde_json::from_slice(&returned).with_context(|| format!("{name} returned no JSON"))
    }
}
