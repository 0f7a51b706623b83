use serde::Serialize;

use super::recommendation::{Recommendation, recommend};
use super::{ContentDigest, ReportItem, SortKeys, Stamp, chapters, date};
use crate::rank::ranking::Standing;
use crate::rank::test_results::{AttemptResults, Ranking, ScoredAttempt, SessionResult};
use crate::read::priority::ChapterPriority;
use crate::round::{number, optional_number, round2};
use crate::score::tally::Score;

/// One document of `student_quiz_reports_v2`: the whole report of one student. Percentages are 0 to 100 with two decimals,
/// and null where the divisor is 0.
#[derive(Clone, Debug, Serialize)]
pub struct StudentReport {
    pub session_id: String,
    pub user_id: String,
    pub quiz_id: String,
    pub student_id: String,
    /// The id in India's academic registry (APAAR); unknown until the students' directory is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apaar_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub school: Option<String>,
    pub report_header: ReportHeader,
    pub overall_performance: OverallPerformance,
    pub subject_performance: Vec<SubjectPerformance>,
    /// A line for each chapter name of a subject, in the order of the quiz.
    pub chapter_performance: Vec<ChapterPerformance>,
    pub recommendation: Recommendation,
    pub metadata: ReportMetadata,
    pub sync_generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_digest: Option<ContentDigest>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReportHeader {
    pub student_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub student_name: Option<String>,
    pub test_name: String,
    pub test_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Performance {
    #[serde(serialize_with = "number")]
    pub marks_scored: f64,
    #[serde(serialize_with = "number")]
    pub max_marks_possible: f64,
    #[serde(serialize_with = "optional_number")]
    pub percentage: Option<f64>,
    #[serde(serialize_with = "optional_number")]
    pub accuracy: Option<f64>,
    pub num_correct: u32,
    pub num_wrong: u32,
    pub num_skipped: u32,
    pub total_questions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_number")]
    pub percentile: Option<f64>,
    pub has_quiz_ended: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct OverallPerformance {
    #[serde(flatten)]
    pub performance: Performance,
    /// The rank again, under the name that the list of reports reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cms_rank: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SubjectPerformance {
    pub subject: String,
    #[serde(flatten)]
    pub performance: Performance,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChapterPerformance {
    pub subject: String,
    pub chapter_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chapter_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<ChapterPriority>,
    pub total_questions: u32,
    pub num_correct: u32,
    pub num_wrong: u32,
    pub num_partially_correct: u32,
    pub num_skipped: u32,
    #[serde(serialize_with = "number")]
    pub marks_scored: f64,
    /// The maximum, under the name that the print page and the LMS read.
    #[serde(serialize_with = "number")]
    pub max_marks_possible: f64,
    /// The maximum under its old name, kept for one release.
    #[serde(serialize_with = "number")]
    pub max_score: f64,
    /// `100 × marks_scored / max_marks_possible`.
    #[serde(serialize_with = "optional_number")]
    pub percentage: Option<f64>,
    #[serde(serialize_with = "optional_number")]
    pub accuracy: Option<f64>,
    #[serde(serialize_with = "optional_number")]
    pub attempt_percentage: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReportMetadata {
    /// Whether the attempt is not final: the student may still be answering.
    pub test_incomplete: bool,
}

pub(super) fn items(test: &SessionResult, stamp: Stamp) -> impl Iterator<Item = ReportItem> + Send {
    let (attempts, rankings): (&[_], &[_]) = match &test.results {
        AttemptResults::Scored { attempts, rankings, .. } => (attempts, rankings),
        AttemptResults::Form(_) => (&[], &[]),
    };
    let keys = SortKeys::new(test);
    let keyable = attempts.iter().enumerate().filter(move |(_, attempt)| keys.is_usable(&attempt.user_id));
    keyable.filter_map(move |(index, attempt)| {
        let report = report(test, rankings, index, attempt, stamp)?;
        Some(ReportItem::Student(Box::new(report)))
    })
}

fn report(
    test: &SessionResult,
    rankings: &[Ranking],
    index: usize,
    attempt: &ScoredAttempt,
    stamp: Stamp,
) -> Option<StudentReport> {
    let session = &test.session;
    let (overall, sections) = rankings.split_first()?;
    let (score, scores) = attempt.scores(&test.quiz);
    let performance =
        |score: &Score, ranking: &Ranking| performance(score, ranking.standing(index), attempt.ended);
    let subjects = test.quiz.sections.iter().zip(&scores).zip(sections).map(|((subject, score), ranking)| {
        SubjectPerformance { subject: subject.clone(), performance: performance(score, ranking) }
    });
    let chapters = chapters::scores(&test.quiz, attempt, None).map(|score| ChapterPerformance {
        subject: score.section.to_owned(),
        chapter_name: score.chapter.name.clone(),
        chapter_id: score.chapter.code.clone(),
        priority: score.chapter.priority,
        total_questions: score.chapter.questions,
        num_correct: score.tally.correct,
        num_wrong: score.tally.wrong,
        num_partially_correct: score.tally.partially_correct,
        num_skipped: score.skipped,
        marks_scored: score.marks,
        max_marks_possible: score.max_marks,
        max_score: score.max_marks,
        percentage: score.percentage,
        accuracy: score.accuracy,
        attempt_percentage: score.attempt_percentage,
    });
    let chapters: Vec<ChapterPerformance> = chapters.collect();
    let overall = performance(&score, overall);
    Some(StudentReport {
        session_id: session.session_id.clone(),
        user_id: attempt.user_id.clone(),
        quiz_id: test.quiz.id.clone(),
        student_id: attempt.user_id.clone(),
        apaar_id: None,
        school: session.school.clone(),
        report_header: ReportHeader {
            student_id: attempt.user_id.clone(),
            student_name: None,
            test_name: test.name().to_owned(),
            test_date: date(test.began(stamp.written_at)),
            course: session.course.clone(),
            stream: session.stream.clone(),
        },
        overall_performance: OverallPerformance { cms_rank: overall.rank, performance: overall },
        subject_performance: subjects.collect(),
        recommendation: recommend(&chapters),
        chapter_performance: chapters,
        metadata: ReportMetadata { test_incomplete: !attempt.is_final },
        sync_generation: stamp.generation,
        content_digest: None,
    })
}

fn performance(score: &Score, standing: Option<Standing>, ended: bool) -> Performance {
    Performance {
        marks_scored: score.marks,
        max_marks_possible: score.max_marks,
        percentage: score.percentage(),
        accuracy: score.accuracy(),
        num_correct: score.correct,
        num_wrong: score.wrong,
        num_skipped: score.skipped,
        total_questions: score.total_questions,
        rank: standing.map(|standing| standing.rank),
        percentile: standing.map(|standing| round2(standing.percentile)),
        has_quiz_ended: ended,
    }
}
