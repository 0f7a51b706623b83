use std::io::{BufRead, IsTerminal, Write};

use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::ui::text::{clean, cut, printable, printable_json};
use crate::ui::{Ink, Question, WrongUse};

/// The log filter: warnings of our crates, by the prefixes of their names.
const OURS: &str = "off,quiz_=warn,sync_=warn,reconcile=warn,notify_discord=warn";
/// The most characters of a message: a cause may quote an id of a megabyte.
const LONGEST_MESSAGE: usize = 4_000;

/// The output of a command: text for a person, or JSON for a program.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    pub json: bool,
    /// Colours on standard output.
    pub colour: bool,
    /// Progress bars on standard error.
    pub progress: bool,
}

impl Terminal {
    /// Colours and bars only on a terminal; `NO_COLOR` turns colours off.
    #[must_use]
    pub fn from_process(json: bool) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            colour: !json && !no_colour && std::io::stdout().is_terminal(),
            progress: !json && std::io::stderr().is_terminal(),
        }
    }

    #[must_use]
    pub fn ink(self) -> Ink {
        Ink { colour: self.colour }
    }

    /// Starts the log on standard error: warnings of our crates, or the filter in `RUST_LOG`. Warnings of libraries are left
    /// out: the errors that follow them say the same.
    pub fn start_log(self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(OURS));
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
        if log.with_ansi(self.progress).try_init().is_err() {
            self.complain("cannot start the log: another one runs already");
        }
    }

    /// Prints a result without control characters, except for our colours. A closed pipe (`| head`) is not an error.
    pub fn print(self, text: &str) {
        let text = printable(text.trim_end_matches('\n'), self.colour);
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints a result as one line of JSON.
    pub fn print_json(self, value: &Value) {
        self.print_json_text(&value.to_string());
    }

    /// Prints serialized JSON.
    pub fn print_json_text(self, json: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{}", printable_json(json));
    }

    /// Prints a progress message on standard error.
    pub fn step(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{}", printable(text, self.colour));
        }
    }

    /// Prints an error on standard error, in one line.
    pub fn complain(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "error: {}", message(text));
    }

    /// Prints a warning on standard error, in one line.
    pub fn warn(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "warning: {}", message(text));
    }

    /// Shows the question and returns the answer, one line without spaces around it. An answer that cannot be read is empty.
    ///
    /// # Errors
    /// [`WrongUse`] if there is no terminal to ask on; the text names the option that gives the answer.
    pub fn ask(self, question: &Question) -> Result<String, WrongUse> {
        if self.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            let Question { text, option, .. } = question;
            return Err(WrongUse(format!("{text} There is no terminal to ask on: answer with {option}")));
        }
        // not locked: other messages appear while the question waits
        let mut error = std::io::stderr();
        let written =
            write!(error, "{}{} ", message(&question.text), question.hint).and_then(|()| error.flush());
        let mut answer = String::new();
        let answered = written.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
        Ok(if answered.is_ok() { answer.trim().to_owned() } else { String::new() })
    }

    /// Prints the error that ended a command.
    pub fn error(self, error: &anyhow::Error) {
        if self.json {
            self.print_json(&serde_json::json!({"error": format!("{error:#}")}));
        }
        self.complain(&format!("{error:#}"));
    }
}

/// One line, so that the text of a cause cannot look like a separate message.
fn message(text: &str) -> String {
    cut(&clean(text), LONGEST_MESSAGE)
}
