//! The field that tells the operator the next command and the section of the run book.

/// The longest id that a command shows.
const WORD: usize = 180;

/// The field `Next step`: one step a line.
pub fn next_step(lines: &[String]) -> (String, String, bool) {
    ("Next step".to_owned(), lines.join("\n"), false)
}

/// Fix and replay parked messages; `choice` selects them: `--session ID` or `--code CODE`.
pub fn replay(choice: &str) -> String {
    format!("Fix the cause, then run `quiz-etl dlq replay {choice}`: docs/RUNBOOK.md, error-codes")
}

/// The word if it is safe to paste into a shell, else the placeholder.
pub fn shell_word<'a>(word: &'a str, placeholder: &'a str) -> &'a str {
    let is_safe = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
    if !word.is_empty() && word.len() <= WORD && word.chars().all(is_safe) { word } else { placeholder }
}
