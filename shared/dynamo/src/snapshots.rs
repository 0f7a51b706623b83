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
use crate::error::{DynamoError, Fault, Needs, fault};
use crate::item::Item;
use crate::limits::WriteLimits;
use crate::window::Window;

const KEY: &str = "snapshot_id";
const BYTES: &str = "bytes";
const EXPIRY: &str = "expires_at";
/// To be raised when snapshots are laid out otherwise.
const FORMAT: &str = "1";
/// An item holds 400 KB, all names and the key included.
const CHUNK: usize = 350 * 1024;
/// How long a snapshot lies that no other replaces.
const LIFE: Duration = Duration::from_hours(24 * 30);
const READ: &str = "read a snapshot of";
const WRITE: &str = "write a snapshot to";

/// Snapshots in a DynamoDB table: partition key `snapshot_id` (S), and `expires_at` (N, seconds since 1970), its time to
/// live. The bytes are cut into chunks; one partition takes about 1,000 KB a second, so each chunk has a key of its own:
///
/// - the head, named like the quiz: `format`, `length` (N) and `digest` (S, XXH3 with 128 bits in hexadecimal digits) of
///   all bytes, and the first chunk, which of most quizzes is the only one, in `bytes` (B);
/// - `<quiz>#<digest>#<number>`, from 1: another chunk, in `bytes`.
///
/// The head is written last. As the digest is in the chunks' names, those of another snapshot are never written over:
/// one that is being saved, or was not saved to its end, takes nothing from the one before. What no head names any more
/// expires: to delete it would cost as much as writing it did, to keep it for 30 days two fifths of that.
pub struct DynamoSnapshots {
    reader: Client,
    writer: Client,
    table: String,
    limits: WriteLimits,
    in_flight: Window,
}

impl DynamoSnapshots {
    /// Uses the client's credentials, region and endpoint. Its retries are kept for reads and switched off for writes,
    /// which are retried here.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and the store keeps it")]
    pub fn new(client: Client, table: String, limits: WriteLimits) -> Self {
        let Clients { reader, writer } = Clients::of(&client, &limits);
        Self { reader, writer, table, limits, in_flight: Window::new(limits.requests) }
    }

    async fn get(&self, id: String) -> Result<Option<Item>, DynamoError> {
        let get = self.reader.get_item().table_name(&self.table).key(KEY, AttributeValue::S(id));
        let answer =
            get.consistent_read(true).send().await.map_err(|error| match fault(&error, needs()) {
                Fault::Transient(text) => DynamoError::Unavailable(text),
                Fault::Invalid(text) => DynamoError::Rejected(text),
                Fault::Permanent(error) => error,
            })?;
        Ok(answer.item)
    }

    /// The bytes, or what is amiss with them.
    async fn read(&self, quiz_id: &str, item: Item) -> Result<Result<Vec<u8>, &'static str>, DynamoError> {
        let Some((head, first)) = Head::of(item) else {
            return Ok(Err("its head is damaged, or of another format"));
        };
        let mut bytes = first;
        if bytes.try_reserve_exact(head.length.saturating_sub(bytes.len())).is_err() {
            return Ok(Err("its length cannot be right"));
        }
        let others = stream::iter(1..head.chunks()).map(|number| self.get(head.chunk_id(quiz_id, number)));
        let mut others = std::pin::pin!(others.buffered(self.limits.requests.max(1)));
        while let Some(item) = others.try_next().await? {
            let Some(chunk) = item.and_then(bytes_of) else { return Ok(Err("a chunk is missing")) };
            bytes.extend(chunk);
        }
        Ok(if head == Head::over(&bytes) {
            Ok(bytes)
        } else {
            Err("its bytes are not those that were saved")
        })
    }

    async fn write(&self, quiz_id: &str, snapshot: &[u8]) -> Result<(), DynamoError> {
        let head = Head::over(snapshot);
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + LIFE;
        let item = |id: String, chunk: &[u8]| {
            HashMap::from([
                (KEY.to_owned(), AttributeValue::S(id)),
                (BYTES.to_owned(), AttributeValue::B(Blob::new(chunk))),
                (EXPIRY.to_owned(), AttributeValue::N(expires.as_secs().to_string())),
            ])
        };
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
        let place = self.in_flight.enter().await;
        let put = self.writer.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let answer = put.send().await.map_err(|error| fault(&error, needs()));
        match &answer {
            Ok(_) => place.taken(),
            Err(Fault::Transient(_)) => place.refused(),
            Err(Fault::Invalid(_) | Fault::Permanent(_)) => drop(place),
        }
        answer.map(drop)
    }
}

#[async_trait]
impl SnapshotStore for DynamoSnapshots {
    async fn load(&self, quiz_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let told = |error: DynamoError| error.of(READ, &self.table);
        let Some(head) = self.get(quiz_id.to_owned()).await.map_err(told)? else { return Ok(None) };
        match self.read(quiz_id, head).await.map_err(told)? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(reason) => {
                tracing::info!(table = self.table, quiz_id, reason, "snapshot cannot be used");
                Ok(None)
            }
        }
    }

    async fn save(&self, quiz_id: &str, snapshot: Vec<u8>) -> Result<(), StoreError> {
        self.write(quiz_id, &snapshot).await.map_err(|error| error.of(WRITE, &self.table))
    }
}

/// What the head says of all bytes.
#[derive(PartialEq, Eq)]
struct Head {
    length: usize,
    digest: String,
}

impl Head {
    fn over(snapshot: &[u8]) -> Self {
        Self { length: snapshot.len(), digest: format!("{:032x}", xxh3_128(snapshot)) }
    }

    /// With the first chunk.
    fn of(item: Item) -> Option<(Self, Vec<u8>)> {
        if item.get("format")?.as_n().ok()? != FORMAT {
            return None;
        }
        let length = item.get("length")?.as_n().ok()?.parse().ok()?;
        let digest = item.get("digest")?.as_s().ok()?.clone();
        Some((Self { length, digest }, bytes_of(item)?))
    }

    fn attributes(self) -> [(String, AttributeValue); 3] {
        [
            ("format".to_owned(), AttributeValue::N(FORMAT.to_owned())),
            ("length".to_owned(), AttributeValue::N(self.length.to_string())),
            ("digest".to_owned(), AttributeValue::S(self.digest)),
        ]
    }

    /// Of all chunks, the head's included.
    fn chunks(&self) -> usize {
        self.length.div_ceil(CHUNK)
    }

    fn chunk_id(&self, quiz_id: &str, number: usize) -> String {
        format!("{quiz_id}#{}#{number}", self.digest)
    }
}

fn bytes_of(mut item: Item) -> Option<Vec<u8>> {
    match item.remove(BYTES)? {
        AttributeValue::B(bytes) => Some(bytes.into_inner()),
        _ => None,
    }
}

fn needs() -> Needs {
    Needs { keys: format!("key must be {KEY}, a string"), calls: "dynamodb:GetItem and dynamodb:PutItem" }
}
