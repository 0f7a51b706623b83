use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use bson::raw::{CStr, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, doc};
use jiff::Timestamp;
use quiz_domain::{AttemptHead, Problems, read_utc_time};
use quiz_pipeline::ports::SourceError;

use super::collection::Collection;
use super::decode::{check, decode, decode_or_why};
use super::reader::{BsonFile, Place};

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
    pub place: Place,
    /// How many documents have its id, as text or as `ObjectId`.
    pub copies: u64,
    /// Whether it can be read, and when it was last updated.
    state: (bool, Option<Timestamp>),
    /// In `listed`.
    at: usize,
}

impl Quizzes {
    /// Of several with the same id the one that was last updated counts, else the first. One whose id cannot be read is
    /// left out; reading one that cannot be decoded is an error.
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
                None => left_out(collection, place, document, "quiz without usable _id is left out"),
            }
        })?;
        Ok(quizzes)
    }

    /// Of two copies the one counts that can be read, then the newer one, then the first.
    fn add(&mut self, quiz: DumpedQuiz, place: Place, state: (bool, Option<Timestamp>)) {
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

/// Where the questions of each set lie.
#[derive(Debug, Default)]
pub(super) struct Questions(HashMap<String, Vec<Place>>);

impl Questions {
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut sets: HashMap<String, Vec<Place>> = HashMap::new();
        each(collection, |place, document| {
            match last(document, cstr!("question_set_id")).and_then(id_text) {
                Some(set) => sets.entry(set).or_default().push(place),
                None => left_out(collection, place, document, "question of no set is left out"),
            }
        })?;
        Ok(Self(sets))
    }

    /// Of these sets, in the order of the file.
    pub fn of(&self, sets: &HashSet<String>) -> Vec<Place> {
        let mut places: Vec<Place> =
            sets.iter().filter_map(|set| self.0.get(set)).flatten().copied().collect();
        places.sort_by_key(|place| place.offset);
        places
    }
}

/// The session documents of each quiz.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<String, OfQuiz>);

#[derive(Debug, Default)]
struct OfQuiz {
    /// In the order of the file.
    heads: Vec<Head>,
    /// The documents' keys in order, with their places in `heads`.
    by_key: Vec<(Box<[u8]>, u32)>,
}

/// A session document's place, and its fields that an [`AttemptHead`] is read from, as BSON.
#[derive(Debug)]
pub(super) struct Head {
    pub place: Place,
    fields: Box<[u8]>,
}

impl Sessions {
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut quizzes: HashMap<String, OfQuiz> = HashMap::new();
        each(collection, |place, document| {
            let (mut quiz_id, mut is_broken) = (None, false);
            let (mut names_user, mut says_end) = (false, false);
            let mut fields = RawDocumentBuf::new();
            for element in document.iter_elements() {
                // where one field ends too late, the next ones cannot be found
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
                return left_out(collection, place, document, "session document of no quiz is left out");
            };
            if is_broken && names_user {
                // it may have ended: no older attempt of its user may stand for it
                if !says_end {
                    fields.append(cstr!("has_quiz_ended"), true);
                }
            } else if is_broken {
                fields = RawDocumentBuf::try_from(&decode_or_why(document)).unwrap_or_default();
            }
            let head = Head { place, fields: fields.into_bytes().into() };
            quizzes.entry(quiz_id).or_default().heads.push(head);
        })?;
        quizzes.values_mut().for_each(OfQuiz::sort);
        Ok(Self(quizzes))
    }

    pub fn of(&self, quiz_id: &str) -> &[Head] {
        self.0.get(quiz_id).map(|it| it.heads.as_slice()).unwrap_or_default()
    }

    /// Where the quiz's documents with these `_id`s begin, in the order of the file: of each its newest state.
    pub fn places(&self, quiz_id: &str, keys: &[Bson]) -> Vec<Place> {
        let Some(of_quiz) = self.0.get(quiz_id) else { return Vec::new() };
        let mut places = Vec::with_capacity(keys.len());
        for key in keys.iter().filter_map(|key| doc! {"_id": key}.to_vec().ok()) {
            places.extend(of_quiz.with_key(&key));
        }
        places.sort_by_key(|place| place.offset);
        places.dedup();
        places
    }
}

impl OfQuiz {
    fn sort(&mut self) {
        let keys = self.heads.iter().zip(0..).filter_map(|(head, at)| Some((head.key()?, at)));
        self.by_key = keys.collect();
        self.by_key.sort_unstable();
    }

    fn with_key(&self, key: &[u8]) -> Option<Place> {
        let from = self.by_key.partition_point(|(other, _)| **other < *key);
        let same = self.by_key.iter().skip(from).take_while(|(other, _)| **other == *key);
        let mut states = same.filter_map(|(_, at)| self.heads.get(usize::try_from(*at).ok()?));
        let first = states.next()?;
        // of equal states the last one counts, as in the domain
        let newest =
            states.fold(first, |newest, head| if head.state() < newest.state() { newest } else { head });
        Some(newest.place)
    }
}

impl Head {
    /// The fields, decoded. A field that cannot be decoded costs the document, and its neighbours nothing.
    pub fn document(&self) -> Document {
        RawDocument::from_bytes(&self.fields).map(decode_or_why).unwrap_or_default()
    }

    /// `None` for a document that the domain cannot read.
    fn state(&self) -> Option<(bool, Option<Timestamp>)> {
        AttemptHead::read(&self.document(), &mut Problems::default()).map(|head| head.state())
    }

    /// A document of `_id` alone.
    fn key(&self) -> Option<Box<[u8]>> {
        let id = last(RawDocument::from_bytes(&self.fields).ok()?, cstr!("_id"))?;
        let mut key = RawDocumentBuf::new();
        key.append(cstr!("_id"), id);
        Some(key.into_bytes().into())
    }
}

/// Shows each document of a file to `visit`.
fn each(collection: &Collection, mut visit: impl FnMut(Place, &RawDocument)) -> Result<(), SourceError> {
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

/// The last field of that name, which is the one that decoding keeps.
fn last<'a>(document: &'a RawDocument, field: &CStr) -> Option<RawBsonRef<'a>> {
    readable(document).filter(|(key, _)| *key == field).map(|(_, value)| value).last()
}

/// Logs a document that belongs to nothing: at `WARN` where it cannot be read, as it may be missed.
fn left_out(collection: &Collection, place: Place, document: &RawDocument, what: &'static str) {
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
