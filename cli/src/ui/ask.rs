//! Questions to a person.

use anyhow::Context;
use tokio::sync::oneshot;

use crate::ui::{Interrupt, Terminal, WrongUse};

/// A question to a person.
#[derive(Clone, Debug)]
pub struct Question {
    pub text: String,
    /// Shown after the text where a person can answer.
    pub hint: &'static str,
    /// The option that gives the answer on the command line.
    pub option: &'static str,
}

/// Asks a yes-or-no question. Ctrl-C means no.
///
/// # Errors
/// [`WrongUse`] if there is no terminal to ask on; the text names `--yes`.
pub async fn is_wanted(terminal: Terminal, question: String, interrupt: &Interrupt) -> anyhow::Result<bool> {
    let question = Question { text: question, hint: " [y/N]", option: "--yes" };
    let answer = line(terminal, question, interrupt).await?;
    Ok(answer.is_some_and(|answer| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")))
}

/// Shows a question and reads the answer, one line; `None` after Ctrl-C.
///
/// # Errors
/// [`WrongUse`] if there is no terminal to ask on; the text names the option that gives the answer.
pub async fn line(
    terminal: Terminal,
    question: Question,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<String>> {
    let (answer, answered) = oneshot::channel::<Result<String, WrongUse>>();
    // a separate thread: the runtime would wait for a blocking task before the command can end
    std::thread::spawn(move || answer.send(terminal.ask(&question)));
    tokio::select! {
        answer = answered => {
            Ok(Some(answer.context("cannot ask the question: the thread that asks has ended")??))
        }
        () = interrupt.raised() => {
            // ends the line of the question
            terminal.step("");
            Ok(None)
        }
    }
}
