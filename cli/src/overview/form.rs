use quiz_domain::{FormAttempt, Question, QuestionType, SessionResult, Value, is_answered};

use super::html::{Text, bar, card, count, plain};
use super::questions::title;

const OPTION_LIMIT: usize = 120;

/// The number of answers to each question, and the number of choices of each option.
pub(super) fn render(test: &SessionResult, attempts: &[FormAttempt]) -> String {
    let questions = test.quiz.questions.iter().enumerate();
    let items: String = questions
        .map(|(position, question)| {
            let answers = attempts.iter().filter_map(move |attempt| attempt.answers.get(position));
            item(position, question, answers, attempts.len())
        })
        .collect();
    card("Responses", "", &format!("<ol class=\"questions\">\n{items}</ol>"))
}

fn item<'a>(
    position: usize,
    question: &Question,
    answers: impl Iterator<Item = &'a Value> + Clone,
    participants: usize,
) -> String {
    let answered = answers.clone().filter(|answer| is_answered(answer)).count();
    let takes_options = matches!(question.kind, QuestionType::SingleChoice | QuestionType::MultiChoice);
    let options = if takes_options && !question.options.is_empty() {
        options(&question.options, answers, answered)
    } else {
        bar(as_number(answered), as_number(participants), None)
    };
    format!(
        "<li><div class=\"question\"><p>{}</p></div><p class=\"counts\">{} of {} answered</p>{options}</li>\n",
        title(position, question),
        count(answered),
        count(participants)
    )
}

fn options<'a>(options: &[String], answers: impl Iterator<Item = &'a Value>, answered: usize) -> String {
    let mut chosen = vec![0_usize; options.len()];
    for answer in answers {
        let Value::List(indexes) = answer else { continue };
        for (index, chosen) in (0_u32..).zip(&mut chosen) {
            let is_chosen =
                indexes.iter().any(|chosen_index| chosen_index.as_number() == Some(f64::from(index)));
            *chosen += usize::from(is_chosen);
        }
    }
    let items = options.iter().zip(chosen).enumerate().map(|(index, (option, chosen))| {
        let text = plain(option, OPTION_LIMIT);
        let text = if text.is_empty() { format!("Option {}", index + 1) } else { text };
        let share = if answered == 0 { 0.0 } else { 100.0 * as_number(chosen) / as_number(answered) };
        format!(
            "<li><span>{}</span>{}<span>{} ({share:.0}%)</span></li>\n",
            Text(&text),
            bar(share, 100.0, None),
            count(chosen)
        )
    });
    format!("<ul class=\"options\">\n{}</ul>", items.collect::<String>())
}

#[expect(clippy::cast_precision_loss, reason = "a count of participants")]
fn as_number(count: usize) -> f64 {
    count as f64
}
