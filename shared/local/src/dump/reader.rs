use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bson::raw::{RawBsonRef, RawDocument};
use bson::{Bson, Document, doc};
use quiz_pipeline::ports::SourceError;

use super::collection::{Collection, Positioned};
use super::error::{Malformed, io_error};

/// Bytes of the smallest document there is.
pub(super) const SMALLEST: usize = 5;
/// Bytes beyond which a length is a mistake: MongoDB takes documents of up to 16 MiB.
pub(super) const LARGEST: usize = 48 * 1024 * 1024;
/// Bytes: a session document of 105 questions, and the beginning of the next one.
const READ_AT_ONCE: usize = 32 * 1024;
/// Levels beyond which a document is not decoded; MongoDB takes up to 100.
const DEEPEST: usize = 200;

/// Where a document begins in its (decompressed) file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes.
    pub offset: u64,
    /// How many documents lie before it.
    pub before: u64,
}

/// Reads the documents of a collection's file one after the other.
pub(super) struct BsonFile {
    path: PathBuf,
    input: BufReader<Positioned>,
    next: Place,
    bytes: Vec<u8>,
}

impl BsonFile {
    pub fn open(collection: &Collection) -> Result<Self, SourceError> {
        let input = BufReader::with_capacity(READ_AT_ONCE, collection.open()?);
        Ok(Self { path: collection.path().to_owned(), input, next: Place::default(), bytes: Vec::new() })
    }

    /// The next document with its place, framed but not decoded; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<(Place, &RawDocument)>, SourceError> {
        let Some(place) = self.read_frame()? else { return Ok(None) };
        match RawDocument::from_bytes(&self.bytes) {
            Ok(document) => Ok(Some((place, document))),
            Err(cause) => Err(self.malformed(place, cause.into())),
        }
    }

    /// The document at a place that is not behind, framed but not decoded.
    pub fn raw_at(&mut self, place: Place) -> Result<&RawDocument, SourceError> {
        self.skip_to(place)?;
        if self.read_frame()?.is_none() {
            return Err(self.malformed(place, Malformed::Gone));
        }
        RawDocument::from_bytes(&self.bytes).map_err(|cause| self.malformed(place, cause.into()))
    }

    /// The same in full. Of one that is broken inside what is left is its `_id`.
    pub fn read_at(&mut self, place: Place) -> Result<Document, SourceError> {
        let path = self.path.clone();
        let raw = self.raw_at(place)?;
        decode(raw).or_else(|cause| {
            let error = malformed(&path, place, cause);
            let Some(id) = id(raw) else { return Err(error) };
            tracing::warn!(id = id.to_string(), error = %error, "stored document cannot be read");
            Ok(doc! { "_id": id })
        })
    }

    fn skip_to(&mut self, place: Place) -> Result<(), SourceError> {
        let distance = place.offset.saturating_sub(self.next.offset);
        self.next = place;
        let skipped = i64::try_from(distance).map_err(io::Error::other);
        let skipped = skipped.and_then(|distance| self.input.seek_relative(distance));
        skipped.map_err(|cause| self.failed(place, cause))
    }

    /// Reads the bytes of the next document.
    fn read_frame(&mut self) -> Result<Option<Place>, SourceError> {
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
        self.next = Place { offset: place.offset + size as u64, before: place.before + 1 };
        Ok(Some(place))
    }

    pub fn malformed(&self, place: Place, cause: Malformed) -> SourceError {
        malformed(&self.path, place, cause)
    }

    fn failed(&self, place: Place, cause: io::Error) -> SourceError {
        io_error(&self.path, &whereabouts(place), cause)
    }

    fn read_more(&mut self, bytes: usize) -> io::Result<usize> {
        (&mut self.input).take(bytes as u64).read_to_end(&mut self.bytes)
    }
}

fn malformed(path: &Path, place: Place, cause: Malformed) -> SourceError {
    SourceError::Corrupt { what: format!("{}{}", whereabouts(place), path.display()), cause: Box::new(cause) }
}

fn whereabouts(place: Place) -> String {
    format!("document {} (at byte {}) of ", place.before + 1, place.offset)
}

fn id(document: &RawDocument) -> Option<Bson> {
    match document.get("_id").ok()?? {
        RawBsonRef::String(id) => Some(Bson::from(id)),
        RawBsonRef::ObjectId(id) => Some(Bson::ObjectId(id)),
        _ => None,
    }
}

/// Of a document that is broken inside what is left is its `_id`: the domain counts it as unreadable, and its
/// neighbours are read.
pub(super) fn decode_or_id(raw: &RawDocument) -> Document {
    decode(raw).unwrap_or_else(|error| {
        let id = id(raw);
        let shown = id.as_ref().map_or_else(|| "unknown".to_owned(), Bson::to_string);
        tracing::warn!(id = shown, error = %error, "stored document cannot be read");
        id.map(|id| doc! { "_id": id }).unwrap_or_default()
    })
}

fn decode(document: &RawDocument) -> Result<Document, Malformed> {
    check_depth(document)?;
    Ok(Document::try_from(document)?)
}

/// Decoding and dropping go down a level by a call: what is too deep would break the stack.
fn check_depth(document: &RawDocument) -> Result<(), Malformed> {
    let mut open = vec![(1, RawBsonRef::Document(document))];
    while let Some((depth, value)) = open.pop() {
        if depth > DEEPEST {
            return Err(Malformed::Nested(DEEPEST));
        }
        match value {
            RawBsonRef::Document(document) => {
                for element in document {
                    push_nested(&mut open, depth, element?.1);
                }
            }
            RawBsonRef::Array(array) => {
                for value in array {
                    push_nested(&mut open, depth, value?);
                }
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => {
                open.push((depth + 1, RawBsonRef::Document(code.scope)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn push_nested<'a>(open: &mut Vec<(usize, RawBsonRef<'a>)>, depth: usize, value: RawBsonRef<'a>) {
    use RawBsonRef::{Array, Document, JavaScriptCodeWithScope};
    if matches!(value, Document(_) | Array(_) | JavaScriptCodeWithScope(_)) {
        open.push((depth + 1, value));
    }
}
