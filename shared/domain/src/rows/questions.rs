use super::RowBatch;
use super::cell::{self, Cell};
use super::schema::{ColumnSpec, WarehouseTable, flag, float, int, text};
use crate::builder::JudgedAttempt;
use crate::read::attempt::AnswerRecord;
use crate::read::question::Question;
use crate::read::quiz::{QuestionSet, Quiz};
use crate::score::scoring::{Judgement, Outcome};

/// One user's answer to one question.
pub(super) struct Row<'a> {
    session_id: &'a str,
    quiz: &'a Quiz,
    taken: &'a JudgedAttempt,
    position: usize,
    question: &'a Question,
    set: Option<&'a QuestionSet>,
    key: Option<&'a str>,
    record: Option<&'a AnswerRecord>,
    judgement: Judgement,
}

impl Row<'_> {
    fn is_counted(&self) -> bool {
        self.question.counts()
    }

    fn is_answered(&self) -> bool {
        match self.judgement.outcome {
            Outcome::Correct | Outcome::PartiallyCorrect | Outcome::Wrong => true,
            Outcome::Skipped => false,
            Outcome::Ungraded => self.record.is_some_and(|record| crate::is_answered(&record.answer)),
        }
    }

    fn marks(&self) -> Option<f64> {
        match (self.judgement.outcome, self.set) {
            (Outcome::Ungraded, _) => None,
            (Outcome::Skipped, Some(set)) if !set.is_limited => Some(set.marking.skipped),
            _ => Some(self.judgement.marks),
        }
    }
}

/// A column with the function that makes its cell.
pub(super) type Column = (ColumnSpec, for<'a> fn(&Row<'a>) -> Cell<'a>);

pub(super) static COLUMNS: [Column; 25] = [
    (text("session_id", "id of the test session").required(), |row| Cell::text(row.session_id)),
    (text("test_id", "id of the quiz").required(), |row| Cell::text(&row.quiz.id)),
    (text("user_id", "id of the student").required(), |row| Cell::text(&row.taken.attempt.user_id)),
    (text("attempt_id", "id of the session document that counts for this user").required(), |row| {
        Cell::text(&row.taken.attempt.id)
    }),
    (text("question_id", "id of the question; null where the quiz names none"), |row| {
        Cell::known(Some(row.question.id.as_str()).filter(|id| !id.is_empty()))
    }),
    (int("question_position_index", "place in the quiz, from 0, over its sets in order").required(), |row| {
        Cell::Int(i64::try_from(row.position).unwrap_or(i64::MAX))
    }),
    (text("question_set_id", "id of the question's set"), |row| {
        Cell::known(row.set.map(|set| set.id.as_str()).filter(|id| !id.is_empty()))
    }),
    (text("question_set_title", "title of the question's set"), |row| {
        Cell::known(row.set.and_then(|set| set.title.as_deref()))
    }),
    (text("section", "the section (subject) that the question counts in"), |row| {
        let part = row.quiz.parts.get(row.question.part);
        Cell::known(part.and_then(|part| row.quiz.sections.get(part.section)).map(String::as_str))
    }),
    (text("chapter_name", "the question's chapter"), |row| Cell::known(row.question.chapter.as_deref())),
    (text("chapter_id", "the chapter's code"), |row| Cell::known(row.question.chapter_id.as_deref())),
    (text("topic", "the question's topic"), |row| Cell::known(row.question.topic.as_deref())),
    (text("difficulty", "the question's difficulty, as its author gave it"), |row| {
        Cell::known(row.question.difficulty.as_deref())
    }),
    (text("question_type", "the Quiz Engine's name of the type, such as single-choice").required(), |row| {
        Cell::text(row.question.kind.name())
    }),
    (text("user_response", "the stored answer as JSON text; null where there is none"), |row| {
        row.record.map_or(Cell::Null, |record| Cell::json(&record.answer))
    }),
    (text("correct_answer", "the key as JSON text"), |row| Cell::known(row.key)),
    (
        flag(
            "is_answered",
            "whether it counts as answered: correct, partially correct or wrong; of an ungraded question, \
             whether anything was answered",
        )
        .required(),
        |row| Cell::Bool(row.is_answered()),
    ),
    (
        int("is_correct", "1 correct, 0 not (skipped and partially correct too), null ungraded"),
        |row| match row.judgement.outcome {
            Outcome::Correct => Cell::Int(1),
            Outcome::Ungraded => Cell::Null,
            _ => Cell::Int(0),
        },
    ),
    (text("outcome", "correct, partially_correct, wrong, skipped or ungraded").required(), |row| {
        Cell::text(row.judgement.outcome.name())
    }),
    (
        float(
            "marks_scored",
            "marks of this question; null ungraded; 0 for one skipped in a set with an optional limit, whose \
             skipped marks belong to the set",
        ),
        |row| Cell::float(row.marks()),
    ),
    (float("max_marks", "marks of a correct answer; null ungraded"), |row| {
        Cell::float(row.set.filter(|_| row.is_counted()).map(|set| set.marking.correct))
    }),
    (float("time_spent", "seconds on this question"), |row| {
        Cell::float(row.record.and_then(|record| record.time_spent))
    }),
    (flag("marked_for_review", "whether the student marked it for review").required(), |row| {
        Cell::Bool(row.record.is_some_and(|record| record.marked_for_review))
    }),
    (flag("visited", "whether the student saw it").required(), |row| {
        Cell::Bool(row.record.is_some_and(|record| record.visited))
    }),
    (flag("has_quiz_ended", "whether the student ended the attempt").required(), |row| {
        Cell::Bool(row.taken.attempt.ended)
    }),
];

/// Makes the rows of `all_responses_question_level`, one attempt at a time.
#[derive(Debug)]
pub struct QuestionRows {
    session_id: String,
    /// The key of each question as JSON text, made once.
    keys: Vec<Option<String>>,
}

impl QuestionRows {
    #[must_use]
    pub fn new(quiz: &Quiz, session_id: &str) -> Self {
        let keys = quiz.questions.iter().map(|question| cell::json(&question.key)).collect();
        Self { session_id: session_id.to_owned(), keys }
    }

    /// Adds one row for each question of the quiz. A form has no rows here: see [`append_form`](super::append_form).
    pub fn append(&self, quiz: &Quiz, taken: &JudgedAttempt, rows: &mut RowBatch) {
        debug_assert_eq!(rows.table(), WarehouseTable::QuestionResponses);
        let questions = quiz.questions.iter().zip(&self.keys).zip(&taken.attempt.answers);
        for (position, (((question, key), record), judgement)) in questions.zip(&taken.judgements).enumerate()
        {
            let row = Row {
                session_id: &self.session_id,
                quiz,
                taken,
                position,
                question,
                set: quiz.set_containing(question),
                key: key.as_deref(),
                record: record.as_ref(),
                judgement: *judgement,
            };
            rows.push(COLUMNS.iter().map(|(_, value)| value(&row)));
        }
    }
}
