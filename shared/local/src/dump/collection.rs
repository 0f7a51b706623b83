use std::env;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
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
            return Ok(Positioned { file: Arc::new(open()?), offset: 0, broken: None });
        }
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*unpacked {
            return Ok(Positioned { file: Arc::clone(file), offset: 0, broken: None });
        }
        let copy = || format!("a copy, unpacked in {}, of ", env::temp_dir().display());
        let (file, broken) = unpack(open()?).map_err(|cause| io_error(&self.path, &copy(), cause))?;
        let file = Arc::new(file);
        if broken.is_none() {
            *unpacked = Some(Arc::clone(&file));
        }
        Ok(Positioned { file, offset: 0, broken })
    }
}

/// Unpacks as far as it goes, and says why it goes no further. The error is of the temporary file.
fn unpack(packed: File) -> io::Result<(File, Option<io::Error>)> {
    let mut file = tempfile::tempfile()?;
    let mut packed = MultiGzDecoder::new(BufReader::new(packed));
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match packed.read(&mut bytes) {
            Ok(0) => return Ok((file, None)),
            Ok(read) => file.write_all(bytes.get(..read).unwrap_or_default())?,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Ok((file, Some(cause))),
        }
    }
}

/// A place in a file that others read too.
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
