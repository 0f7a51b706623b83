use bson::{Document, RawDocument};
use futures::stream::BoxStream;

use super::SourceError;

/// Attempts as stored BSON, one after the other in one buffer.
#[derive(Clone, Debug)]
pub struct AttemptBatch {
    bytes: Vec<u8>,
    /// The end of each document, in bytes.
    ends: Vec<usize>,
    decode: fn(&RawDocument) -> Document,
}

/// Batches of at most about [`AttemptBatch::BYTES`], as they are read.
pub type AttemptStream<'a> = BoxStream<'a, Result<AttemptBatch, SourceError>>;

impl AttemptBatch {
    /// The target size of a batch, in bytes. A batch of few large documents can be larger.
    pub const BYTES: usize = 1024 * 1024;

    /// `decode` decodes a document of this source; a document that cannot be decoded becomes [`quiz_domain::unreadable`].
    #[must_use]
    pub fn new(decode: fn(&RawDocument) -> Document) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), decode }
    }

    pub fn push(&mut self, document: &RawDocument) {
        self.bytes.extend_from_slice(document.as_bytes());
        self.ends.push(self.bytes.len());
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the batch has its target size.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= Self::BYTES
    }

    pub fn documents(&self) -> impl Iterator<Item = &RawDocument> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let documents = starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end));
        documents.filter_map(|document| RawDocument::from_bytes(document).ok())
    }

    #[must_use]
    pub fn decode(&self, document: &RawDocument) -> Document {
        (self.decode)(document)
    }
}
