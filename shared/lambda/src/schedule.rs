//! The entry point of a Lambda that a schedule or a person invokes.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::sqs::deadline;

/// Handles Lambda's invocations until the process ends. `handle` gets the schedule's input and the deadline of the
/// invocation. An error of `handle` fails the invocation.
///
/// # Errors
/// [`Error`] if the Lambda runtime cannot be reached.
pub async fn serve<H, F, A, E>(handle: H) -> Result<(), Error>
where
    H: Fn(Value, Instant) -> F,
    F: Future<Output = Result<A, E>>,
    A: Serialize,
    E: std::error::Error + Send + Sync + 'static,
{
    let handle = &handle;
    let answer = |event: LambdaEvent<Value>| async move {
        let deadline = deadline(event.context.deadline());
        handle(event.payload, deadline).await.map_err(Error::from)
    };
    lambda_runtime::run(service_fn(answer)).await
}
