use std::cmp::Ordering;

use serde::Serialize;

use super::ChapterPerformance;
use crate::read::priority::ChapterPriority;

/// A chapter with fewer questions says too little about a student.
const LEAST_QUESTIONS: u32 = 2;
/// The message counts more chapters than these.
const MOST_NAMED: usize = 3;

/// The chapters that a student should practise first. The print page reads both fields without a check, so both are always
/// present.
#[derive(Clone, Debug, Serialize)]
pub struct Recommendation {
    /// One sentence for the student, also where there is nothing to recommend.
    pub message: String,
    /// In the order of the quiz.
    pub recommended_chapters: Vec<RecommendedChapter>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RecommendedChapter {
    pub subject: String,
    pub chapter_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chapter_id: Option<String>,
}

/// Recommends the chapters with the lowest accuracy among those of the highest priority.
///
/// A chapter counts if it has at least two questions and an accuracy below 100. The accuracy of a chapter without an answer
/// is 0, as in v1. A chapter without a priority counts as unknown, as on the Reporting Engine's page.
pub(super) fn recommend(chapters: &[ChapterPerformance]) -> Recommendation {
    let weak = || {
        chapters
            .iter()
            .filter(|chapter| chapter.total_questions >= LEAST_QUESTIONS && accuracy(chapter) < 100.0)
    };
    let is_answered = chapters.iter().any(|chapter| chapter.accuracy.is_some());
    let worst = weak().min_by(|a, b| order(a, b)).filter(|_| is_answered);
    let chosen: Vec<&ChapterPerformance> =
        weak().filter(|chapter| worst.is_some_and(|worst| order(chapter, worst).is_eq())).collect();
    let message = match chosen.as_slice() {
        [] if chapters.is_empty() => {
            "The questions of this test name no chapter, so there is no recommendation.".to_owned()
        }
        [] if !is_answered => {
            "No question of a chapter is answered, so there is no recommendation.".to_owned()
        }
        [] => "No chapter with at least two questions needs special practice.".to_owned(),
        [one, others @ ..] => {
            let place = if others.is_empty() { "there" } else { "in each" };
            format!("Practise {} first: your accuracy {place} is {}%.", names(&chosen), accuracy(one))
        }
    };
    let recommended = |chapter: &ChapterPerformance| RecommendedChapter {
        subject: chapter.subject.clone(),
        chapter_name: chapter.chapter_name.clone(),
        chapter_id: chapter.chapter_id.clone(),
    };
    Recommendation { message, recommended_chapters: chosen.into_iter().map(recommended).collect() }
}

fn names(chapters: &[&ChapterPerformance]) -> String {
    let names: Vec<&str> = chapters.iter().map(|chapter| chapter.chapter_name.as_str()).collect();
    match names.as_slice() {
        [one] => (*one).to_owned(),
        [others @ .., last] if names.len() <= MOST_NAMED => format!("{} and {last}", others.join(", ")),
        many => format!("these {} chapters", many.len()),
    }
}

fn accuracy(chapter: &ChapterPerformance) -> f64 {
    chapter.accuracy.unwrap_or_default()
}

/// The highest priority first, then the lowest accuracy.
fn order(a: &ChapterPerformance, b: &ChapterPerformance) -> Ordering {
    let priority = |chapter: &ChapterPerformance| chapter.priority.unwrap_or(ChapterPriority::Unknown);
    priority(a).cmp(&priority(b)).then_with(|| accuracy(a).total_cmp(&accuracy(b)))
}

#[cfg(test)]
mod tests {
    use super::recommend;
    use crate::read::priority::ChapterPriority;
    use crate::reports::ChapterPerformance;

    fn chapter(name: &str, priority: &str, questions: u32, accuracy: Option<f64>) -> ChapterPerformance {
        let priority = ChapterPriority::read(&crate::Value::Text(priority.to_owned()));
        ChapterPerformance {
            subject: "Physics".into(),
            chapter_name: name.into(),
            chapter_id: None,
            priority,
            total_questions: questions,
            num_correct: 0,
            num_wrong: 0,
            num_partially_correct: 0,
            num_skipped: 0,
            marks_scored: 0.0,
            max_marks_possible: 0.0,
            max_score: 0.0,
            percentage: None,
            accuracy,
            attempt_percentage: None,
        }
    }

    fn recommended(chapters: &[ChapterPerformance]) -> (String, Vec<String>) {
        let recommendation = recommend(chapters);
        let names = recommendation.recommended_chapters.into_iter().map(|chapter| chapter.chapter_name);
        (recommendation.message, names.collect())
    }

    #[test]
    fn lowest_accuracy_of_highest_priority_is_recommended() {
        let chapters = [
            chapter("Heat", "low", 5, Some(0.0)),
            chapter("Optics", "high", 2, Some(33.33)),
            chapter("Waves", "high", 2, Some(50.0)),
            chapter("Sound", "high", 1, Some(0.0)),
        ];
        let message = "Practise Optics first: your accuracy there is 33.33%.".to_owned();
        assert_eq!(recommended(&chapters), (message, vec!["Optics".into()]));
    }

    #[test]
    fn chapter_without_wrong_answer_is_not_recommended() {
        let chapters = [chapter("Optics", "high", 2, Some(100.0)), chapter("Heat", "medium", 2, Some(75.0))];
        assert_eq!(recommended(&chapters).1, ["Heat"]);
        let nothing = "No chapter with at least two questions needs special practice.".to_owned();
        assert_eq!(recommended(&chapters[..1]), (nothing.clone(), vec![]));
        assert_eq!(recommended(&[chapter("Sound", "high", 1, Some(0.0))]), (nothing, vec![]));
    }

    #[test]
    fn unanswered_chapter_has_accuracy_zero() {
        let chapters = [
            chapter("Optics", "", 2, None),
            chapter("Waves", "unknown", 2, Some(0.0)),
            chapter("Heat", "urgent", 2, Some(50.0)),
        ];
        let message = "Practise Optics and Waves first: your accuracy in each is 0%.".to_owned();
        assert_eq!(recommended(&chapters), (message, vec!["Optics".into(), "Waves".into()]));
    }

    #[test]
    fn message_counts_many_chapters() {
        let chapters = ["A", "B", "C", "D"].map(|name| chapter(name, "high", 2, Some(50.0)));
        let message = |count| recommended(&chapters[..count]).0;
        assert_eq!(message(3), "Practise A, B and C first: your accuracy in each is 50%.");
        assert_eq!(message(4), "Practise these 4 chapters first: your accuracy in each is 50%.");
    }

    #[test]
    fn nothing_answered_has_no_recommendation() {
        let no_chapter = "The questions of this test name no chapter, so there is no recommendation.";
        assert_eq!(recommended(&[]), (no_chapter.to_owned(), vec![]));
        let no_answer = "No question of a chapter is answered, so there is no recommendation.";
        assert_eq!(recommended(&[chapter("Optics", "high", 2, None)]), (no_answer.to_owned(), vec![]));
    }
}
