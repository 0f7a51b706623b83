use anyhow::anyhow;
use notify_discord::{Config, connect};
use quiz_runtime::{Environment, sqs, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = Config::read(Environment::of_process())?;
    let handler = connect(config).await;
    let served = sqs::serve(|event, deadline| handler.handle(event, deadline)).await;
    served.map_err(|error| anyhow!(error))
}
