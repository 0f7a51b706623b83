use bson::{Bson, Document, bson, doc};

use super::{LargeAssessment, id};

const SUBJECTS: [&str; 3] = ["Physics", "Chemistry", "Mathematics"];
/// So many of seven questions of a subject have options.
const CHOICE_OF_SEVEN: u32 = 5;
/// How many questions of a set the quiz document holds in full.
const FULL_QUESTIONS: usize = 10;
const DIFFICULTIES: [&str; 3] = ["easy", "medium", "hard"];

/// One question: enough to store it and to answer it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampleQuestion {
    pub number: u32,
    pub kind: QuestionKind,
    subject: usize,
    place: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuestionKind {
    Single,
    Multi,
    Integer,
    Float,
}

impl SampleQuestion {
    /// Makes all questions, in the order of the quiz.
    pub fn all(questions: u32) -> Vec<Self> {
        let mut all = Vec::new();
        for (subject, _) in SUBJECTS.iter().enumerate() {
            let size = subject_size(questions, subject);
            for place in 0..size {
                let kind = match (place < size * CHOICE_OF_SEVEN / 7, place % 5, place % 2) {
                    (true, 4, _) => QuestionKind::Multi,
                    (true, _, _) => QuestionKind::Single,
                    (false, _, 0) => QuestionKind::Integer,
                    (false, _, _) => QuestionKind::Float,
                };
                let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
                all.push(Self { number, kind, subject, place });
            }
        }
        all
    }

    pub fn id(&self) -> String {
        id(2, u64::from(self.number) + 1)
    }

    pub fn key(&self) -> Bson {
        let option = i32::try_from(self.number % 4).unwrap_or_default();
        match self.kind {
            QuestionKind::Single => bson!([option]),
            QuestionKind::Multi => bson!([option, (option + 2) % 4]),
            QuestionKind::Integer => bson!(option + 3),
            QuestionKind::Float => bson!(f64::from(option) + 0.25),
        }
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            QuestionKind::Single => "single-choice",
            QuestionKind::Multi => "multi-choice",
            QuestionKind::Integer => "numerical-integer",
            QuestionKind::Float => "numerical-float",
        }
    }

    fn is_choice(&self) -> bool {
        matches!(self.kind, QuestionKind::Single | QuestionKind::Multi)
    }

    fn set(&self) -> u64 {
        2 * self.subject as u64 + u64::from(!self.is_choice()) + 1
    }

    /// Whether the question is in a set with an optional limit: the numerical questions of the last subject.
    pub fn is_optional(&self) -> bool {
        self.subject == SUBJECTS.len() - 1 && !self.is_choice()
    }

    /// An index into [`DIFFICULTIES`].
    pub fn difficulty(&self) -> u8 {
        [0, 1, 1, 2, 1].get(self.place as usize % 5).copied().unwrap_or_default()
    }

    /// The fields that the quiz document holds for every question.
    fn stub(&self) -> Document {
        doc! {
            "_id": self.id(), "type": self.kind_name(), "graded": true, "force_correct": false,
            "correct_answer": self.key(), "question_set_id": id(1, self.set()), "matrix_rows": Bson::Null,
            "marking_scheme": Bson::Null,
        }
    }

    /// The document in `questions`.
    fn full(&self) -> Document {
        let subject = SUBJECTS.get(self.subject).copied().unwrap_or_default();
        let chapter = self.place / 5;
        let difficulty = DIFFICULTIES.get(usize::from(self.difficulty())).copied().unwrap_or_default();
        let mut full = self.stub();
        full.insert("text", format!("Question {} of {subject}: which of these holds?", self.place + 1));
        let option = |at: i32| bson!({"text": format!("option {at}"), "image": Bson::Null});
        full.insert(
            "options",
            if self.is_choice() { (0..4).map(option).collect() } else { Vec::<Bson>::new() },
        );
        full.insert(
            "metadata",
            doc! {
                "subject": subject, "chapter": format!("{subject} {chapter}"), "chapter_id": format!("{chapter:03}"),
                "topic": format!("topic {}", self.place % 7), "difficulty": difficulty, "priority": "high",
            },
        );
        full
    }
}

/// How many questions of a set with an optional limit the students may answer.
pub(super) fn allowed(optional: usize) -> usize {
    optional.div_ceil(2)
}

/// The number of questions in a subject.
fn subject_size(questions: u32, subject: usize) -> u32 {
    let rest = questions % 3;
    questions / 3 + u32::from(u32::try_from(subject).is_ok_and(|subject| subject < rest))
}

pub(super) fn questions(count: u32) -> Vec<Document> {
    SampleQuestion::all(count).iter().map(SampleQuestion::full).collect()
}

pub(super) fn document(count: u32) -> Document {
    let all = SampleQuestion::all(count);
    let mut sets = Vec::new();
    for (subject, name) in SUBJECTS.iter().enumerate() {
        for (section, is_choice) in [("A", true), ("B", false)] {
            let questions: Vec<&SampleQuestion> = all
                .iter()
                .filter(|question| question.subject == subject && question.is_choice() == is_choice)
                .collect();
            let Some(first) = questions.first() else { continue };
            let limit = if first.is_optional() { allowed(questions.len()) } else { questions.len() };
            let stored = questions.iter().enumerate();
            let stored = stored
                .map(|(at, question)| if at < FULL_QUESTIONS { question.full() } else { question.stub() });
            let partial = bson!([{"conditions": [{"num_correct_selected": 1}], "marks": 1}]);
            sets.push(bson!({
                "_id": id(1, first.set()), "title": format!("{name} - Section {section}"),
                "description": Bson::Null,
                "max_questions_allowed_to_attempt": i32::try_from(limit).unwrap_or(i32::MAX),
                "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0,
                    "partial": if is_choice { partial } else { Bson::Null }},
                "questions": stored.map(Bson::from).collect::<Vec<_>>(),
            }));
        }
    }
    doc! {
        "_id": LargeAssessment::QUIZ_ID, "title": "A large mock test", "question_sets": sets,
        "num_graded_questions": i32::try_from(count).unwrap_or(i32::MAX), "shuffle": false,
        "time_limit": {"min": 0, "max": 10_800},
        "metadata": {"quiz_type": "assessment", "test_format": "full_syllabus_test", "grade": "12", "source_id": "mock-1"},
    }
}
