use quiz_domain::{Question, QuestionTally, Quiz, SessionResult};

use super::html::{Text, bar, card, count, number, plain};

/// The number of hardest and of easiest questions shown.
const SHOWN: usize = 5;
const TEXT_LIMIT: usize = 160;

struct Measured<'a> {
    position: usize,
    question: &'a Question,
    tally: &'a QuestionTally,
    correct: f64,
}

/// The hardest and the easiest questions, by the share of ranked participants with a right answer. A question appears
/// only once, also with fewer than ten questions.
pub(super) fn render(test: &SessionResult, tallies: &[QuestionTally]) -> String {
    let mut measured: Vec<Measured> = test
        .quiz
        .questions
        .iter()
        .zip(tallies)
        .enumerate()
        .filter(|(_, (question, _))| question.graded && !question.force_correct)
        .filter_map(|(position, (question, tally))| {
            Some(Measured { position, question, tally, correct: tally.correct_percentage()? })
        })
        .collect();
    if measured.is_empty() {
        return String::new();
    }
    measured.sort_by(|a, b| a.correct.total_cmp(&b.correct).then(a.position.cmp(&b.position)));
    let hardest = measured.len().div_ceil(2).min(SHOWN);
    let easiest = (measured.len() / 2).min(SHOWN);
    let list = |title: &str, questions: &[&Measured]| {
        let items: String = questions.iter().map(|question| item(&test.quiz, question)).collect();
        card(title, "", &format!("<ol class=\"questions\">\n{items}</ol>"))
    };
    let hardest: Vec<&Measured> = measured.iter().take(hardest).collect();
    let easiest: Vec<&Measured> = measured.iter().rev().take(easiest).collect();
    if easiest.is_empty() {
        return list("The question", &hardest);
    }
    format!(
        "<div class=\"columns\">\n{}{}</div>\n",
        list("Hardest questions", &hardest),
        list("Easiest questions", &easiest)
    )
}

fn item(quiz: &Quiz, measured: &Measured) -> String {
    let Measured { position, question, tally, correct } = measured;
    let section = quiz.parts.get(question.part).and_then(|part| quiz.sections.get(part.section));
    let mut counts = vec![];
    if let Some(section) = section {
        counts.push(Text(section).to_string());
    }
    if tally.partially_correct > 0 {
        counts.push(format!("{} partly correct", count(tally.partially_correct)));
    }
    counts.push(format!("{} wrong", count(tally.wrong)));
    counts.push(format!("{} skipped", count(tally.skipped)));
    format!(
        "<li><div class=\"question\"><p>{}</p><strong>{}%</strong></div>{}<p class=\"counts\">{}</p></li>\n",
        title(*position, question),
        number(*correct),
        bar(*correct, 100.0, None),
        counts.join(" · ")
    )
}

/// The number of the question in the quiz and the beginning of its text, as HTML.
pub(super) fn title(position: usize, question: &Question) -> String {
    let text = question.text.as_deref().map(|text| plain(text, TEXT_LIMIT)).filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| "(no text)".to_owned());
    format!("<b>{}.</b> {}", position + 1, Text(&text))
}
