use std::io::{BufRead, IsTerminal, Write};

use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::ui::text::{clean, cut, printable, printable_json};
use crate::ui::{Ink, WrongUse};

/// Our crates, by what their names begin with.
const OURS: &str = "off,quiz_=warn,sync_=warn,reconcile=warn,notify_discord=warn";
/// Characters of the longest message: a cause may quote an id of a megabyte.
const LONGEST_MESSAGE: usize = 4_000;

/// Where a person or a program reads what a command has to say.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    pub json: bool,
    /// Colours on standard output.
    pub colour: bool,
    /// Progress bars on standard error.
    pub progress: bool,
}

impl Terminal {
    /// Colours and bars only on a terminal; `NO_COLOR` takes the colours away.
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

    /// Starts the log, on standard error: our own warnings and worse, or what `RUST_LOG` chooses. What a library warns of
    /// is in the error that it ends in.
    pub fn start_log(self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(OURS));
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
        if log.with_ansi(self.progress).try_init().is_err() {
            self.complain("the log was started before");
        }
    }

    /// Prints a result, without anything that a terminal obeys but our colours. A reader that has gone away (`| head`) is no error.
    pub fn print(self, text: &str) {
        let text = printable(text.trim_end_matches('\n'), self.colour);
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints a result for a program to read: one line of JSON.
    pub fn print_json(self, value: &Value) {
        self.print_json_text(&value.to_string());
    }

    /// The same, of JSON that is text already.
    pub fn print_json_text(self, json: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{}", printable_json(json));
    }

    /// Says what is being done, while it is done.
    pub fn step(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{}", printable(text, self.colour));
        }
    }

    /// Says what went wrong, on standard error, in one line.
    pub fn complain(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "error: {}", message(text));
    }

    /// Says what a person should know, though all goes on, in one line.
    pub fn warn(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "warning: {}", message(text));
    }

    /// Asks before something is done that cannot be undone. Only a plain yes is one.
    ///
    /// # Errors
    /// [`WrongUse`] where nobody is there to answer: then `--yes` has to say it.
    pub fn confirm(self, question: &str) -> Result<bool, WrongUse> {
        if self.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(WrongUse(format!("{question} Nobody is there to answer: say --yes to do it")));
        }
        // not locked: what else is to be said is said while a person thinks
        let mut error = std::io::stderr();
        let asked = write!(error, "{} [y/N] ", message(question)).and_then(|()| error.flush());
        let mut answer = String::new();
        let answered = asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
        Ok(answered.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Says what broke a command off.
    pub fn error(self, error: &anyhow::Error) {
        if self.json {
            self.print_json(&serde_json::json!({"error": format!("{error:#}")}));
        }
        self.complain(&format!("{error:#}"));
    }
}

/// One line: no text of a cause looks like a message of its own.
fn message(text: &str) -> String {
    cut(&clean(text), LONGEST_MESSAGE)
}
