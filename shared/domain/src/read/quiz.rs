//! Reads a document of `quizzes`: the content of a test, its limits and its marking.
//!
//! A quiz document holds only the first ten questions of each set in full. The others are stubs, which have the key and
//! no text or chapter. So the full documents of `questions` are joined by id.
//!
//! Marks decide every report, so a limit or a mark that is given and unreadable refuses the quiz ([`QuizError`]). Every
//! other defect becomes a problem.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use bson::{Bson, Document};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use thiserror::Error;

use crate::problem::{ProblemKind, Problems};
use crate::read::fields;
use crate::read::marking::{self, MarkingScheme};
use crate::read::priority::ChapterPriority;
use crate::read::question::Question;
use crate::read::stored::replaces;
use crate::read::time;
use crate::round::round2;
use crate::score::sections::{self, SectionPart};
use crate::score::tally::Tally;

const LIMIT: &str = "max_questions_allowed_to_attempt";
const SCHEME: &str = "marking_scheme";
/// A limit above this is a mistake.
const MAX_QUESTIONS: f64 = 1e6;

/// The quiz document cannot be used. A retry cannot help: the document must change.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum QuizError {
    #[error("quiz {quiz_id} is malformed: {what}; correct the quiz, then sync again")]
    Malformed { quiz_id: String, what: String },
}

/// The `quiz_type` of a quiz.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuizKind {
    Assessment,
    OmrAssessment,
    Homework,
    /// Never scored or ranked. Reports show the answers as given.
    Form,
    Other(String),
    Unnamed,
}

impl QuizKind {
    fn read(name: Option<&str>) -> Self {
        match name {
            Some("assessment") => Self::Assessment,
            Some("omr-assessment") => Self::OmrAssessment,
            Some("homework") => Self::Homework,
            Some("form") => Self::Form,
            Some(other) => Self::Other(other.to_owned()),
            None => Self::Unnamed,
        }
    }

    /// The Quiz Engine's `quiz_type`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Assessment => Some("assessment"),
            Self::OmrAssessment => Some("omr-assessment"),
            Self::Homework => Some("homework"),
            Self::Form => Some("form"),
            Self::Other(name) => Some(name),
            Self::Unnamed => None,
        }
    }
}

/// A set of questions with one limit and one marking scheme.
#[derive(Clone, Debug)]
pub struct QuestionSet {
    pub id: String,
    pub title: Option<String>,
    /// `max(0, max_questions_allowed_to_attempt − ungraded)`.
    pub allowed: u32,
    limit: u32,
    ungraded: u32,
    /// Whether `allowed` differs from the number of graded questions. Such a set counts as a whole in one section.
    pub is_limited: bool,
    pub marking: MarkingScheme,
    pub(crate) len: usize,
}

/// The counted questions of one chapter within one section.
///
/// The name identifies a chapter within its section. The Reporting Engine's pages and the LMS show names, so two chapter ids
/// with one name are one line, in v1 and in v2.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Index into [`Quiz::sections`].
    pub section: usize,
    pub name: String,
    /// The first chapter id that a question of the chapter has.
    pub code: Option<String>,
    /// The highest priority that a question of the chapter has.
    pub priority: Option<ChapterPriority>,
    pub questions: u32,
    pub max_score: f64,
}

/// A quiz, with the questions of all its sets in one list.
#[derive(Clone, Debug)]
pub struct Quiz {
    pub id: String,
    pub title: Option<String>,
    pub kind: QuizKind,
    pub test_format: Option<String>,
    pub grade: Option<String>,
    pub subject: Option<String>,
    pub source_id: Option<String>,
    /// When the window closes: the quiz's `session_end_time`.
    pub session_end: Option<Timestamp>,
    pub sets: Vec<QuestionSet>,
    pub questions: Vec<Question>,
    /// The subjects, in the order in which the quiz first uses them.
    pub sections: Vec<String>,
    pub parts: Vec<SectionPart>,
    pub chapters: Vec<Chapter>,
    /// The position of each question by its id.
    pub(crate) positions: HashMap<String, usize>,
}

impl Quiz {
    /// Reads a document of `quizzes`. `questions` are the documents of the `questions` collection that belong to its sets,
    /// in any order.
    ///
    /// # Errors
    /// [`QuizError::Malformed`] where the document has no id, or its sets, questions, limits or marks cannot be read.
    pub fn read(document: &Document, questions: &[Document]) -> Result<(Self, Problems), QuizError> {
        let id = fields::id(document, "_id").ok_or_else(|| malformed("", "it has no _id"))?;
        let mut problems = Problems::default();
        let none = Document::new();
        let metadata = fields::object(document, "metadata").unwrap_or(&none);
        let kind = QuizKind::read(fields::text(metadata, "quiz_type").as_deref());
        let full = index_by_id(questions, &mut problems);

        let session_end =
            metadata.get("session_end_time").filter(|value| !is_blank(value)).and_then(|value| {
                let time = time::read_india_time(value);
                if time.is_none() {
                    problems
                        .add(ProblemKind::TimeUnreadable, format!("quiz {id}: session_end_time is no time"));
                }
                time
            });
        let mut quiz = Self {
            title: fields::text(document, "title"),
            test_format: fields::text(metadata, "test_format"),
            grade: fields::text(metadata, "grade"),
            subject: fields::text(metadata, "subject"),
            source_id: fields::text(metadata, "source_id"),
            session_end,
            sets: Vec::new(),
            questions: Vec::new(),
            sections: Vec::new(),
            parts: Vec::new(),
            chapters: Vec::new(),
            positions: HashMap::new(),
            kind,
            id,
        };
        // read the sets, then index and group their questions
        let sets = document
            .get_array("question_sets")
            .map_err(|_| malformed(&quiz.id, "question_sets is not a list"))?;
        for (index, set) in sets.iter().enumerate() {
            quiz.read_set(set, index, &full, &mut problems)?;
        }
        for (position, question) in quiz.questions.iter().enumerate() {
            if !question.id.is_empty() {
                quiz.positions.entry(question.id.clone()).or_insert(position);
            }
        }
        sections::assign(&mut quiz, &mut problems);
        Ok((quiz, problems))
    }

    fn read_set(
        &mut self,
        set: &Bson,
        index: usize,
        full: &HashMap<String, &Document>,
        problems: &mut Problems,
    ) -> Result<(), QuizError> {
        let wrong = |what: String| malformed(&self.id, &what);
        let set =
            set.as_document().ok_or_else(|| wrong(format!("question_sets[{index}] is not an object")))?;
        let stubs = match set.get("questions") {
            None | Some(Bson::Null) => &[],
            Some(Bson::Array(stubs)) => stubs.as_slice(),
            Some(_) => return Err(wrong(format!("question_sets[{index}].questions is not a list"))),
        };
        let scored = self.kind != QuizKind::Form;
        let mut ungraded = 0;
        // read the questions, each with its full document
        for (at, stub) in stubs.iter().enumerate() {
            let place = format!("question_sets[{index}].questions[{at}]");
            let stub = stub.as_document().ok_or_else(|| wrong(format!("{place} is not an object")))?;
            let full = fields::id(stub, "_id").and_then(|id| full.get(&id).copied());
            let (question, found) =
                Question::read(stub, full, &format!("{place} of quiz {}", self.id), scored);
            problems.merge(found);
            ungraded += u32::from(!question.counts());
            self.questions.push(question);
        }
        let all = u32::try_from(stubs.len()).unwrap_or(u32::MAX);
        // a form is never scored, so unreadable marks do not matter
        let rules =
            if scored { self.rules(set, stubs) } else { Ok((None, MarkingScheme::default_for(&self.kind))) };
        let (limit, marking) = rules.map_err(|what| wrong(format!("question_sets[{index}].{what}")))?;
        let limit = limit.map_or(all, to_count);
        let allowed = limit.saturating_sub(ungraded);
        self.sets.push(QuestionSet {
            id: fields::id(set, "_id").unwrap_or_default(),
            title: fields::text(set, "title"),
            allowed,
            limit,
            ungraded,
            is_limited: allowed != all.saturating_sub(ungraded),
            marking,
            len: stubs.len(),
        });
        Ok(())
    }

    /// Reads a set's limit and its marking. A value that is given and cannot be read is an error: without it, every report
    /// would be wrong.
    fn rules(&self, set: &Document, stubs: &[Bson]) -> Result<(Option<f64>, MarkingScheme), String> {
        let limit = marking::number(set, LIMIT)?;
        if let Some(limit) = limit.filter(|limit| limit.fract() != 0.0) {
            return Err(format!("{LIMIT} is {limit}, not a whole number"));
        }
        let first = stubs.first().and_then(Bson::as_document);
        // the set's own scheme, else that of its first question, else the default of the quiz's type
        let (prefix, scheme) = match (object(set, SCHEME)?, first) {
            (None, Some(first)) => {
                let scheme = object(first, SCHEME).map_err(|what| format!("questions[0].{what}"))?;
                (format!("questions[0].{SCHEME}"), scheme)
            }
            (scheme, _) => (SCHEME.to_owned(), scheme),
        };
        let marking = match scheme {
            Some(scheme) => MarkingScheme::read(scheme).map_err(|what| format!("{prefix}.{what}"))?,
            None => MarkingScheme::default_for(&self.kind),
        };
        Ok((limit, marking))
    }

    /// The day in UTC on which the quiz was made, by its id; `None` if the id has no time. No attempt is older.
    #[must_use]
    pub fn made_on(&self) -> Option<Date> {
        time::id_time(&self.id).map(|made| Offset::UTC.to_datetime(made).date())
    }

    /// The maximum marks of one section (an index into [`Quiz::sections`]), or of the whole test.
    #[must_use]
    pub fn max_marks(&self, section: Option<usize>) -> f64 {
        let parts = self.parts.iter().filter(|part| section.is_none_or(|section| section == part.section));
        let maximum =
            |part: &SectionPart| Some(self.sets.get(part.set)?.marking.correct * f64::from(part.allowed));
        round2(parts.filter_map(maximum).sum())
    }

    /// The set that a question belongs to.
    #[must_use]
    pub fn set_containing(&self, question: &Question) -> Option<&QuestionSet> {
        self.sets.get(self.parts.get(question.part)?.set)
    }
}

impl QuestionSet {
    /// How many questions this attempt may answer. As in the backend, an ungraded question lowers the number only where the
    /// attempt has a record of the question.
    pub(crate) fn allowed_with(&self, tally: &Tally) -> u32 {
        self.limit.saturating_sub(self.ungraded.saturating_sub(tally.unreached))
    }
}

/// The documents of `questions` by their ids. The newest state of a document counts.
fn index_by_id<'a>(questions: &'a [Document], problems: &mut Problems) -> HashMap<String, &'a Document> {
    let mut full: HashMap<String, &Document> = HashMap::with_capacity(questions.len());
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for question in questions {
        let Some(id) = fields::id(question, "_id") else { continue };
        match full.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(question);
            }
            Entry::Occupied(mut entry) => {
                *copies.entry(entry.key().clone()).or_insert(1) += 1;
                if replaces(question, entry.get()) {
                    entry.insert(question);
                }
            }
        }
    }
    for (id, copies) in copies {
        let example = format!("question document {id} is stored {copies} times");
        problems.add(ProblemKind::DocumentStoredTwice, example);
    }
    full
}

/// A sub-document; `None` where it is absent or null. The error names the field.
fn object<'a>(document: &'a Document, field: &str) -> Result<Option<&'a Document>, String> {
    match fields::given(document, field) {
        None => Ok(None),
        Some(Bson::Document(object)) => Ok(Some(object)),
        Some(other) => Err(format!("{field} is {}, not an object", marking::describe(other))),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
fn to_count(value: f64) -> u32 {
    value.clamp(0.0, MAX_QUESTIONS) as u32
}

fn is_blank(value: &Bson) -> bool {
    *value == Bson::Null || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn malformed(quiz_id: &str, what: &str) -> QuizError {
    let quiz_id = if quiz_id.is_empty() { "without id" } else { quiz_id };
    QuizError::Malformed { quiz_id: quiz_id.to_owned(), what: what.to_owned() }
}
