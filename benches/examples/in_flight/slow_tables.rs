use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HEAD_END: &[u8] = b"\r\n\r\n";
const TAKEN: &str = r#"{"UnprocessedItems":{}}"#;

/// A DynamoDB on loopback that takes every BatchWriteItem whole, after a time: as one behind a network does, and
/// with as many at once as come.
#[derive(Debug)]
pub struct SlowTables {
    endpoint: String,
}

impl SlowTables {
    /// # Errors
    /// Where no port is free.
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

/// Ends with the connection.
async fn serve(mut connection: TcpStream, latency: Duration) {
    let mut bytes = Vec::new();
    while let Some(length) = request_length(&mut connection, &mut bytes).await {
        bytes.drain(..length.min(bytes.len()));
        tokio::time::sleep(latency).await;
        let length = TAKEN.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: ";
        let answer = format!("{head}{length}\r\n\r\n{TAKEN}");
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// How many bytes the next request has, once they are all there; `None` at the connection's end.
async fn request_length(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<usize> {
    loop {
        let head = bytes.windows(HEAD_END.len()).position(|it| it == HEAD_END);
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
