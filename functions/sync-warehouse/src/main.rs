use anyhow::anyhow;
use quiz_runtime::{Environment, telemetry};
use sync_warehouse::{Config, connect};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = Config::read(Environment::of_process())?;
    let handler = connect(config).await;
    quiz_sync_function::serve(&handler).await.map_err(|error| anyhow!(error))
}
