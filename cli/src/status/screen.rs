use std::io::{self, IsTerminal, Write};

use crate::ui::printable;

const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// Terminals with synchronized output show the text between these two codes in one step.
const BEGIN: &str = "\u{1b}[?2026h\u{1b}[H";
const END: &str = "\u{1b}[J\u{1b}[?2026l";
/// To the end of the line.
const CLEAR_LINE: &str = "\u{1b}[K";

/// The alternate screen of a terminal, redrawn in place and closed at the end. Without a terminal, texts follow each
/// other.
pub struct Screen {
    is_terminal: bool,
}

impl Screen {
    /// Opens the screen.
    ///
    /// # Errors
    /// Standard output is closed.
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

    /// Shows the text: in place of the last one on a terminal, else after it.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn show(&self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return write(&format!("{}\n", printable(text, false)));
        }
        let text = printable(text, true);
        let lines: Vec<&str> = text.lines().collect();
        // one write that overwrites before it clears avoids flicker
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
