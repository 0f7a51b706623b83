use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use crate::error::ParquetError;

/// A file that remembers the first error of the operating system, because polars does not always report the cause.
pub(crate) struct Output {
    file: File,
    name: OutputName,
}

/// The name of a file in errors, and the first error of the operating system.
#[derive(Clone)]
pub(crate) struct OutputName {
    name: Arc<str>,
    first_error: Arc<OnceLock<String>>,
}

impl OutputName {
    /// `name` is the path, or the folder of a temporary file.
    pub fn new(name: String) -> Self {
        Self { name: name.into(), first_error: Arc::default() }
    }

    /// Makes the error for a failed write, with the operating system's cause where there is one.
    pub fn unwritable(&self, cause: impl Display) -> ParquetError {
        let cause = self.first_error.get().cloned().unwrap_or_else(|| cause.to_string());
        ParquetError::Unwritable { file: Arc::clone(&self.name), cause }
    }

    pub fn output(&self, file: File) -> Output {
        Output { file, name: self.clone() }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.name.first_error.get_or_init(|| error.to_string());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
