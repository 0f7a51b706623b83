use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use bson::raw::{CStr, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, doc};
use jiff::Timestamp;
use quiz_domain::{AttemptHead, Problems, read_utc_time};
use quiz_pipeline::ports::SourceError;

use super::collection::Collection;
use super::decode::{check, decode, decode_or_why};
use super::reader::{BsonFile, DocumentPosition};

/// A quiz of the dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedQuiz {
    pub id: String,
    pub title: Option<String>,
}

/// The quizzes in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Quizzes {
    pub listed: Vec<DumpedQuiz>,
    stored: HashMap<String, StoredQuiz>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct StoredQuiz {
    pub place: DocumentPosition,
    /// How many documents have its id, as text or as `ObjectId`.
    pub copies: u64,
    /// Whether it can be read, and when it was last updated.
    state: (bool, Option<Timestamp>),
    /// Index in `listed`.
    at: usize,
}

impl Quizzes {
    /// Lists the quizzes. A quiz without a readable id is skipped; a quiz that cannot be decoded fails when it is read.
    /// Of several documents with one id, [`Quizzes::add`] picks the one that counts.
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut quizzes = Self::default();
        each(collection, |place, document| {
            let (mut id, mut title, mut updated_at) = (None, None, None);
            for (key, value) in readable(document) {
                if key == cstr!("_id") {
                    id = id_text(value);
                } else if key == cstr!("title") {
                    title = text(value);
                } else if key == cstr!("updated_at") {
                    updated_at = Bson::try_from(value).ok().and_then(|time| read_utc_time(&time));
                }
            }
            match id {
                Some(id) => {
                    let state = (check(document).is_ok(), updated_at);
                    quizzes.add(DumpedQuiz { id, title }, place, state);
                }
                None => left_out(collection, place, document, "quiz without usable _id skipped"),
            }
        })?;
        Ok(quizzes)
    }

    /// Adds a quiz, or compares it with an earlier copy: a readable copy wins, then the newer one, then the first.
    fn add(&mut self, quiz: DumpedQuiz, place: DocumentPosition, state: (bool, Option<Timestamp>)) {
        match self.stored.entry(quiz.id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(StoredQuiz { place, copies: 1, state, at: self.listed.len() });
                self.listed.push(quiz);
            }
            Entry::Occupied(mut entry) => {
                let kept = entry.get_mut();
                kept.copies += 1;
                if state > kept.state {
                    (kept.place, kept.state) = (place, state);
                    if let Some(listed) = self.listed.get_mut(kept.at) {
                        *listed = quiz;
                    }
                }
            }
        }
    }

    pub fn find(&self, quiz_id: &str) -> Option<StoredQuiz> {
        self.stored.get(quiz_id).copied()
    }
}

/// The places of the questions of each set.
#[derive(Debug, Default)]
pub(super) struct Questions(HashMap<String, Vec<DocumentPosition>>);

impl Questions {
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut sets: HashMap<String, Vec<DocumentPosition>> = HashMap::new();
        each(collection, |place, document| {
            match last(document, cstr!("question_set_id")).and_then(id_text) {
                Some(set) => sets.entry(set).or_default().push(place),
                None => left_out(collection, place, document, "question without a set skipped"),
            }
        })?;
        Ok(Self(sets))
    }

    /// The places of these sets' questions, in the order of the file.
    pub fn of(&self, sets: &HashSet<String>) -> Vec<DocumentPosition> {
        let mut places: Vec<DocumentPosition> =
            sets.iter().filter_map(|set| self.0.get(set)).flatten().copied().collect();
        places.sort_by_key(|place| place.offset);
        places
    }
}

/// The session documents of each quiz.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<String, QuizHeads>);

#[derive(Debug, Default)]
struct QuizHeads {
    /// In the order of the file.
    heads: Vec<Head>,
    /// The sorted keys of the documents, with their index in `heads`.
    by_key: Vec<(Box<[u8]>, u32)>,
}

/// A session document's place, with the fields of an [`AttemptHead`] as BSON.
#[derive(Debug)]
pub(super) struct Head {
    pub place: DocumentPosition,
    fields: Box<[u8]>,
}

impl Sessions {
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut quizzes: HashMap<String, QuizHeads> = HashMap::new();
        each(collection, |place, document| {
            let (mut quiz_id, mut is_broken) = (None, false);
            let (mut names_user, mut says_end) = (false, false);
            let mut fields = RawDocumentBuf::new();
            for element in document.iter_elements() {
                // a field with a wrong length hides the fields after it
                let Ok(element) = element else {
                    is_broken = true;
                    break;
                };
                let key = element.key();
                if key == cstr!("quiz_id") {
                    quiz_id = element.value().ok().and_then(id_text);
                } else if AttemptHead::FIELDS.contains(&key.as_str()) {
                    match element.value() {
                        Ok(value) => {
                            names_user |= key == cstr!("user_id");
                            says_end |= key == cstr!("has_quiz_ended");
                            fields.append(key, value);
                        }
                        Err(_) => is_broken = true,
                    }
                }
            }
            let Some(quiz_id) = quiz_id else {
                return left_out(collection, place, document, "session document without a quiz skipped");
            };
            if is_broken && names_user {
                // the attempt may have ended: no older attempt of its user may replace it
                if !says_end {
                    fields.append(cstr!("has_quiz_ended"), true);
                }
            } else if is_broken {
                fields = RawDocumentBuf::try_from(&decode_or_why(document)).unwrap_or_default();
            }
            let head = Head { place, fields: fields.into_bytes().into() };
            quizzes.entry(quiz_id).or_default().heads.push(head);
        })?;
        quizzes.values_mut().for_each(QuizHeads::sort);
        Ok(Self(quizzes))
    }

    pub fn of(&self, quiz_id: &str) -> &[Head] {
        self.0.get(quiz_id).map(|attempts| attempts.heads.as_slice()).unwrap_or_default()
    }

    /// The places of the quiz's documents with these `_id`s, in the order of the file; for each `_id` its newest state.
    pub fn places(&self, quiz_id: &str, keys: &[Bson]) -> Vec<DocumentPosition> {
        let Some(attempts) = self.0.get(quiz_id) else { return Vec::new() };
        let mut places = Vec::with_capacity(keys.len());
        for key in keys.iter().filter_map(|key| doc! {"_id": key}.to_vec().ok()) {
            places.extend(attempts.with_key(&key));
        }
        places.sort_by_key(|place| place.offset);
        places.dedup();
        places
    }
}

impl QuizHeads {
    fn sort(&mut self) {
        let keys = self.heads.iter().zip(0..).filter_map(|(head, at)| Some((head.key()?, at)));
        self.by_key = keys.collect();
        self.by_key.sort_unstable();
    }

    fn with_key(&self, key: &[u8]) -> Option<DocumentPosition> {
        let from = self.by_key.partition_point(|(other, _)| **other < *key);
        let same = self.by_key.iter().skip(from).take_while(|(other, _)| **other == *key);
        let mut states = same.filter_map(|(_, at)| self.heads.get(usize::try_from(*at).ok()?));
        let first = states.next()?;
        // among equal states the last one counts, as in the domain
        let newest =
            states.fold(first, |newest, head| if head.state() < newest.state() { newest } else { head });
        Some(newest.place)
    }
}

impl Head {
    /// The decoded fields, or a placeholder with the reason where one field cannot be decoded.
    pub fn document(&self) -> Document {
        RawDocument::from_bytes(&self.fields).map(decode_or_why).unwrap_or_default()
    }

    /// `None` for a document that the domain cannot read.
    fn state(&self) -> Option<(bool, Option<Timestamp>)> {
        AttemptHead::read(&self.document(), &mut Problems::default()).map(|head| head.state())
    }

    /// A document with `_id` alone.
    fn key(&self) -> Option<Box<[u8]>> {
        let id = last(RawDocument::from_bytes(&self.fields).ok()?, cstr!("_id"))?;
        let mut key = RawDocumentBuf::new();
        key.append(cstr!("_id"), id);
        Some(key.into_bytes().into())
    }
}

/// Calls `visit` with each document of a file.
fn each(
    collection: &Collection,
    mut visit: impl FnMut(DocumentPosition, &RawDocument),
) -> Result<(), SourceError> {
    let mut file = BsonFile::open(collection)?;
    while let Some((place, document)) = file.next()? {
        visit(place, document);
    }
    Ok(())
}

/// The fields that can be read.
fn readable(document: &RawDocument) -> impl Iterator<Item = (&CStr, RawBsonRef<'_>)> {
    document.iter_elements().filter_map(|element| {
        let element = element.ok()?;
        Some((element.key(), element.value().ok()?))
    })
}

/// The last field with the name: decoding keeps the last one, too.
fn last<'a>(document: &'a RawDocument, field: &CStr) -> Option<RawBsonRef<'a>> {
    readable(document).filter(|(key, _)| *key == field).map(|(_, value)| value).last()
}

/// Logs a skipped document: at `WARN` where the document cannot be read, because its data may be missing.
fn left_out(collection: &Collection, place: DocumentPosition, document: &RawDocument, what: &'static str) {
    let file = collection.path().display();
    let (number, offset) = (place.before + 1, place.offset);
    match decode(document) {
        Ok(_) => tracing::debug!(%file, document = number, offset, "{what}"),
        Err(error) => tracing::warn!(%file, document = number, offset, %error, "{what}"),
    }
}

fn text(value: RawBsonRef<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The text of an id, stored as text or as `ObjectId`.
fn id_text(value: RawBsonRef<'_>) -> Option<String> {
    match value {
        RawBsonRef::String(id) if !id.is_empty() => Some(id.to_owned()),
        RawBsonRef::ObjectId(id) => Some(id.to_hex()),
        _ => None,
    }
}
