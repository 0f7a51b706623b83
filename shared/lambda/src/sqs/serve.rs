use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tokio::time::Instant;

use super::SqsHandler;

/// Handles Lambda's events until the process ends, each before the deadline of its invocation.
///
/// # Errors
/// [`Error`] if the Lambda runtime cannot be reached.
pub async fn serve(handler: &SqsHandler) -> Result<(), Error> {
    let answer = |event: LambdaEvent<SqsEvent>| async move {
        let deadline = deadline(event.context.deadline());
        Ok::<_, Error>(handler.handle(event.payload, deadline).await)
    };
    lambda_runtime::run(service_fn(answer)).await
}

/// Converts the deadline of an invocation to tokio's clock.
#[must_use]
pub fn deadline(at: SystemTime) -> Instant {
    let left = at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    Instant::now() + left
}
