use std::sync::Arc;

use bson::Document;
use futures::Stream;
use futures::stream;
use quiz_pipeline::ports::{AttemptBatch, SourceError};
use tokio::sync::mpsc::{self, Sender};

use super::collection::Collection;
use super::decode::decode_or_why;
use super::reader::{BsonFile, DocumentPosition};

/// Documents that are read ahead of their consumer.
const AHEAD: usize = 16;
/// Batches that are read ahead of their consumer.
const BATCHES_AHEAD: usize = 2;

/// Reads the documents at these places in one pass over the file, on a thread for blocking work. `places` must be in
/// the order of the file. Dropping the stream ends the pass. A document that cannot be decoded becomes a placeholder
/// with the reason.
pub(super) fn documents(
    collection: Arc<Collection>,
    places: Vec<DocumentPosition>,
) -> impl Stream<Item = Result<Document, SourceError>> + Send + Unpin + 'static {
    read(collection, places, AHEAD, |file, places, sender| {
        for place in places {
            if sender.blocking_send(Ok(decode_or_why(file.raw_at(*place)?))).is_err() {
                break;
            }
        }
        Ok(())
    })
}

/// As [`documents`], in batches of raw documents.
pub(super) fn batches(
    collection: Arc<Collection>,
    places: Vec<DocumentPosition>,
) -> impl Stream<Item = Result<AttemptBatch, SourceError>> + Send + Unpin + 'static {
    read(collection, places, BATCHES_AHEAD, |file, places, sender| {
        let new = || AttemptBatch::new(decode_or_why);
        let mut batch = new();
        for place in places {
            batch.push(file.raw_at(*place)?);
            if batch.is_full() && sender.blocking_send(Ok(std::mem::replace(&mut batch, new()))).is_err() {
                return Ok(());
            }
        }
        if !batch.is_empty() {
            drop(sender.blocking_send(Ok(batch)));
        }
        Ok(())
    })
}

type Results<T> = Sender<Result<T, SourceError>>;
type SendAll<T> = fn(&mut BsonFile, &[DocumentPosition], &Results<T>) -> Result<(), SourceError>;

fn read<T: Send + 'static>(
    collection: Arc<Collection>,
    places: Vec<DocumentPosition>,
    ahead: usize,
    send_all: SendAll<T>,
) -> impl Stream<Item = Result<T, SourceError>> + Send + Unpin + 'static {
    let what = collection.path().display().to_string();
    let (sender, receiver) = mpsc::channel(ahead);
    let reader = (!places.is_empty()).then(|| {
        tokio::task::spawn_blocking(move || {
            let sent = BsonFile::open(&collection).and_then(|mut file| send_all(&mut file, &places, &sender));
            if let Err(error) = sent {
                drop(sender.blocking_send(Err(error)));
            }
        })
    });
    Box::pin(stream::unfold((receiver, reader), move |(mut receiver, mut reader)| {
        let what = what.clone();
        async move {
            if let Some(read) = receiver.recv().await {
                return Some((read, (receiver, reader)));
            }
            // a failed reader must not look like the end of the file
            let cause = Box::new(reader.take()?.await.err()?);
            Some((Err(SourceError::Unavailable { what, cause }), (receiver, None)))
        }
    }))
}
