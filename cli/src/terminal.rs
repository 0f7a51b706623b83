use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

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
    pub fn of_process(json: bool) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            colour: !json && !no_colour && std::io::stdout().is_terminal(),
            progress: !json && std::io::stderr().is_terminal(),
        }
    }

    /// Starts the log, on standard error: warnings and worse, or what `RUST_LOG` chooses.
    pub fn start_log(self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
        if log.with_ansi(self.progress).try_init().is_err() {
            self.complain("the log was started before");
        }
    }

    /// Prints a result. A reader that has gone away (`| head`) is no error.
    pub fn print(self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
    }

    /// Says what is being done, while it is done.
    pub fn step(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Says what went wrong, on standard error.
    pub fn complain(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "error: {text}");
    }

    /// Says what broke a command off.
    pub fn error(self, error: &anyhow::Error) {
        if self.json {
            self.print(&serde_json::json!({"error": format!("{error:#}")}).to_string());
        }
        self.complain(&format!("{error:#}"));
    }
}
