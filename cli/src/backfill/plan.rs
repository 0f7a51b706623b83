use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use quiz_domain::reports::ReportFormats;
use quiz_domain::{Quiz, QuizKind};
use quiz_mongo::MongoCatalog;
use quiz_pipeline::ports::{AnswerSource, SourceError};

use crate::backfill::choose::SelectedSession;

/// Quizzes read at once.
const AT_ONCE: usize = 8;

/// A test session that can be synced, with the expected size of its results.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedSession {
    pub test: SelectedSession,
    pub name: String,
    /// Users with an attempt at its quiz.
    pub students: u64,
    /// Expected report items.
    pub items: u64,
    /// Expected warehouse rows.
    pub rows: u64,
}

/// A test session that cannot be synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsyncableSession {
    pub session_id: String,
    pub reason: String,
}

/// What a backfill is going to sync.
#[derive(Clone, Debug, Default)]
pub struct BackfillPlan {
    pub tests: Vec<PlannedSession>,
    pub unsyncable: Vec<UnsyncableSession>,
}

impl BackfillPlan {
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

/// How many items and rows a sync writes for each attempt at a quiz.
#[derive(Clone, Debug)]
struct ResultSize {
    name: String,
    items: u64,
    rows: u64,
}

/// Reads the quizzes of the test sessions and counts their students.
///
/// # Errors
/// [`SourceError`] if MongoDB does not answer.
pub async fn make_plan(
    tests: Vec<SelectedSession>,
    source: &dyn AnswerSource,
    catalog: &MongoCatalog,
    formats: ReportFormats,
) -> Result<BackfillPlan, SourceError> {
    let quiz_ids: BTreeSet<String> = tests.iter().map(|test| test.target.quiz_id.clone()).collect();
    let quiz_ids: Vec<String> = quiz_ids.into_iter().collect();
    let students = catalog.students(&quiz_ids).await?;
    let sizes: HashMap<String, Result<ResultSize, String>> = stream::iter(quiz_ids)
        .map(|quiz_id| async move {
            let size = result_size(&quiz_id, source, formats).await?;
            Ok::<_, SourceError>((quiz_id, size))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut plan = BackfillPlan::default();
    for test in tests {
        let size = sizes.get(&test.target.quiz_id).cloned();
        match size.unwrap_or_else(|| Err("its quiz was not read".to_owned())) {
            Ok(size) => {
                let students = students.get(&test.target.quiz_id).copied().unwrap_or_default();
                let named = test.description.as_ref().and_then(|description| description.test_name.clone());
                plan.tests.push(PlannedSession {
                    test,
                    name: named.unwrap_or(size.name),
                    students,
                    items: students.saturating_mul(size.items),
                    rows: students.saturating_mul(size.rows),
                });
            }
            Err(reason) => {
                plan.unsyncable.push(UnsyncableSession { session_id: test.target.session_id, reason });
            }
        }
    }
    Ok(plan)
}

async fn result_size(
    quiz_id: &str,
    source: &dyn AnswerSource,
    formats: ReportFormats,
) -> Result<Result<ResultSize, String>, SourceError> {
    let documents = match source.quiz(quiz_id).await {
        Ok(Some(documents)) => documents,
        Ok(None) => return Ok(Err(format!("there is no quiz {quiz_id}: check the session id"))),
        Err(error @ SourceError::Corrupt { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(match Quiz::read(&documents.quiz, &documents.questions) {
        Ok((quiz, _)) => Ok(size_of_quiz(&quiz, formats)),
        Err(error) => Err(error.to_string()),
    })
}

fn size_of_quiz(quiz: &Quiz, formats: ReportFormats) -> ResultSize {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let questions = number(quiz.questions.len());
    let sections = 1 + number(quiz.sections.len());
    let (items, rows) = if quiz.kind == QuizKind::Form {
        (questions, questions)
    } else {
        (sections * u64::from(formats.v1) + u64::from(formats.v2), sections + questions)
    };
    ResultSize { name: quiz.title.clone().unwrap_or_else(|| quiz.id.clone()), items, rows }
}
