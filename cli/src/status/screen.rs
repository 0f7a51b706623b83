use std::io::{self, IsTerminal, Write};

use crate::ui::printable;

const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// A terminal that knows it shows what is between these at once.
const BEGIN: &str = "\u{1b}[?2026h\u{1b}[H";
const END: &str = "\u{1b}[J\u{1b}[?2026l";
/// To the end of the line.
const CLEAR_LINE: &str = "\u{1b}[K";

/// A terminal's second screen, which is redrawn in place and gone at the end; elsewhere one text after another.
pub struct Screen {
    is_terminal: bool,
}

impl Screen {
    /// # Errors
    /// Where nobody reads standard output.
    pub fn open() -> io::Result<Self> {
        let screen = Self { is_terminal: io::stdout().is_terminal() };
        if screen.is_terminal {
            write(ENTER)?;
        }
        Ok(screen)
    }

    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows the text in place of the last one, or after it.
    ///
    /// # Errors
    /// Where the reader has gone away.
    pub fn show(&self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return write(&format!("{}\n", printable(text, false)));
        }
        let text = printable(text, true);
        let lines: Vec<&str> = text.lines().collect();
        // one write, and nothing cleared that is not written over: no flicker
        write(&format!("{BEGIN}{}{CLEAR_LINE}{END}", lines.join(&format!("{CLEAR_LINE}\r\n"))))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write(LEAVE);
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
