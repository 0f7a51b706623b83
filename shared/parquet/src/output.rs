use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use crate::error::ParquetError;

/// A file that remembers why the operating system did not write to it: polars says so in some errors only.
pub(crate) struct Output {
    file: File,
    name: OutputName,
}

/// What an output is called in errors, and the first error of the operating system.
#[derive(Clone)]
pub(crate) struct OutputName {
    name: Arc<str>,
    refused: Arc<OnceLock<String>>,
}

impl OutputName {
    /// `name` is the path, or the folder of a file without a name.
    pub fn new(name: String) -> Self {
        Self { name: name.into(), refused: Arc::default() }
    }

    pub fn unwritable(&self, cause: impl Display) -> ParquetError {
        let cause = self.refused.get().cloned().unwrap_or_else(|| cause.to_string());
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
            self.name.refused.get_or_init(|| error.to_string());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
