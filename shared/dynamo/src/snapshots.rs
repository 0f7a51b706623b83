//! Stores snapshots of scored attempts (`docs/decisions/0012-incremental-reading.md`).
//!
//! A snapshot is larger than one item may be, so it is cut into chunks of [`CHUNK`] bytes. One partition accepts about
//! 1,000 KB a second, so each chunk has its own partition key, and the chunks are written at the same time:
//!
//! - The **head** has the quiz's id as its key. It holds `format`, `length` (N), `digest` (S: XXH3 with 128 bits, as
//!   hexadecimal digits) of all bytes, and the first chunk in `bytes` (B). Most snapshots have only a head.
//! - The other chunks, from number 1, have the key `<quiz>#<digest>#<number>` and the attribute `bytes`.
//!
//! Invariants:
//! - The head is written last, and the keys of chunks contain the digest. So a save, even one that fails half-way, never
//!   overwrites the chunks of the snapshot before it.
//! - A load returns a snapshot only if length and digest match the head.
//!
//! Old chunks expire by themselves: deleting them costs as much as writing them, storing them for 30 days costs two
//! fifths of it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt, stream};
use quiz_pipeline::ports::{SnapshotStore, StoreError};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

use crate::clients::Clients;
use crate::error::{DynamoError, Fault, TableRequirements, classify};
use crate::item::Item;
use crate::limits::WriteLimits;
use crate::window::Window;

pub(crate) const KEY: &str = "snapshot_id";
const BYTES: &str = "bytes";
const EXPIRY: &str = "expires_at";
/// Raise this number with each change of the layout.
const FORMAT: &str = "1";
/// Below DynamoDB's limit of 400 KB for an item, which includes the names and the key.
const CHUNK: usize = 350 * 1024;
/// The time until an item expires.
const LIFE: Duration = Duration::from_hours(24 * 30);
const READ: &str = "read a snapshot of";
const WRITE: &str = "write a snapshot to";

/// The snapshots in a DynamoDB table with the partition key `snapshot_id` (S). `expires_at` (N, seconds since 1970) is
/// the table's time-to-live attribute.
pub struct DynamoSnapshots {
    reader: Client,
    writer: Client,
    table: String,
    limits: WriteLimits,
    in_flight: Window,
}

impl DynamoSnapshots {
    /// Makes a store with the client's credentials, region and endpoint. The SDK retries reads; the store itself retries
    /// writes.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and the store keeps it")]
    pub fn new(client: Client, table: String, limits: WriteLimits) -> Self {
        let Clients { reader, writer } = Clients::new(&client, &limits);
        Self { reader, writer, table, limits, in_flight: Window::new(limits.requests) }
    }

    async fn get(&self, id: String) -> Result<Option<Item>, DynamoError> {
        let get = self.reader.get_item().table_name(&self.table).key(KEY, AttributeValue::S(id));
        let answer = get.consistent_read(true).send().await;
        Ok(answer.map_err(|error| classify(&error, requirements()).into_error())?.item)
    }

    /// Reads the other chunks of a head's item. The inner error says why the snapshot is unusable.
    async fn read(&self, quiz_id: &str, item: Item) -> Result<Result<Vec<u8>, &'static str>, DynamoError> {
        let Some((head, first)) = Head::parse(item) else {
            return Ok(Err("the head is damaged or has another format"));
        };
        // a damaged length can be far larger than the memory
        let mut bytes = first;
        if bytes.try_reserve_exact(head.length.saturating_sub(bytes.len())).is_err() {
            return Ok(Err("the length in the head is too large"));
        }
        let others = stream::iter(1..head.chunks()).map(|number| self.get(head.chunk_id(quiz_id, number)));
        let mut others = std::pin::pin!(others.buffered(self.limits.requests.max(1)));
        while let Some(item) = others.try_next().await? {
            let Some(chunk) = item.and_then(into_bytes) else { return Ok(Err("a chunk is missing")) };
            bytes.extend(chunk);
        }
        Ok(if head == Head::describe(&bytes) { Ok(bytes) } else { Err("the bytes do not match the digest") })
    }

    async fn write(&self, quiz_id: &str, snapshot: &[u8]) -> Result<(), DynamoError> {
        let head = Head::describe(snapshot);
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + LIFE;
        let item = |id: String, chunk: &[u8]| {
            HashMap::from([
                (KEY.to_owned(), AttributeValue::S(id)),
                (BYTES.to_owned(), AttributeValue::B(Blob::new(chunk))),
                (EXPIRY.to_owned(), AttributeValue::N(expires.as_secs().to_string())),
            ])
        };
        // first the chunks, then the head that makes them visible
        let mut chunks = snapshot.chunks(CHUNK);
        let first = chunks.next().unwrap_or_default();
        stream::iter((1..).zip(chunks).map(Ok))
            .try_for_each_concurrent(self.limits.requests.max(1), async |(number, chunk)| {
                self.put(item(head.chunk_id(quiz_id, number), chunk)).await
            })
            .await?;
        let mut item = item(quiz_id.to_owned(), first);
        item.extend(head.attributes());
        self.put(item).await
    }

    async fn put(&self, item: Item) -> Result<(), DynamoError> {
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            let last = match self.put_once(&item).await {
                Ok(()) => return Ok(()),
                Err(Fault::Transient(reason)) => reason,
                Err(Fault::Invalid(reason)) => return Err(DynamoError::Rejected(reason)),
                Err(Fault::Permanent(error)) => return Err(error),
            };
            attempts += 1;
            let wait = self.limits.wait(attempts);
            if attempts >= self.limits.attempts || started.elapsed() + wait > self.limits.total {
                return Err(DynamoError::Unavailable(format!("{attempts} attempts failed in a row: {last}")));
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn put_once(&self, item: &Item) -> Result<(), Fault> {
        let slot = self.in_flight.acquire().await;
        let put = self.writer.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let answer = put.send().await.map_err(|error| classify(&error, requirements()));
        match &answer {
            Ok(_) => slot.accepted(),
            Err(Fault::Transient(_)) => slot.throttled(),
            Err(Fault::Invalid(_) | Fault::Permanent(_)) => drop(slot),
        }
        answer.map(drop)
    }
}

#[async_trait]
impl SnapshotStore for DynamoSnapshots {
    async fn load(&self, quiz_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let failed = |error: DynamoError| error.into_store_error(READ, &self.table);
        let Some(head) = self.get(quiz_id.to_owned()).await.map_err(failed)? else { return Ok(None) };
        match self.read(quiz_id, head).await.map_err(failed)? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(reason) => {
                tracing::info!(table = self.table, quiz_id, reason, "cannot use the stored snapshot");
                Ok(None)
            }
        }
    }

    async fn save(&self, quiz_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError> {
        self.write(quiz_id, &snapshot).await.map_err(|error| error.into_store_error(WRITE, &self.table))
    }
}

/// The facts in the head about the whole snapshot.
#[derive(PartialEq, Eq)]
struct Head {
    length: usize,
    digest: String,
}

impl Head {
    fn describe(snapshot: &[u8]) -> Self {
        Self { length: snapshot.len(), digest: format!("{:032x}", xxh3_128(snapshot)) }
    }

    /// Reads the head and the first chunk from an item; `None` if an attribute is missing or invalid.
    fn parse(item: Item) -> Option<(Self, Vec<u8>)> {
        if item.get("format")?.as_n().ok()? != FORMAT {
            return None;
        }
        let length = item.get("length")?.as_n().ok()?.parse().ok()?;
        let digest = item.get("digest")?.as_s().ok()?.clone();
        Some((Self { length, digest }, into_bytes(item)?))
    }

    fn attributes(self) -> [(String, AttributeValue); 3] {
        [
            ("format".to_owned(), AttributeValue::N(FORMAT.to_owned())),
            ("length".to_owned(), AttributeValue::N(self.length.to_string())),
            ("digest".to_owned(), AttributeValue::S(self.digest)),
        ]
    }

    /// The number of chunks, with the one in the head.
    fn chunks(&self) -> usize {
        self.length.div_ceil(CHUNK)
    }

    fn chunk_id(&self, quiz_id: &str, number: usize) -> String {
        format!("{quiz_id}#{}#{number}", self.digest)
    }
}

/// The quiz of a head or of another chunk, by its key.
pub(crate) fn quiz_of(key: &str) -> &str {
    let mut parts = key.rsplitn(3, '#');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(_), Some(quiz_id)) => quiz_id,
        _ => key,
    }
}

fn into_bytes(mut item: Item) -> Option<Vec<u8>> {
    match item.remove(BYTES)? {
        AttributeValue::B(bytes) => Some(bytes.into_inner()),
        _ => None,
    }
}

fn requirements() -> TableRequirements {
    TableRequirements {
        keys: format!("key must be {KEY}, a string"),
        calls: "dynamodb:GetItem and dynamodb:PutItem",
    }
}
