use serde::Serialize;

use super::answer_labels::labels;
use super::{ContentDigest, ReportItem, SortKeys, Stamp, date};
use crate::rank::test_results::{AttemptResults, FormAttempt, SessionResult};
use crate::read::question::Question;
use crate::read::value::Value;
use crate::score::scoring::is_answered;

/// One item of `form_question_responses`: one user's answer to one question of a form.
#[derive(Clone, Debug, Serialize)]
pub struct FormResponse {
    pub session_id: String,
    /// `{user_id}#{question_position_index}`.
    #[serde(rename = "user_id-question_position_index")]
    pub sort_key: String,
    pub user_id: String,
    /// The position of the question, from 0, over all sets in order.
    pub question_position_index: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_set_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_text: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub priority: Value,
    /// The stored answer, of its stored type. The readers show the labels.
    #[serde(skip_serializing_if = "Value::is_unknown")]
    pub user_response: Value,
    /// The answer in words; `None` only where the question is not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_response_labels: Option<String>,
    pub is_answered: bool,
    pub test_name: String,
    pub start_date: String,
    pub sync_generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_digest: Option<ContentDigest>,
}

pub(super) fn items(test: &SessionResult, stamp: Stamp) -> impl Iterator<Item = ReportItem> + Send {
    let attempts: &[FormAttempt] = match &test.results {
        AttemptResults::Form(attempts) => attempts,
        AttemptResults::Scored { .. } => &[],
    };
    let keys = SortKeys::new(test);
    attempts.iter().filter(move |attempt| keys.is_usable(&attempt.user_id)).flat_map(move |attempt| {
        let questions = test.quiz.questions.iter().zip(&attempt.answers).enumerate();
        questions.map(move |(position, (question, answer))| {
            let response = response(test, attempt, position, question, answer, stamp);
            ReportItem::FormResponse(Box::new(response))
        })
    })
}

fn response(
    test: &SessionResult,
    attempt: &FormAttempt,
    position: usize,
    question: &Question,
    answer: &Value,
    stamp: Stamp,
) -> FormResponse {
    FormResponse {
        session_id: test.session.session_id.clone(),
        sort_key: format!("{}#{position}", attempt.user_id),
        user_id: attempt.user_id.clone(),
        question_position_index: position,
        question_id: question.id.clone(),
        question_set_title: test.quiz.set_containing(question).and_then(|set| set.title.clone()),
        question_text: question.text.clone(),
        priority: question.priority.clone(),
        user_response: answer.clone(),
        user_response_labels: labels(question, answer),
        is_answered: is_answered(answer),
        test_name: test.name().to_owned(),
        start_date: date(test.began(stamp.written_at)),
        sync_generation: stamp.generation,
        content_digest: None,
    }
}
