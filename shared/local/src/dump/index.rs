use std::collections::{HashMap, HashSet};

use bson::raw::{CStr, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, doc};
use quiz_domain::AttemptHead;
use quiz_pipeline::ports::SourceError;

use super::collection::Collection;
use super::error::Malformed;
use super::reader::{BsonFile, Place, decode_or_id};

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
    pub places: HashMap<String, Place>,
}

impl Quizzes {
    /// Where two have the same id, as text and as `ObjectId`, the first is taken.
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut quizzes = Self::default();
        each(collection, |place, document| {
            let (mut id, mut title) = (None, None);
            for element in document {
                match element? {
                    (key, value) if key == cstr!("_id") => id = id_text(value),
                    (key, RawBsonRef::String(text)) if key == cstr!("title") => title = Some(text.to_owned()),
                    _ => {}
                }
            }
            match id {
                Some(id) if !quizzes.places.contains_key(&id) => {
                    quizzes.places.insert(id.clone(), place);
                    quizzes.listed.push(DumpedQuiz { id, title });
                }
                Some(id) => tracing::warn!(quiz_id = id, "the dump holds this quiz twice, the first counts"),
                None => tracing::warn!(offset = place.offset, "a quiz without usable _id is left out"),
            }
            Ok(())
        })?;
        Ok(quizzes)
    }
}

/// Where the questions of each set lie.
#[derive(Debug, Default)]
pub(super) struct Questions(HashMap<String, Vec<Place>>);

impl Questions {
    pub fn read(collection: &Collection) -> Result<Self, SourceError> {
        let mut sets: HashMap<String, Vec<Place>> = HashMap::new();
        each(collection, |place, document| {
            if let Some(set) = last(document, cstr!("question_set_id"))?.and_then(id_text) {
                sets.entry(set).or_default().push(place);
            }
            Ok(())
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
            let mut quiz_id = None;
            let mut fields = RawDocumentBuf::new();
            for element in document {
                let (key, value) = match element {
                    Ok(element) => element,
                    // the rest is broken; what was read tells whose it is, or that it is unreadable
                    Err(_) if quiz_id.is_some() => break,
                    Err(cause) => return Err(cause.into()),
                };
                if key == cstr!("quiz_id") {
                    quiz_id = id_text(value);
                } else if AttemptHead::FIELDS.contains(&key.as_str()) {
                    fields.append(key, value);
                }
            }
            let Some(quiz_id) = quiz_id else { return Ok(()) };
            let head = Head { place, fields: fields.into_bytes().into() };
            quizzes.entry(quiz_id).or_default().heads.push(head);
            Ok(())
        })?;
        quizzes.values_mut().for_each(OfQuiz::sort);
        Ok(Self(quizzes))
    }

    pub fn of(&self, quiz_id: &str) -> &[Head] {
        self.0.get(quiz_id).map(|it| it.heads.as_slice()).unwrap_or_default()
    }

    /// Where the quiz's documents with these `_id`s begin, in the order of the file.
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

    fn with_key<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = Place> + 'a {
        let from = self.by_key.partition_point(|(other, _)| **other < *key);
        let same = self.by_key.iter().skip(from).take_while(|(other, _)| **other == *key);
        same.filter_map(|(_, at)| Some(self.heads.get(usize::try_from(*at).ok()?)?.place))
    }
}

impl Head {
    /// The fields, decoded. A field that cannot be decoded costs the document the others but its `_id`, and its
    /// neighbours nothing.
    pub fn document(&self) -> Document {
        RawDocument::from_bytes(&self.fields).map(decode_or_id).unwrap_or_default()
    }

    /// A document of `_id` alone.
    fn key(&self) -> Option<Box<[u8]>> {
        let id = last(RawDocument::from_bytes(&self.fields).ok()?, cstr!("_id")).ok()??;
        let mut key = RawDocumentBuf::new();
        key.append(cstr!("_id"), id);
        Some(key.into_bytes().into())
    }
}

/// Shows each document of a file to `visit`.
fn each(
    collection: &Collection,
    mut visit: impl FnMut(Place, &RawDocument) -> Result<(), Malformed>,
) -> Result<(), SourceError> {
    let mut file = BsonFile::open(collection)?;
    while let Some((place, document)) = file.next()? {
        let visited = visit(place, document);
        visited.map_err(|cause| file.malformed(place, cause))?;
    }
    Ok(())
}

/// The last field of that name, which is the one that decoding keeps.
fn last<'a>(document: &'a RawDocument, field: &CStr) -> Result<Option<RawBsonRef<'a>>, Malformed> {
    let mut found = None;
    for element in document {
        let (key, value) = element?;
        if key == field {
            found = Some(value);
        }
    }
    Ok(found)
}

/// The text of an id, stored as text or as `ObjectId`.
fn id_text(value: RawBsonRef<'_>) -> Option<String> {
    match value {
        RawBsonRef::String(id) if !id.is_empty() => Some(id.to_owned()),
        RawBsonRef::ObjectId(id) => Some(id.to_hex()),
        _ => None,
    }
}
