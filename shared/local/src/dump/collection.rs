use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use quiz_pipeline::ports::SourceError;

use super::error::io_error;

/// A collection's file. One that is gzipped is unpacked once, when it is first read, into a temporary file
/// without a name: documents are then found by their places, as in any other.
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

    /// From its beginning.
    pub fn open(&self) -> Result<Positioned, SourceError> {
        let open = || File::open(&self.path).map_err(|cause| io_error(&self.path, "", cause));
        if self.path.extension().is_none_or(|it| it != "gz") {
            return Ok(Positioned { file: Arc::new(open()?), offset: 0 });
        }
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let file = if let Some(file) = &*unpacked {
            Arc::clone(file)
        } else {
            let file = unpack(open()?).map_err(|cause| io_error(&self.path, "", cause))?;
            Arc::clone(unpacked.insert(Arc::new(file)))
        };
        Ok(Positioned { file, offset: 0 })
    }
}

fn unpack(packed: File) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut MultiGzDecoder::new(BufReader::new(packed)), &mut file)?;
    Ok(file)
}

/// A place in a file that others read too.
#[derive(Debug)]
pub(super) struct Positioned {
    file: Arc<File>,
    offset: u64,
}

impl Read for Positioned {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.offset)?;
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
