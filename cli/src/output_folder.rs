use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use quiz_local::SqliteStore;

/// The lock file; it holds the process that has the lock.
const LOCK: &str = ".quiz-etl.lock";

/// A folder that only one run at a time writes to. The lock ends with the process, also after a crash.
pub struct OutputFolder {
    path: PathBuf,
    _lock: File,
}

impl OutputFolder {
    /// Creates the folder if needed and takes its lock.
    ///
    /// # Errors
    /// Another process has the lock (the error names the process), or the folder is not writable.
    pub fn claim(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))?;
        let file = path.join(LOCK);
        let lock = lock(path, &file)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("reports.db")
    }

    /// Opens or creates the folder's report store.
    ///
    /// # Errors
    /// The folder has a reports.db that is not our report store.
    pub fn open_store(&self) -> anyhow::Result<SqliteStore> {
        Ok(SqliteStore::open(self.database())?)
    }
}

fn is_lock_unsupported(error: &std::io::Error) -> bool {
    // ENOLCK: NFS without its lock service
    const ENOLCK: i32 = if cfg!(target_os = "macos") { 77 } else { 37 };
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(ENOLCK)
}

fn lock(folder: &Path, file: &Path) -> anyhow::Result<File> {
    let failed = || format!("cannot lock {}", file.display());
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file);
    let mut opened = opened.with_context(failed)?;
    match opened.try_lock() {
        Ok(()) => {
            let now = Timestamp::now().to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
            let holder = format!("process id {}, since {now}", std::process::id());
            opened.set_len(0).and_then(|()| opened.write_all(holder.as_bytes())).with_context(failed)?;
            Ok(opened)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // an unreadable holder is left out
            let _ = opened.rewind().and_then(|()| opened.take(200).read_to_string(&mut holder));
            let with = if holder.is_empty() { String::new() } else { format!(" with {holder}") };
            bail!("{} is in use by quiz-etl{with}; wait for it or choose another --out", folder.display())
        }
        // some network file systems do not support locks
        Err(TryLockError::Error(error)) if is_lock_unsupported(&error) => Ok(opened),
        Err(TryLockError::Error(error)) => Err(error).with_context(failed),
    }
}
