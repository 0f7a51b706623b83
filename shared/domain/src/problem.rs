use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

/// A kind of defect in the documents. The pipeline counts and reports each defect, and goes on with the other documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    AttemptUnreadable,
    AttemptOfAnotherQuiz,
    AnswersMissing,
    AnswerUnmatched,
    AnswerOfWrongShape,
    AnsweredBeyondLimit,
    QuestionWithoutKey,
    QuestionOfUnknownType,
    QuestionTextMissing,
    DocumentStoredTwice,
    LimitBeyondQuestions,
    TimeUnreadable,
    StartAtNight,
    SectionRenamed,
    UserNotKeyable,
    ItemRefused,
}

impl ProblemKind {
    /// The name that notices, logs and JSON show.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AttemptUnreadable => "attempt_unreadable",
            Self::AttemptOfAnotherQuiz => "attempt_of_another_quiz",
            Self::AnswersMissing => "answers_missing",
            Self::AnswerUnmatched => "answer_unmatched",
            Self::AnswerOfWrongShape => "answer_of_wrong_shape",
            Self::AnsweredBeyondLimit => "answered_beyond_limit",
            Self::QuestionWithoutKey => "question_without_key",
            Self::QuestionOfUnknownType => "question_of_unknown_type",
            Self::QuestionTextMissing => "question_text_missing",
            Self::DocumentStoredTwice => "document_stored_twice",
            Self::LimitBeyondQuestions => "limit_beyond_questions",
            Self::TimeUnreadable => "time_unreadable",
            Self::StartAtNight => "start_at_night",
            Self::SectionRenamed => "section_renamed",
            Self::UserNotKeyable => "user_not_keyable",
            Self::ItemRefused => "item_refused",
        }
    }

    /// The effect on the reports, and the next step where there is one.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::AttemptUnreadable => {
                "the student has no report: correct the session document, then sync again"
            }
            Self::AttemptOfAnotherQuiz => "left out: the session document names another quiz",
            Self::AnswersMissing => {
                "questions without an answer record are not answered, not even where all are forced correct"
            }
            Self::AnswerUnmatched => "left out: the answer belongs to no question of the quiz",
            Self::AnswerOfWrongShape => "scored by the rules for malformed submissions",
            Self::AnsweredBeyondLimit => "every answer gets marks, so a percentage can exceed 100",
            Self::QuestionWithoutKey => {
                "every answer counts as wrong: give the question a key, then sync again"
            }
            Self::QuestionOfUnknownType => "every answer counts as wrong: check the question's type",
            Self::QuestionTextMissing => {
                "its subject is the set's and it counts in no chapter: add it to `questions`, then sync again"
            }
            Self::DocumentStoredTwice => {
                "only its newest state counts: if two dumps were combined, make a new dump"
            }
            Self::LimitBeyondQuestions => {
                "the maximum cannot be reached: the set allows more questions than it has"
            }
            Self::TimeUnreadable => "treated as not given: correct the schedule of the test session",
            Self::StartAtNight => {
                "if the sender writes India time with a `Z`, set SESSION_CLOCK to india, then publish it again"
            }
            Self::SectionRenamed => {
                "written as `overall (subject)`, since `overall` is the whole test: rename the subject"
            }
            Self::UserNotKeyable => "no report is written: the user id has a `#`, or makes too long a key",
            Self::ItemRefused => "the store cannot hold this item: see the example",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.code().replace('_', " "))
    }
}

/// One kind of problem: how often it occurred, with one example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    pub count: u64,
    /// Names documents by their ids. It never shows what a student answered.
    pub example: String,
}

/// The problems of one test session, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(BTreeMap<ProblemKind, (u64, String)>);

impl Problems {
    /// Counts one problem. The first example in text order stays, so that the order of the documents does not matter.
    pub fn add(&mut self, kind: ProblemKind, example: impl Into<String>) {
        self.add_many(kind, 1, example.into());
    }

    pub(crate) fn add_many(&mut self, kind: ProblemKind, count: u64, example: String) {
        match self.0.entry(kind) {
            Entry::Vacant(entry) => {
                entry.insert((count, example));
            }
            Entry::Occupied(mut entry) => {
                let (total, kept) = entry.get_mut();
                *total += count;
                if example < *kept {
                    *kept = example;
                }
            }
        }
    }

    pub fn merge(&mut self, other: Self) {
        for (kind, (count, example)) in other.0 {
            self.add_many(kind, count, example);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn count(&self, kind: ProblemKind) -> u64 {
        self.0.get(&kind).map_or(0, |(count, _)| *count)
    }

    pub fn iter(&self) -> impl Iterator<Item = Problem> + '_ {
        self.0.iter().map(|(kind, (count, example))| Problem {
            kind: *kind,
            count: *count,
            example: example.clone(),
        })
    }
}
