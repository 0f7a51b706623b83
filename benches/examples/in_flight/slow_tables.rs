use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use quiz_benches::read_request;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const ACCEPTED: &str = r#"{"UnprocessedItems":{}}"#;

/// A DynamoDB on loopback that accepts each BatchWriteItem after a delay, like a DynamoDB behind a network. It has no limit
/// of concurrent requests.
#[derive(Debug)]
pub struct SlowTables {
    endpoint: String,
}

impl SlowTables {
    /// Starts the server.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(latency: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, latency));
            }
        });
        Ok(Self { endpoint })
    }

    /// A client of this server.
    #[must_use]
    pub fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("ap-south-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
            .endpoint_url(&self.endpoint);
        Client::from_conf(config.build())
    }
}

/// Serves one connection until it ends.
async fn serve(mut connection: TcpStream, latency: Duration) {
    let mut bytes = Vec::new();
    while read_request(&mut connection, &mut bytes).await.is_some() {
        tokio::time::sleep(latency).await;
        let length = ACCEPTED.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: ";
        let answer = format!("{head}{length}\r\n\r\n{ACCEPTED}");
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
