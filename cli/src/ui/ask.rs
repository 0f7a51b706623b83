use anyhow::Context;
use tokio::sync::oneshot;

use crate::ui::{Interrupt, Terminal};

/// Whether a person says yes; an interrupt is a no.
///
/// # Errors
/// [`WrongUse`](crate::ui::WrongUse) where nobody is there to answer.
pub async fn is_wanted(terminal: Terminal, question: String, interrupt: &Interrupt) -> anyhow::Result<bool> {
    let (answer, answered) = oneshot::channel();
    // a thread of its own: one of the runtime's would have to be answered before the command can end
    std::thread::spawn(move || answer.send(terminal.confirm(&question)));
    tokio::select! {
        answer = answered => Ok(answer.context("nobody could be asked")??),
        () = interrupt.raised() => {
            // ends the line of the question
            terminal.step("");
            Ok(false)
        }
    }
}

/// Who asks: as the command was told, else the user that the environment names.
#[must_use]
pub fn asker(told: Option<&String>) -> Option<String> {
    told.cloned().or_else(|| std::env::var("USER").ok()).filter(|name| !name.is_empty())
}
