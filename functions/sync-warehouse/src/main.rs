use anyhow::anyhow;
use quiz_lambda::config::WarehouseConfig;
use quiz_lambda::{Environment, sqs, telemetry};
use sync_warehouse::connect;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = WarehouseConfig::read(Environment::from_process())?;
    let handler = connect(config).await;
    let served = sqs::serve(&handler).await;
    served.map_err(|error| anyhow!(error))
}
