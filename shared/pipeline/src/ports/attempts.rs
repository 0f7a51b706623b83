use bson::{Document, RawDocument};
use futures::stream::BoxStream;

use super::SourceError;

/// Session documents as they are stored, one behind the other.
#[derive(Clone, Debug)]
pub struct AttemptBatch {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    decode: fn(&RawDocument) -> Document,
}

/// Batches of at most about [`AttemptBatch::BYTES`], as they are read.
pub type AttemptStream<'a> = BoxStream<'a, Result<AttemptBatch, SourceError>>;

impl AttemptBatch {
    /// What a batch aims at. One of a few large documents can be larger.
    pub const BYTES: usize = 1024 * 1024;

    /// `decode` is how its source decodes a document; one that it cannot decode becomes [`quiz_domain::unreadable`].
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

    /// Whether no more should be added.
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
