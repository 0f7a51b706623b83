//! The entry of a Lambda that a schedule invokes, or a person by hand.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::sqs::deadline;

/// Answers Lambda's invocations until the process ends: each is handled, with the input that the schedule gives, before
/// the deadline that comes with it. An error fails the invocation.
///
/// # Errors
/// Where the Lambda runtime cannot be reached.
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
