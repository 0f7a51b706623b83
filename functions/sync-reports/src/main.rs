use anyhow::anyhow;
use quiz_lambda::config::ReportsConfig;
use quiz_lambda::{Environment, sqs, telemetry};
use sync_reports::connect;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = ReportsConfig::read(Environment::from_process())?;
    let handler = connect(config).await;
    let served = sqs::serve(&handler).await;
    served.map_err(|error| anyhow!(error))
}
