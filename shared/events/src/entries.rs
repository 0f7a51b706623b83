//! The entries of a file of events or session ids, one at a time.
//!
//! A file holds JSON objects, each on a line or over several lines, JSON arrays of objects and ids, and plain lines.
//! Blank lines and lines that begin with `#` are passed over, as are a byte order mark and carriage returns.
//!
//! Invariants: the reader holds one entry, and no entry is longer than [`LONGEST`]; so a file of any size, and a file
//! without a line's end, costs little memory. Each JSON entry is valid JSON; it may still be no event. Each error names
//! the line on which the entry begins, or the line that is wrong.

use std::io::{self, BufRead};

use serde::de::IgnoredAny;
use thiserror::Error;

/// Bytes of the longest entry: 1 MiB, the longest message of SQS.
const LONGEST: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a file of entries cannot be read. Lines count from 1.
#[derive(Debug, Error)]
pub enum EntryError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
}

/// The text of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryText {
    /// An object, or any element of an array.
    Json(String),
    /// A line that begins with neither a brace nor a bracket, trimmed.
    Line(String),
}

/// One entry of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line on which the entry begins, from 1.
    pub line: u64,
    pub text: EntryText,
}

/// The position of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    TopLevel,
    /// In an array that begins on this line.
    Array {
        line: u64,
        next: Next,
    },
}

/// The next token of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    ElementOrEnd,
    Element,
    CommaOrEnd,
}

/// The entries of a text.
///
/// # Examples
///
/// ```
/// use quiz_events::{Entries, Entry, EntryText};
///
/// let file = r#"# late answers of May
/// Group_6715f621e1eb083bfa9b56cc
/// {
///   "session_id": "weekly-1", "quiz_id": "6715f621e1eb083bfa9b56cc"
/// }
/// {"session_id" "weekly-2"}"#;
/// let mut entries = Entries::new(file.as_bytes());
/// let id = EntryText::Line("Group_6715f621e1eb083bfa9b56cc".to_owned());
/// assert_eq!(entries.next_entry()?, Some(Entry { line: 2, text: id }));
/// assert!(matches!(entries.next_entry()?, Some(Entry { line: 3, text: EntryText::Json(_) })));
/// let error = entries.next_entry().unwrap_err();
/// assert_eq!(error.to_string(), "line 6: it is not JSON: expected `:`");
/// # Ok::<(), quiz_events::EntryError>(())
/// ```
#[derive(Debug)]
pub struct Entries<R> {
    input: R,
    line: u64,
    position: Position,
    /// Whether only white space was read of the current line.
    is_line_fresh: bool,
    is_begun: bool,
}

impl<R: BufRead> Entries<R> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(input: R) -> Self {
        Self { input, line: 1, position: Position::TopLevel, is_line_fresh: true, is_begun: false }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// [`EntryError`] if the file cannot be read or has a wrong line. The rest of the file is not read.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, EntryError> {
        if !self.is_begun {
            self.is_begun = true;
            self.skip_byte_order_mark()?;
        }
        loop {
            self.skip_white_space()?;
            let (line, byte) = (self.line, self.peek()?);
            match self.position {
                Position::TopLevel => match byte {
                    None => return Ok(None),
                    Some(b'#') if self.is_line_fresh => self.skip_line()?,
                    Some(b'{') => return self.json(line).map(Some),
                    Some(b'[') => {
                        self.bump(b'[');
                        self.position = Position::Array { line, next: Next::ElementOrEnd };
                    }
                    Some(_) if self.is_line_fresh => {
                        let text = self.rest_of_line()?.trim().to_owned();
                        return Ok(Some(Entry { line, text: EntryText::Line(text) }));
                    }
                    Some(_) => return Err(wrong(line, "more text follows the JSON; begin a new line")),
                },
                Position::Array { line: begun, next } => match (byte, next) {
                    (None, _) => return Err(wrong(begun, "the array that begins here does not end")),
                    (Some(b']'), Next::ElementOrEnd | Next::CommaOrEnd) => {
                        self.bump(b']');
                        self.position = Position::TopLevel;
                    }
                    (Some(b','), Next::CommaOrEnd) => {
                        self.bump(b',');
                        self.position = Position::Array { line: begun, next: Next::Element };
                    }
                    (Some(b',' | b']'), Next::ElementOrEnd | Next::Element) => {
                        return Err(wrong(line, "an element of the array is missing"));
                    }
                    (Some(b'['), Next::ElementOrEnd | Next::Element) => {
                        return Err(wrong(
                            line,
                            "an array within an array; write one array of events or ids",
                        ));
                    }
                    (Some(_), Next::ElementOrEnd | Next::Element) => {
                        self.position = Position::Array { line: begun, next: Next::CommaOrEnd };
                        return self.json(line).map(Some);
                    }
                    (Some(_), Next::CommaOrEnd) => {
                        return Err(wrong(line, "a comma or ] is missing after the array's element"));
                    }
                },
            }
        }
    }

    /// The number of the next line, from 1, and its text without the line end; `None` at the end. For files without
    /// entries, such as CSV files.
    ///
    /// # Errors
    /// As for [`Entries::next_entry`].
    pub fn next_line(&mut self) -> Result<Option<(u64, String)>, EntryError> {
        if !self.is_line_fresh && self.peek()? == Some(b'\n') {
            self.bump(b'\n');
        }
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        let text = self.rest_of_line()?;
        if self.peek()? == Some(b'\n') {
            self.bump(b'\n');
        }
        Ok(Some((line, text.trim_end_matches('\r').to_owned())))
    }

    /// Reads an object, a text or another scalar.
    fn json(&mut self, line: u64) -> Result<Entry, EntryError> {
        let bytes = match self.peek()? {
            Some(b'{' | b'"') => self.nested(line)?,
            _ => self.scalar(line)?,
        };
        let text = utf8(line, bytes)?;
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&text) {
            let at = line + u64::try_from(error.line()).unwrap_or(1).saturating_sub(1);
            return Err(wrong(at, format!("it is not JSON: {}", without_place(&error))));
        }
        Ok(Entry { line, text: EntryText::Json(text) })
    }

    /// Reads from a brace or a quote to the closing one.
    fn nested(&mut self, line: u64) -> Result<Vec<u8>, EntryError> {
        let (mut bytes, mut depth, mut is_text, mut is_escaped) = (Vec::new(), 0_usize, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                return Err(wrong(line, "the JSON that begins here does not end"));
            };
            if bytes.len() == LONGEST {
                return Err(wrong(line, "the JSON that begins here is longer than 1 MiB, or does not end"));
            }
            if is_text && byte == b'\n' {
                return Err(wrong(self.line, "it is not JSON: a text does not end on its line"));
            }
            self.bump(byte);
            bytes.push(byte);
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                b'{' | b'[' if !is_text => depth += 1,
                b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !is_text {
                return Ok(bytes);
            }
        }
    }

    /// Reads a number, `true`, `false` or `null` in an array.
    fn scalar(&mut self, line: u64) -> Result<Vec<u8>, EntryError> {
        let mut bytes = Vec::new();
        while let Some(byte) = self.peek()?.filter(|byte| !b",] \t\r\n".contains(byte)) {
            self.push(&mut bytes, byte, line)?;
        }
        Ok(bytes)
    }

    /// Reads up to the line end, which is not consumed.
    fn rest_of_line(&mut self) -> Result<String, EntryError> {
        let (line, mut bytes) = (self.line, Vec::new());
        while let Some(byte) = self.peek()?.filter(|byte| *byte != b'\n') {
            self.push(&mut bytes, byte, line)?;
        }
        utf8(line, bytes)
    }

    fn push(&mut self, bytes: &mut Vec<u8>, byte: u8, line: u64) -> Result<(), EntryError> {
        if bytes.len() == LONGEST {
            return Err(wrong(line, "it is longer than 1 MiB"));
        }
        self.bump(byte);
        bytes.push(byte);
        Ok(())
    }

    fn skip_line(&mut self) -> io::Result<()> {
        while let Some(byte) = self.peek()?.filter(|byte| *byte != b'\n') {
            self.bump(byte);
        }
        Ok(())
    }

    fn skip_white_space(&mut self) -> io::Result<()> {
        while let Some(byte) = self.peek()?.filter(u8::is_ascii_whitespace) {
            self.bump(byte);
        }
        Ok(())
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        self.peek()?;
        if self.input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            self.input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Consumes the byte that [`Entries::peek`] returned.
    fn bump(&mut self, byte: u8) {
        self.input.consume(1);
        if byte == b'\n' {
            self.line += 1;
            self.is_line_fresh = true;
        } else if !byte.is_ascii_whitespace() {
            self.is_line_fresh = false;
        }
    }
}

const NOT_UTF8: &str = "it is not UTF-8; save the file as UTF-8";

fn utf8(line: u64, bytes: Vec<u8>) -> Result<String, EntryError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = line + valid.filter(|byte| **byte == b'\n').map(|_| 1).sum::<u64>();
        wrong(line, NOT_UTF8)
    })
}

/// The error without serde's line and column, which count from the start of the entry.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn wrong(line: u64, problem: impl Into<String>) -> EntryError {
    EntryError::Line { line, problem: problem.into() }
}
