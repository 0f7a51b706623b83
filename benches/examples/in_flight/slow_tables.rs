use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HEAD_END: &[u8] = b"\r\n\r\n";
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
    while let Some(length) = request_length(&mut connection, &mut bytes).await {
        bytes.drain(..length.min(bytes.len()));
        tokio::time::sleep(latency).await;
        let length = ACCEPTED.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: ";
        let answer = format!("{head}{length}\r\n\r\n{ACCEPTED}");
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads the next request and returns its length in bytes; `None` at the end of the connection.
async fn request_length(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<usize> {
    loop {
        let head = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END);
        let length = head.and_then(|head| Some(head + HEAD_END.len() + body_length(bytes.get(..head)?)?));
        if let Some(length) = length.filter(|length| *length <= bytes.len()) {
            return Some(length);
        }
        if connection.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn body_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()
}
