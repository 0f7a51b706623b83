//! Questions to a person, and the name of the requester.

use anyhow::Context;
use tokio::sync::oneshot;

use crate::ui::{Interrupt, Terminal};

/// Asks a yes-or-no question. Ctrl-C means no.
///
/// # Errors
/// [`WrongUse`](crate::ui::WrongUse) if there is no terminal to ask on.
pub async fn is_wanted(terminal: Terminal, question: String, interrupt: &Interrupt) -> anyhow::Result<bool> {
    let (answer, answered) = oneshot::channel();
    // a separate thread: the runtime would wait for a blocking task before the command can end
    std::thread::spawn(move || answer.send(terminal.confirm(&question)));
    tokio::select! {
        answer = answered => Ok(answer.context("cannot ask the question: the thread that asks has ended")??),
        () = interrupt.raised() => {
            // ends the line of the question
            terminal.step("");
            Ok(false)
        }
    }
}

/// The requester: the name on the command line, else the variable `USER`.
#[must_use]
pub fn asker(given: Option<&String>) -> Option<String> {
    given.cloned().or_else(|| std::env::var("USER").ok()).filter(|name| !name.is_empty())
}
