use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use quiz_benches::read_request;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::minutes_ago;

/// Test sessions in a page of a scan: about 1 MB, as in DynamoDB.
const PAGE: u64 = 500;
const SHARDS: u64 = 16;

/// The states of a table, by their numbers.
#[derive(Clone, Copy, Debug)]
pub struct History {
    /// Each has a state in both sinks.
    pub sessions: u64,
    /// The test sessions that are parked in reports.
    pub unfinished: u64,
}

/// The quiz of a test session.
pub fn quiz_id(session: u64) -> String {
    format!("{session:024x}")
}

fn session_id(session: u64) -> String {
    format!("EnableStudents_{}", quiz_id(session))
}

fn number(session_id: &str) -> u64 {
    let digits = session_id.rsplit('_').next().unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or(u64::MAX)
}

impl History {
    fn step(self) -> u64 {
        (self.sessions / self.unfinished.max(1)).max(1)
    }

    fn is_unfinished(self, session: u64) -> bool {
        session.is_multiple_of(self.step()) && session / self.step() < self.unfinished
    }

    fn unfinished(self) -> impl Iterator<Item = u64> {
        (0..self.unfinished.min(self.sessions)).map(move |at| at * self.step())
    }
}

/// A DynamoDB on loopback with one table of sync states and its indexes. It makes each item on request, and
/// keeps only the marker of the index.
pub struct HistoryTable {
    endpoint: String,
    table: Arc<Table>,
}

struct Table {
    history: History,
    is_indexed: AtomicBool,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl HistoryTable {
    /// Starts the server.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(history: History, is_indexed: bool, latency: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let table =
            Arc::new(Table { history, is_indexed: AtomicBool::new(is_indexed), counts: Mutex::default() });
        let served = Arc::clone(&table);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&served), latency));
            }
        });
        Ok(Self { endpoint, table })
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The requests so far, by operation.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.table.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves one connection until it ends.
async fn serve(mut connection: TcpStream, table: Arc<Table>, latency: Duration) {
    let mut bytes = Vec::new();
    while let Some((head, body)) = read_request(&mut connection, &mut bytes).await {
        let target = head.lines().find_map(|line| line.strip_prefix("x-amz-target:"));
        let operation = target.and_then(|target| target.trim().rsplit('.').next()).unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let answer = table.answer(operation, &body).to_string();
        tokio::time::sleep(latency).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: ";
        let answer = format!("{head}{}\r\n\r\n{answer}", answer.len());
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Table {
    fn answer(&self, operation: &str, body: &Value) -> Value {
        *self
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(operation.to_owned())
            .or_default() += 1;
        match operation {
            "DescribeTable" => description(),
            "GetItem" if self.is_indexed.load(Ordering::SeqCst) => {
                json!({"Item": {"is_complete": {"BOOL": true}}})
            }
            "Query" => json!({"Items": self.keys(body)}),
            "BatchGetItem" => self.items(&body["RequestItems"]),
            "Scan" => self.page(body["ExclusiveStartKey"]["session_id"]["S"].as_str()),
            "PutItem" => {
                self.is_indexed.fetch_or(body["Item"].get("is_complete").is_some(), Ordering::SeqCst);
                json!({})
            }
            _ => json!({}),
        }
    }

    /// The keys that an index has for a value.
    fn keys(&self, query: &Value) -> Vec<Value> {
        let value = query["ExpressionAttributeValues"][":value"]["S"].as_str().unwrap_or_default();
        let value = u64::from_str_radix(value, 16).unwrap_or(u64::MAX);
        let key = |session, sink| json!({"session_id": {"S": session_id(session)}, "sink": {"S": sink}});
        if query["IndexName"] == "unfinished" {
            let in_shard = (0_u64..).zip(self.history.unfinished()).filter(|(at, _)| at % SHARDS == value);
            return in_shard.map(|(_, session)| key(session, "reports")).collect();
        }
        let found = Some(value).filter(|session| *session < self.history.sessions).into_iter();
        found.flat_map(|session| ["reports", "warehouse"].map(|sink| key(session, sink))).collect()
    }

    fn items(&self, requests: &Value) -> Value {
        let mut responses = serde_json::Map::new();
        for (table, request) in requests.as_object().into_iter().flatten() {
            let keys = request["Keys"].as_array().into_iter().flatten();
            let items = keys.filter_map(|key| {
                let session = number(key["session_id"]["S"].as_str()?);
                let sink = key["sink"]["S"].as_str()?;
                (session < self.history.sessions).then(|| self.item(session, sink))
            });
            responses.insert(table.clone(), items.collect());
        }
        json!({"Responses": responses, "UnprocessedKeys": {}})
    }

    fn page(&self, after: Option<&str>) -> Value {
        let first = after.map_or(0, |session| number(session) + 1);
        let page: Range<u64> = first..(first + PAGE).min(self.history.sessions);
        let last = page.end.saturating_sub(1);
        let items: Vec<Value> =
            page.flat_map(|session| ["reports", "warehouse"].map(|sink| self.item(session, sink))).collect();
        let next = json!({"session_id": {"S": session_id(last)}, "sink": {"S": "warehouse"}});
        if last + 1 < self.history.sessions {
            json!({"Items": items, "LastEvaluatedKey": next})
        } else {
            json!({"Items": items})
        }
    }

    /// A state: synced, or parked in reports.
    fn item(&self, session: u64, sink: &str) -> Value {
        let is_parked = sink == "reports" && self.history.is_unfinished(session);
        let number = |number: i64| json!({"N": number.to_string()});
        let (requested, synced) =
            (minutes_ago(60), if is_parked { minutes_ago(90) } else { minutes_ago(50) });
        let mut item = json!({
            "session_id": {"S": session_id(session)},
            "sink": {"S": sink},
            "revision": {"N": "7"},
            "quiz_id": {"S": quiz_id(session)},
            "requested_through": number(requested),
            "rewrite_through": {"N": "0"},
            "synced_through": number(synced),
            "generation": number(synced),
            "follow_up_depth": {"N": "0"},
            "crashed_runs": {"N": "0"},
            "session": {"M": {
                "test_name": {"S": "EnableStudents weekly physics and chemistry test, part 3"},
                "test_id": {"S": "EnableStudents-weekly-3"},
                "group": {"S": "EnableStudents"},
                "batch": {"S": "EnableStudents_12_2026_engineering"},
                "start_time": {"S": "2026-04-30T04:30:00Z"},
                "end_time": {"S": "2026-04-30T07:30:00Z"},
            }},
            "described_at": number(requested),
            "joined": {"N": "12"},
            "last_outcome": {"S": if is_parked { "parked" } else { "finished" }},
            "last_joined": {"N": "3"},
            "takers": {"N": "250"},
            "rows_written": {"N": "1250"},
            "read_started_at": number(synced),
            "read_described_at": number(requested),
            "finished_at": number(minutes_ago(45)),
            "duration_ms": {"N": "4200"},
        });
        if is_parked {
            item["last_error"] = json!({"S": "could not write rows: BigQuery did not answer"});
            item["failing_since"] = number(minutes_ago(60));
            item["failing_code"] = json!({"S": "sink_failed"});
        }
        if is_parked && self.is_indexed.load(Ordering::SeqCst) {
            item["unfinished"] = json!({"S": "0"});
        }
        item
    }
}

fn description() -> Value {
    let index = |name: &str| json!({"IndexName": name, "IndexStatus": "ACTIVE"});
    let indexes = ["unfinished", "by_quiz"].map(index);
    json!({"Table": {"TableName": "quiz_sync_state", "TableStatus": "ACTIVE", "GlobalSecondaryIndexes": indexes}})
}
