use std::panic;
use std::sync::Arc;

use bson::Bson;
use futures::TryStreamExt;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::ports::{AnswerSource, AttemptBatch, SourceError};

/// Batches that are read while one is scored. With those that a source itself reads ahead they are all of the
/// session documents that lie in memory.
const AHEAD: usize = 2;

/// Session documents, read by a task of its own while those before are scored and written. Dropping it ends the
/// reading.
pub(super) struct Ahead {
    received: Receiver<Result<Read, SourceError>>,
    reader: JoinSet<()>,
}

pub(super) enum Read {
    Batch(AttemptBatch),
    /// All documents of a chunk of keys have been read.
    EndOfChunk,
}

impl Ahead {
    /// Reads one chunk of keys after the other.
    pub fn start(source: Arc<dyn AnswerSource>, quiz_id: String, chunks: Vec<Vec<Bson>>) -> Self {
        let (sender, received) = mpsc::channel(AHEAD);
        let mut reader = JoinSet::new();
        let read = async move {
            for keys in chunks {
                if let Err(error) = send_chunk(&*source, &quiz_id, keys, &sender).await {
                    drop(sender.send(Err(error)).await);
                    return;
                }
            }
        };
        reader.spawn(read.in_current_span());
        Self { received, reader }
    }

    /// `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Read>, SourceError> {
        if let Some(read) = self.received.recv().await {
            return read.map(Some);
        }
        // a reader that broke down must not look like the end
        match self.reader.join_next().await {
            Some(Err(error)) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            Some(Err(error)) => {
                let what = "session documents".to_owned();
                Err(SourceError::Unavailable { what, cause: Box::new(error) })
            }
            Some(Ok(())) | None => Ok(None),
        }
    }
}

/// Ends early where nobody listens any more.
async fn send_chunk(
    source: &dyn AnswerSource,
    quiz_id: &str,
    keys: Vec<Bson>,
    sender: &Sender<Result<Read, SourceError>>,
) -> Result<(), SourceError> {
    let mut batches = source.attempts(quiz_id, keys).await?;
    while let Some(batch) = batches.try_next().await? {
        if sender.send(Ok(Read::Batch(batch))).await.is_err() {
            return Ok(());
        }
    }
    drop(sender.send(Ok(Read::EndOfChunk)).await);
    Ok(())
}
