use anyhow::anyhow;
use quiz_lambda::config::ReconcileConfig;
use quiz_lambda::{Environment, schedule, telemetry};
use reconcile::{connect, parse_lookback};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = ReconcileConfig::read(Environment::from_process())?;
    let reconcile = connect(config).await;
    let served = schedule::serve(|input, deadline| reconcile.pass(parse_lookback(&input), deadline)).await;
    served.map_err(|error| anyhow!(error))
}
