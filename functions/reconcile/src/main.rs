use anyhow::anyhow;
use quiz_runtime::{Environment, schedule, telemetry};
use reconcile::{Config, connect, lookback};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = Config::read(Environment::of_process())?;
    let reconciler = connect(config).await;
    let served = schedule::serve(|input, deadline| reconciler.pass(lookback(&input), deadline)).await;
    served.map_err(|error| anyhow!(error))
}
