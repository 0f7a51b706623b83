use serde::Serialize;

use crate::rank::test_results::{ScoredAttempt, SessionResult};
use crate::read::quiz::{Chapter, Quiz};
use crate::round::{number, percent, round2};
use crate::score::tally::Tally;

/// One chapter in a subject's item (v1). Percentages are 0 where the divisor is 0.
#[derive(Clone, Debug, Serialize)]
pub struct ChapterLine {
    pub chapter_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chapter_code: Option<String>,
    pub section: String,
    #[serde(serialize_with = "number")]
    pub marks_scored: f64,
    #[serde(serialize_with = "number")]
    pub max_score: f64,
    pub total_questions: u32,
    #[serde(serialize_with = "number")]
    pub accuracy: f64,
    #[serde(serialize_with = "number")]
    pub attempt_percentage: f64,
}

/// One attempt's result in one chapter. Marks have two decimals.
pub(super) struct ChapterScore<'a> {
    pub chapter: &'a Chapter,
    pub section: &'a str,
    pub tally: Tally,
    pub skipped: u32,
    pub marks: f64,
    pub max_marks: f64,
    pub percentage: Option<f64>,
    pub accuracy: Option<f64>,
    pub attempt_percentage: Option<f64>,
}

/// The chapters of one section, or of all, in the order of the quiz.
pub(super) fn scores<'a>(
    quiz: &'a Quiz,
    attempt: &ScoredAttempt,
    section: Option<usize>,
) -> impl Iterator<Item = ChapterScore<'a>> + use<'a> {
    let is_wanted = move |chapter: &Chapter| section.is_none_or(|section| section == chapter.section);
    quiz.chapters
        .iter()
        .zip(attempt.chapters(quiz))
        .filter(move |(chapter, _)| is_wanted(chapter))
        .filter_map(|(chapter, tally)| {
            let answered = tally.tally.answered();
            let correct = f64::from(tally.tally.correct) + 0.5 * f64::from(tally.tally.partially_correct);
            let (marks, max_marks) = (round2(tally.marks), round2(chapter.max_score));
            Some(ChapterScore {
                chapter,
                section: quiz.sections.get(chapter.section)?,
                tally: tally.tally,
                skipped: chapter.questions.saturating_sub(answered),
                marks,
                max_marks,
                percentage: percent(marks, max_marks).map(round2),
                accuracy: percent(correct, f64::from(answered)).map(round2),
                attempt_percentage: percent(f64::from(answered), f64::from(chapter.questions)).map(round2),
            })
        })
}

pub(super) fn lines(
    test: &SessionResult,
    attempt: &ScoredAttempt,
    section: Option<usize>,
) -> Vec<ChapterLine> {
    scores(&test.quiz, attempt, section)
        .map(|score| ChapterLine {
            chapter_name: score.chapter.name.clone(),
            chapter_code: score.chapter.code.clone(),
            section: score.section.to_owned(),
            marks_scored: score.marks,
            max_score: score.max_marks,
            total_questions: score.chapter.questions,
            accuracy: score.accuracy.unwrap_or_default(),
            attempt_percentage: score.attempt_percentage.unwrap_or_default(),
        })
        .collect()
}
