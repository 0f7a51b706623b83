use std::sync::Arc;

use bson::Document;
use futures::Stream;
use futures::stream;
use quiz_pipeline::ports::SourceError;
use tokio::sync::mpsc::{self, Sender};

use super::collection::Collection;
use super::reader::{BsonFile, Place};

/// Documents that are read ahead of their consumer.
const AHEAD: usize = 16;

/// The documents at these places, which are in the order of the file, in one pass over it on a thread
/// for blocking work. Dropping the stream ends the pass.
pub(super) fn documents(
    collection: Arc<Collection>,
    places: Vec<Place>,
) -> impl Stream<Item = Result<Document, SourceError>> + Send + Unpin + 'static {
    let what = collection.path().display().to_string();
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reader = (!places.is_empty()).then(|| {
        tokio::task::spawn_blocking(move || {
            if let Err(error) = send_all(&collection, &places, &sender) {
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
            // a reader that broke down must not look like the end of the file
            let cause = Box::new(reader.take()?.await.err()?);
            Some((Err(SourceError::Unavailable { what, cause }), (receiver, None)))
        }
    }))
}

fn send_all(
    collection: &Collection,
    places: &[Place],
    sender: &Sender<Result<Document, SourceError>>,
) -> Result<(), SourceError> {
    let mut file = BsonFile::open(collection)?;
    for place in places {
        if sender.blocking_send(Ok(file.read_at(*place)?)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
