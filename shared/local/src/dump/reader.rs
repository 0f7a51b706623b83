use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use bson::raw::RawDocument;
use quiz_pipeline::ports::SourceError;

use super::collection::{Collection, Positioned};
use super::error::{Malformed, io_error};

/// Bytes of the smallest BSON document.
pub(super) const SMALLEST: usize = 5;
/// Bytes beyond which a length is wrong: MongoDB stores documents of up to 16 MiB.
pub(super) const LARGEST: usize = 48 * 1024 * 1024;
/// Buffer size in bytes: a session document with 105 questions, and the beginning of the next one.
const READ_AT_ONCE: usize = 32 * 1024;

/// The start of a document in its (decompressed) file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DocumentPosition {
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// How many documents come before.
    pub before: u64,
}

/// Reads the documents of a collection's file one after the other.
pub(super) struct BsonFile {
    path: PathBuf,
    input: BufReader<Positioned>,
    next: DocumentPosition,
    bytes: Vec<u8>,
}

impl BsonFile {
    pub fn open(collection: &Collection) -> Result<Self, SourceError> {
        let input = BufReader::with_capacity(READ_AT_ONCE, collection.open()?);
        Ok(Self {
            path: collection.path().to_owned(),
            input,
            next: DocumentPosition::default(),
            bytes: Vec::new(),
        })
    }

    /// The next document with its place, framed but not decoded; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<(DocumentPosition, &RawDocument)>, SourceError> {
        let Some(place) = self.read_frame()? else { return Ok(None) };
        match RawDocument::from_bytes(&self.bytes) {
            Ok(document) => Ok(Some((place, document))),
            Err(cause) => Err(self.malformed(place, cause.into())),
        }
    }

    /// The document at a place at or after the current position, framed but not decoded.
    pub fn raw_at(&mut self, place: DocumentPosition) -> Result<&RawDocument, SourceError> {
        self.skip_to(place)?;
        if self.read_frame()?.is_none() {
            return Err(self.malformed(place, Malformed::Gone));
        }
        RawDocument::from_bytes(&self.bytes).map_err(|cause| self.malformed(place, cause.into()))
    }

    fn skip_to(&mut self, place: DocumentPosition) -> Result<(), SourceError> {
        let distance = place.offset.saturating_sub(self.next.offset);
        self.next = place;
        let skipped = i64::try_from(distance).map_err(io::Error::other);
        let skipped = skipped.and_then(|distance| self.input.seek_relative(distance));
        skipped.map_err(|cause| self.failed(place, cause))
    }

    /// Reads the bytes of the next document.
    fn read_frame(&mut self) -> Result<Option<DocumentPosition>, SourceError> {
        let place = self.next;
        self.bytes.clear();
        match self.read_more(4).map_err(|cause| self.failed(place, cause))? {
            0 => return Ok(None),
            4 => {}
            got => return Err(self.malformed(place, Malformed::Truncated { missing: 4 - got })),
        }
        let prefix = self.bytes.first_chunk::<4>().copied().unwrap_or_default();
        let length = i32::from_le_bytes(prefix);
        let size = usize::try_from(length).ok().filter(|size| (SMALLEST..=LARGEST).contains(size));
        let Some(size) = size else {
            return Err(self.malformed(place, Malformed::Length(length)));
        };
        let got = 4 + self.read_more(size - 4).map_err(|cause| self.failed(place, cause))?;
        if got < size {
            return Err(self.malformed(place, Malformed::Truncated { missing: size - got }));
        }
        self.next = DocumentPosition { offset: place.offset + size as u64, before: place.before + 1 };
        Ok(Some(place))
    }

    fn malformed(&self, place: DocumentPosition, cause: Malformed) -> SourceError {
        let what = format!("{}{}", whereabouts(place), self.path.display());
        SourceError::Corrupt { what, cause: Box::new(cause) }
    }

    fn failed(&self, place: DocumentPosition, cause: io::Error) -> SourceError {
        io_error(&self.path, &whereabouts(place), cause)
    }

    fn read_more(&mut self, bytes: usize) -> io::Result<usize> {
        (&mut self.input).take(bytes as u64).read_to_end(&mut self.bytes)
    }
}

fn whereabouts(place: DocumentPosition) -> String {
    format!("document {} (at byte {}) of ", place.before + 1, place.offset)
}
