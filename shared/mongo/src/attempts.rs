use std::collections::VecDeque;
use std::vec;

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use mongodb::Collection;
use mongodb::error::{Error, Result};
use quiz_pipeline::ports::AttemptBatch;

use crate::documents::decode_or_why;

/// Queries at a time: the server looks up the next documents while those before are on their way.
const QUERIES: usize = 4;
/// Bytes that a query should bring.
const QUERY_BYTES: usize = 2 * 1024 * 1024;
/// Of a document of 105 questions, as far as it is read; how large they really are is seen from the first ones.
const DOCUMENT_BYTES: usize = 13 * 1024;
const MOST_KEYS: usize = 1_000;

/// Reads session documents by their `_id`s, in whichever order they come.
pub(crate) struct Attempts {
    sessions: Collection<RawDocumentBuf>,
    keys: vec::IntoIter<Bson>,
    queries: FuturesUnordered<BoxFuture<'static, Result<Vec<AttemptBatch>>>>,
    read: VecDeque<AttemptBatch>,
    documents_seen: usize,
    bytes_seen: usize,
}

impl Attempts {
    pub fn new(sessions: Collection<RawDocumentBuf>, mut keys: Vec<Bson>) -> Self {
        // neighbours by `_id` lie near each other
        keys.sort_by_cached_key(|key| match key {
            Bson::String(id) => id.clone(),
            Bson::ObjectId(id) => id.to_hex(),
            other => other.to_string(),
        });
        Self {
            sessions,
            keys: keys.into_iter(),
            queries: FuturesUnordered::new(),
            read: VecDeque::new(),
            documents_seen: 0,
            bytes_seen: 0,
        }
    }

    pub async fn next(&mut self) -> Result<Option<AttemptBatch>> {
        loop {
            if let Some(batch) = self.read.pop_front() {
                return Ok(Some(batch));
            }
            while self.queries.len() < QUERIES {
                let count = self.keys_of_a_query();
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
            self.read.extend(found);
        }
    }

    fn keys_of_a_query(&self) -> usize {
        let size = self.bytes_seen.checked_div(self.documents_seen).unwrap_or(DOCUMENT_BYTES);
        (QUERY_BYTES / size.max(1)).clamp(1, MOST_KEYS)
    }
}

async fn find(sessions: Collection<RawDocumentBuf>, keys: Vec<Bson>) -> Result<Vec<AttemptBatch>> {
    // one more than there can be: the first reply says that it is the last
    let at_once = u32::try_from(keys.len() + 1).unwrap_or(u32::MAX);
    // `_id` alone, which has an index
    let find = sessions.find(doc! { "_id": { "$in": keys } }).projection(unread()).batch_size(at_once);
    let mut replies = find.batch().await?;
    let mut batches = Vec::new();
    let new = || AttemptBatch::new(|raw| decode_or_why(raw, "session documents"));
    while let Some(reply) = replies.next().await {
        let mut batch = new();
        for document in reply?.doc_slices()? {
            if let Some(document) = document.map_err(Error::from)?.as_document() {
                batch.push(document);
            }
            if batch.is_full() {
                batches.push(std::mem::replace(&mut batch, new()));
            }
        }
        batches.push(batch);
    }
    batches.retain(|batch| !batch.is_empty());
    Ok(batches)
}

/// What makes up nearly half of a session document and nobody reads. It is left out, rather than what is read being
/// named: so a list element that is no object comes as it is stored, and the domain tells of it. MongoDB drops it
/// where fields of its neighbours are named.
const UNREAD: [&str; 6] = [
    // the backend's own score
    "metrics",
    "question_order",
    "session_answers._id",
    "session_answers.created_at",
    "session_answers.updated_at",
    "events.updated_at",
];

fn unread() -> Document {
    UNREAD.into_iter().map(|field| (field.to_owned(), Bson::Int32(0))).collect()
}
