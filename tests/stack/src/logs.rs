use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::Stack;
use crate::stack::REGION;

const TIMEOUT: Duration = Duration::from_secs(30);

impl Stack {
    /// A function's output, oldest line first, with Lambda's own START, END and REPORT lines. The lines of an invocation
    /// appear at its end; a function that never ran has no lines.
    ///
    /// # Errors
    /// When CloudWatch Logs does not answer, or not on plain HTTP.
    pub async fn function_logs(&self, name: &str) -> Result<String> {
        let endpoint = self.aws_endpoint().to_owned();
        let request = json!({"logGroupName": format!("/aws/lambda/{name}"), "limit": 10_000}).to_string();
        let answer =
            tokio::task::spawn_blocking(move || call(&endpoint, "FilterLogEvents", &request)).await?;
        let (status, answer) = answer.with_context(|| format!("cannot read the logs of {name}"))?;
        let kind = answer.get("__type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with("ResourceNotFoundException") {
            return Ok(String::new());
        }
        if status != 200 {
            bail!("cannot read the logs of {name}: {status} {answer}");
        }
        let events = answer.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let lines = events.iter().filter_map(|event| event.get("message").and_then(Value::as_str));
        Ok(lines.map(str::trim_end).collect::<Vec<_>>().join("\n"))
    }
}

/// One call to CloudWatch Logs' JSON protocol: HTTP status and body.
fn call(endpoint: &str, operation: &str, body: &str) -> Result<(u16, Value)> {
    let host = endpoint.strip_prefix("http://").context("only plain HTTP is spoken")?.trim_end_matches('/');
    let mut connection = TcpStream::connect(host).with_context(|| format!("cannot reach {host}"))?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    write!(
        connection,
        "POST / HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Logs_20140328.{operation}\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/logs/aws4_request, \
         SignedHeaders=host, Signature=none\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("no HTTP status")?, serde_json::from_str(body)?))
}
