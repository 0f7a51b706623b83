use anyhow::anyhow;
use notify_discord::{Config, connect, serve};
use quiz_runtime::{Environment, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = Config::read(Environment::of_process())?;
    let handler = connect(config).await;
    serve(&handler).await.map_err(|error| anyhow!(error))
}
