use anyhow::anyhow;
use notify_discord::connect;
use quiz_lambda::config::DiscordConfig;
use quiz_lambda::{Environment, sqs, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init();
    let config = DiscordConfig::read(Environment::from_process())?;
    let handler = connect(config).await;
    let served = sqs::serve(&handler).await;
    served.map_err(|error| anyhow!(error))
}
