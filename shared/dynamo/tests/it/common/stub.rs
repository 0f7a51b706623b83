use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The time of an answer, so that requests overlap.
const LATENCY: Duration = Duration::from_millis(2);

/// The stub's reply to a request.
pub enum Reply {
    Accept,
    /// Accepts all items except the last ones, by their number.
    Leave(usize),
    /// Status, code and message.
    Error(u16, &'static str, &'static str),
    /// An error page like that of a proxy.
    Html(u16),
    /// Closes the connection without an answer.
    Cut,
}

type Script = dyn Fn(usize, &[String]) -> Reply + Send + Sync;

/// A server on loopback that implements only BatchWriteItem.
pub struct Stub {
    pub endpoint: String,
    state: Arc<StubState>,
}

#[derive(Default)]
struct StubState {
    requests: Mutex<Vec<Vec<String>>>,
    written: Mutex<BTreeSet<String>>,
    in_flight: AtomicUsize,
    under_way: Mutex<Vec<usize>>,
}

impl Stub {
    /// Starts a stub. `script` chooses the reply to each request, from its number (from 0) and its sort keys.
    pub async fn start(script: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(StubState::default());
        let (shared, script): (_, Arc<Script>) = (state.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, shared.clone(), script.clone()));
            }
        });
        Self { endpoint, state }
    }

    /// The sort keys of each request, in the order of arrival.
    pub fn requests(&self) -> Vec<Vec<String>> {
        self.state.requests.lock().unwrap().clone()
    }

    pub fn written(&self) -> BTreeSet<String> {
        self.state.written.lock().unwrap().clone()
    }

    /// For each request, in the order of arrival, the number of requests in flight then, itself included.
    pub fn under_way(&self) -> Vec<usize> {
        self.state.under_way.lock().unwrap().clone()
    }

    /// The maximum of requests in flight.
    pub fn peak(&self) -> usize {
        self.under_way().into_iter().max().unwrap_or_default()
    }
}

async fn serve(mut connection: TcpStream, state: Arc<StubState>, script: Arc<Script>) {
    while let Some(body) = read_request(&mut connection).await {
        let under_way = state.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        state.under_way.lock().unwrap().push(under_way);
        tokio::time::sleep(LATENCY).await;
        let answer = answer(&body, &state, &*script);
        state.in_flight.fetch_sub(1, Ordering::SeqCst);
        let Some((status, kind, body)) = answer else { return };
        let head = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if connection.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(body: &Value, state: &StubState, script: &Script) -> Option<(u16, &'static str, String)> {
    let (table, requests) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
    let requests = requests.as_array().unwrap();
    let keys: Vec<String> = requests.iter().map(sort_key).collect();
    let number = {
        let mut seen = state.requests.lock().unwrap();
        seen.push(keys.clone());
        seen.len() - 1
    };
    let json = "application/x-amz-json-1.0";
    let left = match script(number, &keys) {
        Reply::Accept => 0,
        Reply::Leave(left) => left,
        Reply::Error(status, code, message) => {
            let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
            return Some((status, json, json!({"__type": kind, "message": message}).to_string()));
        }
        Reply::Html(status) => return Some((status, "text/html", "<html>sorry</html>".into())),
        Reply::Cut => return None,
    };
    let accepted = requests.len() - left;
    state.written.lock().unwrap().extend(keys[..accepted].iter().cloned());
    let unprocessed = if left > 0 { json!({table: requests[accepted..]}) } else { json!({}) };
    Some((200, json, json!({"UnprocessedItems": unprocessed}).to_string()))
}

fn sort_key(request: &Value) -> String {
    request["PutRequest"]["Item"]["user_id-question_position_index"]["S"].as_str().unwrap().to_owned()
}

/// Reads the JSON body of the next request; `None` at the end of the connection.
async fn read_request(connection: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.unwrap().trim().parse().unwrap();
            let mut body = bytes.split_off(end + 4);
            let missing = length - body.len();
            let mut rest = vec![0; missing];
            connection.read_exact(&mut rest).await.ok()?;
            body.extend(rest);
            return Some(serde_json::from_slice(&body).unwrap());
        }
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
