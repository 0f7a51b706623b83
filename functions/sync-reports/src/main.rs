use anyhow::anyhow;
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use quiz_runtime::{Environment, sqs, telemetry};
use sync_reports::{Config, connect};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = Config::read(Environment::of_process())?;
    let handler = &connect(config).await;
    let answer = |event: LambdaEvent<SqsEvent>| async move {
        let deadline = sqs::deadline(event.context.deadline());
        Ok::<_, Error>(handler.handle(event.payload, deadline).await)
    };
    lambda_runtime::run(service_fn(answer)).await.map_err(|error| anyhow!(error))
}
