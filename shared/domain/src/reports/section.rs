use serde::Serialize;

use super::{ChapterLine, ContentDigest, SortKeys, Stamp, chapters, clock, date};
use crate::rank::ranking::{CohortFigures, Standing};
use crate::rank::test_results::{AttemptResults, Ranking, ScoredAttempt, SessionResult};
use crate::round::{number, optional_number, round2};
use crate::score::sections::OVERALL;
use crate::score::tally::Score;

/// One item of `student_quiz_reports`: one student's result in one section, or in the whole test (`overall`).
///
/// Percentages are 0 to 100 with two decimals, and 0 where the divisor is 0. Dates are `YYYY-MM-DD` and clock times
/// `HH:MM:SS`, both in India time.
#[derive(Clone, Debug, Serialize)]
pub struct SectionReport {
    pub session_id: String,
    /// `{user_id}#{section}`.
    #[serde(rename = "user_id-section")]
    pub sort_key: String,
    pub user_id: String,
    pub section: String,
    pub test_id: String,
    pub test_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_format: Option<String>,
    pub platform: &'static str,
    pub start_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    #[serde(serialize_with = "number")]
    pub marks_scored: f64,
    #[serde(serialize_with = "number")]
    pub max_marks_possible: f64,
    pub total_questions: u32,
    pub num_correct: u32,
    pub num_wrong: u32,
    pub num_partially_correct: u32,
    pub num_skipped: u32,
    #[serde(serialize_with = "number")]
    pub percentage: f64,
    #[serde(serialize_with = "number")]
    pub accuracy: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_number")]
    pub percentile: Option<f64>,
    pub number_test_taker: u32,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_number")]
    pub highest_test_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_number")]
    pub avg_test_score: Option<f64>,
    pub has_quiz_ended: bool,
    /// RFC 3339, UTC.
    pub inserted_at_timestamp: String,
    pub sync_generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_digest: Option<ContentDigest>,
    /// A line for each chapter name of the subject; `None` where there is none, because the page prints an empty table for
    /// an empty list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chapter_wise_data: Option<Vec<ChapterLine>>,
}

/// One student's result in one section: the report with the figures behind it.
pub struct SectionResult<'a> {
    /// The report without its chapters.
    pub report: SectionReport,
    pub attempt: &'a ScoredAttempt,
    pub score: Score,
    pub standing: Option<Standing>,
    pub figures: &'a CohortFigures,
    section: Option<usize>,
}

/// Makes each student's result in each section, by section in the order of the quiz, then by user id.
pub fn section_results(test: &SessionResult, stamp: Stamp) -> impl Iterator<Item = SectionResult<'_>> + Send {
    let (attempts, rankings): (&[_], &[_]) = match &test.results {
        AttemptResults::Scored { attempts, rankings, .. } => (attempts, rankings),
        AttemptResults::Form(_) => (&[], &[]),
    };
    let template = template(test, stamp);
    let sections = std::iter::once(None).chain((0..).map(Some));
    sections.zip(rankings).flat_map(move |(section, ranking)| {
        let template = template.clone();
        let attempts = attempts.iter().enumerate();
        attempts.filter_map(move |(index, attempt)| result(test, &template, section, ranking, index, attempt))
    })
}

/// The items of all students whose user id can be part of a key. Items of subjects have their chapters, if they have any.
pub(super) fn items(test: &SessionResult, stamp: Stamp) -> impl Iterator<Item = super::ReportItem> + Send {
    let keys = SortKeys::new(test);
    let results = section_results(test, stamp).filter(move |result| keys.is_usable(&result.attempt.user_id));
    results.map(|SectionResult { mut report, attempt, section, .. }| {
        let lines = section.map(|section| chapters::lines(test, attempt, Some(section)));
        report.chapter_wise_data = lines.filter(|lines| !lines.is_empty());
        super::ReportItem::Section(Box::new(report))
    })
}

/// The values that all items of a test session share.
fn template(test: &SessionResult, stamp: Stamp) -> SectionReport {
    let (quiz, session) = (&test.quiz, &test.session);
    let end = session.end.or(quiz.session_end);
    SectionReport {
        session_id: session.session_id.clone(),
        sort_key: String::new(),
        user_id: String::new(),
        section: String::new(),
        test_id: quiz.id.clone(),
        test_name: test.name().to_owned(),
        test_type: quiz.kind.name().map(str::to_owned),
        test_format: quiz.test_format.clone(),
        platform: "quizengine",
        start_date: date(test.began(stamp.written_at)),
        start_time: session.start.map(clock),
        end_date: end.map(date),
        end_time: end.map(clock),
        group: session.group().map(str::to_owned),
        batch: session.batch.clone(),
        stream: session.stream.clone(),
        course: session.course.clone(),
        grade: session.grade.clone().or_else(|| quiz.grade.clone()),
        marks_scored: 0.0,
        max_marks_possible: 0.0,
        total_questions: 0,
        num_correct: 0,
        num_wrong: 0,
        num_partially_correct: 0,
        num_skipped: 0,
        percentage: 0.0,
        accuracy: 0.0,
        rank: None,
        percentile: None,
        number_test_taker: 0,
        highest_test_score: None,
        avg_test_score: None,
        has_quiz_ended: false,
        inserted_at_timestamp: stamp.written_at.to_string(),
        sync_generation: stamp.generation,
        content_digest: None,
        chapter_wise_data: None,
    }
}

fn result<'a>(
    test: &SessionResult,
    template: &SectionReport,
    section: Option<usize>,
    ranking: &'a Ranking,
    index: usize,
    attempt: &'a ScoredAttempt,
) -> Option<SectionResult<'a>> {
    let score = attempt.score(&test.quiz, section)?;
    let standing = ranking.standing(index);
    let name = match section {
        Some(section) => test.quiz.sections.get(section)?.as_str(),
        None => OVERALL,
    };
    let report = SectionReport {
        sort_key: format!("{}#{name}", attempt.user_id),
        user_id: attempt.user_id.clone(),
        section: name.to_owned(),
        marks_scored: score.marks,
        max_marks_possible: score.max_marks,
        total_questions: score.total_questions,
        num_correct: score.correct,
        num_wrong: score.wrong,
        num_partially_correct: score.partially_correct,
        num_skipped: score.skipped,
        percentage: score.percentage().unwrap_or_default(),
        accuracy: score.accuracy().unwrap_or_default(),
        rank: standing.map(|standing| standing.rank),
        percentile: standing.map(|standing| round2(standing.percentile)),
        number_test_taker: ranking.figures.ranked,
        highest_test_score: ranking.figures.highest,
        avg_test_score: ranking.figures.average.map(round2),
        has_quiz_ended: attempt.ended,
        ..template.clone()
    };
    Some(SectionResult { report, attempt, score, standing, figures: &ranking.figures, section })
}
