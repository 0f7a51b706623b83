use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use quiz_events::Cause;
use quiz_pipeline::ports::SourceError;

use super::error::io_error;
use super::format::Format;
use super::reader::SMALLEST;
use super::unpack::{self, Limits, UnpackError, unpack};

/// A collection's file, gzipped or not; the format is read from the content, not from the name. A gzip is unpacked at
/// the first read, into a temporary file without a name, so that documents can be read at their offsets.
#[derive(Debug)]
pub(super) struct Collection {
    path: PathBuf,
    unpacked: Mutex<Option<Arc<File>>>,
}

impl Collection {
    pub fn new(path: PathBuf) -> Self {
        Self { path, unpacked: Mutex::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader at the beginning of the file.
    pub fn open(&self) -> Result<Positioned, SourceError> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*unpacked {
            return Ok(Positioned { file: Arc::clone(file), offset: 0, broken: None });
        }
        let file = File::open(&self.path).map_err(|cause| io_error(&self.path, "", cause))?;
        let format = Format::of(&file);
        self.check(format)?;
        if format == Format::Plain && !self.is_cut_gzip(&file) {
            return Ok(Positioned { file: Arc::new(file), offset: 0, broken: None });
        }
        let (file, broken) =
            unpack(file, Limits::default(), unpack::space).map_err(|error| self.not_unpacked(error))?;
        let within = Format::of(&file);
        if within == Format::Gzip {
            return Err(self.corrupt("the file is gzipped twice; unpack it once with gzip -d first".into()));
        }
        self.check(within)?;
        let file = Arc::new(file);
        if broken.is_none() {
            *unpacked = Some(Arc::clone(&file));
        }
        Ok(Positioned { file, offset: 0, broken })
    }

    fn check(&self, format: Format) -> Result<(), SourceError> {
        format.refusal().map_or(Ok(()), |why| Err(self.corrupt(why.into())))
    }

    /// Whether a gzip was cut off at its start: mongodump writes an empty `.bson` for an empty collection, but never an
    /// empty `.bson.gz`.
    fn is_cut_gzip(&self, file: &File) -> bool {
        let is_short = file.metadata().is_ok_and(|file| file.len() < SMALLEST as u64);
        is_short && self.path.extension().is_some_and(|extension| extension == "gz")
    }

    fn not_unpacked(&self, error: UnpackError) -> SourceError {
        let UnpackError::Disk(cause) = error else { return self.corrupt(error.into()) };
        io_error(&self.path, &format!("a copy, unpacked in {}, of ", env::temp_dir().display()), cause)
    }

    fn corrupt(&self, cause: Cause) -> SourceError {
        SourceError::Corrupt { what: self.path.display().to_string(), cause }
    }
}

/// A read position in a file that several readers share.
#[derive(Debug)]
pub(super) struct Positioned {
    file: Arc<File>,
    offset: u64,
    /// Why the file's gzip could not be unpacked beyond its end.
    broken: Option<io::Error>,
}

impl Read for Positioned {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.offset)?;
        if read == 0 && !bytes.is_empty() {
            self.broken.take().map_or(Ok(()), Err)?;
        }
        self.offset += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.offset.checked_add_signed(distance),
            SeekFrom::End(distance) => self.file.metadata()?.len().checked_add_signed(distance),
        };
        self.offset = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.offset)
    }
}
