use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use quiz_domain::reports::ReportFormats;
use quiz_domain::{Quiz, QuizKind};
use quiz_mongo::MongoCatalog;
use quiz_pipeline::ports::{AnswerSource, SourceError};

use crate::backfill::choose::Chosen;

/// Quizzes read at once.
const AT_ONCE: usize = 8;

/// A test that can be synced, with what that is about to cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub test: Chosen,
    pub name: String,
    /// Users with a session document of its quiz.
    pub students: u64,
    /// About as many report items.
    pub items: u64,
    /// About as many warehouse rows.
    pub rows: u64,
}

/// A test that cannot be synced as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    pub session_id: String,
    pub why: String,
}

/// What a backfill will do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub tests: Vec<Planned>,
    pub impossible: Vec<Impossible>,
}

impl Plan {
    #[must_use]
    pub fn students(&self) -> u64 {
        self.tests.iter().map(|test| test.students).sum()
    }

    #[must_use]
    pub fn items(&self) -> u64 {
        self.tests.iter().map(|test| test.items).sum()
    }

    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tests.iter().map(|test| test.rows).sum()
    }
}

/// What a quiz makes of each student's attempt.
#[derive(Clone, Debug)]
struct Shape {
    name: String,
    items: u64,
    rows: u64,
}

/// Reads the tests' quizzes and counts their students.
///
/// # Errors
/// [`SourceError`] where MongoDB does not answer.
pub async fn plan(
    tests: Vec<Chosen>,
    source: &dyn AnswerSource,
    catalog: &MongoCatalog,
    formats: ReportFormats,
) -> Result<Plan, SourceError> {
    let quiz_ids: BTreeSet<String> = tests.iter().map(|test| test.target.quiz_id.clone()).collect();
    let quiz_ids: Vec<String> = quiz_ids.into_iter().collect();
    let students = catalog.students(&quiz_ids).await?;
    let shapes: HashMap<String, Result<Shape, String>> = stream::iter(quiz_ids)
        .map(|quiz_id| async move {
            let shape = shape(&quiz_id, source, formats).await?;
            Ok::<_, SourceError>((quiz_id, shape))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut plan = Plan::default();
    for test in tests {
        let shape = shapes.get(&test.target.quiz_id).cloned();
        match shape.unwrap_or_else(|| Err("its quiz was not read".to_owned())) {
            Ok(shape) => {
                let students = students.get(&test.target.quiz_id).copied().unwrap_or_default();
                let named = test.description.as_ref().and_then(|it| it.test_name.clone());
                plan.tests.push(Planned {
                    test,
                    name: named.unwrap_or(shape.name),
                    students,
                    items: students.saturating_mul(shape.items),
                    rows: students.saturating_mul(shape.rows),
                });
            }
            Err(why) => plan.impossible.push(Impossible { session_id: test.target.session_id, why }),
        }
    }
    Ok(plan)
}

async fn shape(
    quiz_id: &str,
    source: &dyn AnswerSource,
    formats: ReportFormats,
) -> Result<Result<Shape, String>, SourceError> {
    let documents = match source.quiz(quiz_id).await {
        Ok(Some(documents)) => documents,
        Ok(None) => return Ok(Err(format!("there is no quiz {quiz_id}: is the session's id right?"))),
        Err(error @ SourceError::Corrupt { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(match Quiz::read(&documents.quiz, &documents.questions) {
        Ok((quiz, _)) => Ok(of_quiz(&quiz, formats)),
        Err(error) => Err(error.to_string()),
    })
}

fn of_quiz(quiz: &Quiz, formats: ReportFormats) -> Shape {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let questions = number(quiz.questions.len());
    let sections = 1 + number(quiz.sections.len());
    let (items, rows) = if quiz.kind == QuizKind::Form {
        (questions, questions)
    } else {
        (sections * u64::from(formats.v1) + u64::from(formats.v2), sections + questions)
    };
    Shape { name: quiz.title.clone().unwrap_or_else(|| quiz.id.clone()), items, rows }
}
