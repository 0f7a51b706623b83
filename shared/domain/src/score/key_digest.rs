use std::fmt;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::read::marking::MarkingScheme;
use crate::read::quiz::{QuestionSet, Quiz};
use crate::read::value::Value;

/// Raise this with each change of the digested form. A digest of another version tells nothing.
const VERSION: u32 = 1;

/// A digest of what decides the marks of a quiz: keys, marking, limits, and the sections and chapters of its questions.
/// Texts and titles are left out, unless a section is named by its set's title.
///
/// # Examples
///
/// ```
/// use bson::doc;
/// use quiz_domain::Quiz;
///
/// let digest = |key: i32, title: &str| {
///     let question = doc! {"_id": "q1", "type": "single-choice", "correct_answer": [key], "graded": true};
///     let quiz = doc! {"_id": "q", "title": title, "question_sets": [{"_id": "s", "questions": [question]}]};
///     Quiz::read(&quiz, &[]).map(|(quiz, _)| quiz.key_digest())
/// };
/// let synced = digest(0, "Mock 7")?;
/// assert!(!synced.differs_from(&digest(0, "Mock test 7")?));
/// assert!(synced.differs_from(&digest(2, "Mock 7")?), "the key was corrected");
/// # Ok::<(), quiz_domain::QuizError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest(String);

impl KeyDigest {
    /// Reads the stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether the other digest is of another key. False if another version made one of them.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        self.version() == other.version() && self != other
    }

    /// Whether this version of the program made the digest.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.version() == VERSION.to_string()
    }

    fn version(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Serialize)]
struct DigestedSet<'a> {
    allowed: u32,
    correct: f64,
    wrong: f64,
    skipped: f64,
    /// For each partial rule, the counts of selected options and the marks.
    partial: Option<Vec<(&'a [f64], f64)>>,
    questions: usize,
}

#[derive(Serialize)]
struct DigestedQuestion<'a> {
    id: &'a str,
    kind: &'a str,
    key: &'a Value,
    graded: bool,
    force_correct: bool,
    /// The set and the section in which the question counts.
    part: Option<(usize, &'a str)>,
    chapter: Option<&'a str>,
}

impl Quiz {
    /// The digest of what decides its marks.
    #[must_use]
    pub fn key_digest(&self) -> KeyDigest {
        let questions = self.questions.iter().map(|question| DigestedQuestion {
            id: &question.id,
            kind: question.kind.name(),
            key: &question.key,
            graded: question.graded,
            force_correct: question.force_correct,
            part: self
                .parts
                .get(question.part)
                .and_then(|part| Some((part.set, self.sections.get(part.section)?.as_str()))),
            chapter: question.chapter.as_deref(),
        });
        let questions: Vec<DigestedQuestion<'_>> = questions.collect();
        let sets: Vec<DigestedSet<'_>> = self.sets.iter().map(digested_set).collect();
        // neither form can fail: maps have text keys only
        let json = serde_json::to_vec(&(self.kind.name(), sets, questions)).unwrap_or_default();
        KeyDigest(format!("{VERSION}-{:032x}", xxh3_128_with_seed(&json, u64::from(VERSION))))
    }
}

fn digested_set(set: &QuestionSet) -> DigestedSet<'_> {
    let MarkingScheme { correct, wrong, skipped, partial } = &set.marking;
    let rules =
        partial.as_ref().map(|rules| rules.iter().map(|rule| (&*rule.selected, rule.marks)).collect());
    DigestedSet {
        allowed: set.allowed,
        correct: *correct,
        wrong: *wrong,
        skipped: *skipped,
        partial: rules,
        questions: set.len,
    }
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};

    use super::KeyDigest;
    use crate::Quiz;

    fn quiz() -> Document {
        let question = doc! {
            "_id": "a", "type": "multi-choice", "correct_answer": [0, 2], "graded": true, "text": "Which?",
            "metadata": {"subject": "Physics", "chapter": "Optics"},
        };
        let scheme = doc! {"correct": 4, "wrong": -1, "skipped": 0};
        let set = doc! {"_id": "s", "title": "All", "questions": [question], "marking_scheme": scheme};
        doc! {"_id": "q", "title": "Mock 7", "question_sets": [set], "metadata": {"quiz_type": "assessment"}}
    }

    fn digest(quiz: &Document) -> KeyDigest {
        Quiz::read(quiz, &[]).unwrap().0.key_digest()
    }

    #[test]
    fn digest_is_the_same_in_every_version() {
        assert_eq!(digest(&quiz()).to_string(), "1-6f75e1f44e318de412fd78a0261fa95b");
    }

    #[test]
    fn change_of_a_mark_changes_the_digest() {
        let changed = |change: &dyn Fn(&mut Document, &mut Document)| {
            let mut quiz = quiz();
            let sets = quiz.get_array_mut("question_sets").unwrap();
            let mut set = sets[0].as_document().unwrap().clone();
            let mut question = set.get_array("questions").unwrap()[0].as_document().unwrap().clone();
            change(&mut set, &mut question);
            set.insert("questions", vec![question]);
            sets[0] = set.into();
            digest(&quiz).differs_from(&digest(&self::quiz()))
        };
        assert!(changed(&|_, question| drop(question.insert("correct_answer", vec![0, 1]))));
        assert!(changed(&|_, question| drop(question.insert("graded", false))));
        assert!(changed(&|_, question| drop(question.insert("force_correct", true))));
        assert!(changed(&|_, question| drop(question.insert("metadata", doc! {"subject": "Maths"}))));
        assert!(changed(&|set, _| drop(set.insert("max_questions_allowed_to_attempt", 0))));
        assert!(changed(&|set, _| drop(set.insert("marking_scheme", doc! {"correct": 3, "wrong": -1}))));
        assert!(!changed(&|set, question| {
            set.insert("title", "Part A");
            question.insert("text", "Which ones?");
        }));
        let digest_of = |title: &str| {
            let question = doc! {"_id": "a", "type": "single-choice", "correct_answer": [0], "graded": true};
            let set = doc! {"_id": "s", "title": title, "questions": [question]};
            digest(&doc! {"_id": "q", "question_sets": [set], "metadata": {"quiz_type": "assessment"}})
        };
        assert!(
            digest_of("Physics - A").differs_from(&digest_of("Maths - A")),
            "the title names the section"
        );
    }

    #[test]
    fn digest_of_another_version_tells_nothing() {
        let (older, now) = (KeyDigest("0-77".to_owned()), digest(&quiz()));
        assert!(!older.differs_from(&now) && !older.is_current() && now.is_current());
    }
}
