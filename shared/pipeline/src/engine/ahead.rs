//! Reads attempts in a task of its own while earlier ones are scored and written.

use std::panic;
use std::sync::Arc;

use bson::Bson;
use futures::TryStreamExt;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::ports::{AnswerSource, AttemptBatch, SourceError};

/// Batches that are read while one is scored. Memory holds these, and the ones that a source itself reads ahead.
const BATCHES_AHEAD: usize = 2;

/// Attempts that a task reads ahead. Dropping this ends the task.
pub(super) struct ReadAhead {
    received: Receiver<Result<ReadEvent, SourceError>>,
    reader: JoinSet<()>,
}

pub(super) enum ReadEvent {
    Batch(AttemptBatch),
    /// All documents of a chunk of keys have been read.
    EndOfChunk,
}

impl ReadAhead {
    /// Reads one chunk of keys after the other.
    pub fn start(source: Arc<dyn AnswerSource>, quiz_id: String, chunks: Vec<Vec<Bson>>) -> Self {
        let (sender, received) = mpsc::channel(BATCHES_AHEAD);
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

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<ReadEvent>, SourceError> {
        if let Some(read) = self.received.recv().await {
            return read.map(Some);
        }
        // a panic of the reader must not look like the end
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

/// Reads one chunk of keys; ends early if the receiver is gone.
async fn send_chunk(
    source: &dyn AnswerSource,
    quiz_id: &str,
    keys: Vec<Bson>,
    sender: &Sender<Result<ReadEvent, SourceError>>,
) -> Result<(), SourceError> {
    let mut batches = source.attempts(quiz_id, keys).await?;
    while let Some(batch) = batches.try_next().await? {
        if sender.send(Ok(ReadEvent::Batch(batch))).await.is_err() {
            return Ok(());
        }
    }
    drop(sender.send(Ok(ReadEvent::EndOfChunk)).await);
    Ok(())
}
