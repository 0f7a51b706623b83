//! Reads attempts (documents of the collection `sessions`) by their `_id`s.
//!
//! A large test session has tens of thousands of attempts, and one query after the other would wait for the network.
//! So [`QUERIES`] queries run at a time, each for as many ids as make about [`QUERY_BYTES`]. The size of the documents
//! read so far decides the number of ids. The order of the results is undefined.
//!
//! A projection leaves out nearly half of each document: see [`UNREAD`].

use std::collections::VecDeque;
use std::vec;

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use mongodb::Collection;
use mongodb::error::{Error, Result};
use quiz_pipeline::ports::AttemptBatch;

use crate::documents::decode_or_placeholder;

/// Queries at a time: the server looks up the next documents while the network carries the previous ones.
const QUERIES: usize = 4;
/// The size of one query's documents, about.
const QUERY_BYTES: usize = 2 * 1024 * 1024;
/// The first guess at the projected size of an attempt: one of a quiz with 105 questions.
const DOCUMENT_BYTES: usize = 13 * 1024;
const MAX_KEYS: usize = 1_000;

/// Reads attempts by their `_id`s, in any order.
pub(crate) struct AttemptReader {
    sessions: Collection<RawDocumentBuf>,
    keys: vec::IntoIter<Bson>,
    queries: FuturesUnordered<BoxFuture<'static, Result<Vec<AttemptBatch>>>>,
    ready: VecDeque<AttemptBatch>,
    documents_seen: usize,
    bytes_seen: usize,
}

impl AttemptReader {
    pub fn new(sessions: Collection<RawDocumentBuf>, mut keys: Vec<Bson>) -> Self {
        // the server stores documents with similar ids near each other
        keys.sort_by_cached_key(|key| match key {
            Bson::String(id) => id.clone(),
            Bson::ObjectId(id) => id.to_hex(),
            other => other.to_string(),
        });
        Self {
            sessions,
            keys: keys.into_iter(),
            queries: FuturesUnordered::new(),
            ready: VecDeque::new(),
            documents_seen: 0,
            bytes_seen: 0,
        }
    }

    pub async fn next(&mut self) -> Result<Option<AttemptBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            while self.queries.len() < QUERIES {
                let count = self.keys_per_query();
                let keys: Vec<Bson> = self.keys.by_ref().take(count).collect();
                if keys.is_empty() {
                    break;
                }
                self.queries.push(find(self.sessions.clone(), keys).boxed());
            }
            let Some(found) = self.queries.next().await else { return Ok(None) };
            let found = found?;
            self.documents_seen += found.iter().map(AttemptBatch::len).sum::<usize>();
            self.bytes_seen += found.iter().map(AttemptBatch::bytes).sum::<usize>();
            self.ready.extend(found);
        }
    }

    fn keys_per_query(&self) -> usize {
        let size = self.bytes_seen.checked_div(self.documents_seen).unwrap_or(DOCUMENT_BYTES);
        (QUERY_BYTES / size.max(1)).clamp(1, MAX_KEYS)
    }
}

async fn find(sessions: Collection<RawDocumentBuf>, keys: Vec<Bson>) -> Result<Vec<AttemptBatch>> {
    // one more than the number of keys, so that the first reply also says that no more follow
    let reply_size = u32::try_from(keys.len() + 1).unwrap_or(u32::MAX);
    // the filter names only `_id`, so that the index on `_id` serves it
    let find =
        sessions.find(doc! { "_id": { "$in": keys } }).projection(without_unread()).batch_size(reply_size);
    let mut replies = find.batch().await?;
    let mut batches = Vec::new();
    let empty_batch = || AttemptBatch::new(|raw| decode_or_placeholder(raw, "attempts"));
    while let Some(reply) = replies.next().await {
        let mut batch = empty_batch();
        for document in reply?.doc_slices()? {
            if let Some(document) = document.map_err(Error::from)?.as_document() {
                batch.push(document);
            }
            if batch.is_full() {
                batches.push(std::mem::replace(&mut batch, empty_batch()));
            }
        }
        batches.push(batch);
    }
    batches.retain(|batch| !batch.is_empty());
    Ok(batches)
}

/// Fields of an attempt that no code reads; they make up nearly half of its bytes.
///
/// The projection excludes these fields instead of including the others. With an including projection MongoDB drops
/// list elements that are not objects; with an excluding one they arrive as stored, and the domain counts them as
/// problems.
const UNREAD: [&str; 6] = [
    // the score that the backend computed
    "metrics",
    "question_order",
    "session_answers._id",
    "session_answers.created_at",
    "session_answers.updated_at",
    "events.updated_at",
];

fn without_unread() -> Document {
    UNREAD.into_iter().map(|field| (field.to_owned(), Bson::Int32(0))).collect()
}
