//! The field that tells the operator the next command and the section of the run book.

use quiz_events::ParkCause;

/// The longest id that a command shows.
const WORD: usize = 180;

/// The field `Next step`: one step a line.
pub fn next_step(lines: &[String]) -> (String, String, bool) {
    ("Next step".to_owned(), lines.join("\n"), false)
}

/// Fix and replay parked messages, or drop them if no replay helps; `choice` selects them: `--session ID` or `--code CODE`.
pub fn replay(error_code: &str, choice: &str) -> String {
    if error_code == ParkCause::SESSION_ID_OF_ATTEMPT {
        let drop = format!("quiz-etl dlq drop {choice} --reason 'id of an attempt'");
        return format!("Fix the publisher, then run `{drop}`: docs/RUNBOOK.md, error-codes");
    }
    format!("Fix the cause, then run `quiz-etl dlq replay {choice}`: docs/RUNBOOK.md, error-codes")
}

/// The word if it is safe to paste into a shell, else the placeholder.
pub fn shell_word<'a>(word: &'a str, placeholder: &'a str) -> &'a str {
    let is_safe = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
    if !word.is_empty() && word.len() <= WORD && word.chars().all(is_safe) { word } else { placeholder }
}
