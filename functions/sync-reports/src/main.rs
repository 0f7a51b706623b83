use anyhow::anyhow;
use quiz_runtime::{Environment, sqs, telemetry};
use sync_reports::{Config, connect};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = Config::read(Environment::of_process())?;
    let handler = connect(config).await;
    let served = sqs::serve(|event, deadline| handler.handle(event, deadline)).await;
    served.map_err(|error| anyhow!(error))
}
