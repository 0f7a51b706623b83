//! Unpacks a gzip into a temporary file, and stops before the disk is full.
//!
//! Deflate packs zeros 1032 to 1. Session documents of 105 unanswered questions pack 11 to 1, and 116 to 1 where their
//! records have no ids (measured). So a file beyond 200 to 1 is no dump. Only the disk limits the size of a dump: a
//! part of the disk stays free for other writers.

use std::env;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::PathBuf;

use flate2::bufread::MultiGzDecoder;
use thiserror::Error;

const MIB: u64 = 1024 * 1024;

/// When unpacking stops.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes between two checks.
    pub step: u64,
    /// Unpacked bytes from which on the ratio is checked.
    pub judged_from: u64,
    /// The highest ratio of unpacked bytes to packed bytes.
    pub most_ratio: u64,
    /// Bytes that stay free on the disk, at most a twentieth of the disk.
    pub reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { step: 16 * MIB, judged_from: 64 * MIB, most_ratio: 200, reserve: 256 * MIB }
    }
}

/// The disk of a file: sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub free: u64,
    pub total: u64,
}

#[derive(Debug, Error)]
pub(super) enum UnpackError {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(
        "it unpacks {ratio} to 1, which no dump does; check where the file is from, then run mongodump again"
    )]
    Ratio { ratio: u64 },
    #[error(
        "{} has no room for its unpacked copy: {} MiB are written and {} MiB are free; set TMPDIR to a folder on a larger disk",
        folder.display(), written / MIB, free / MIB
    )]
    NoSpace { folder: PathBuf, written: u64, free: u64 },
}

/// Unpacks up to the first damaged byte. Returns the unpacked file, with the reason where the gzip is damaged.
pub(super) fn unpack(
    packed: File,
    limits: Limits,
    space: impl Fn(&File) -> io::Result<Space>,
) -> Result<(File, Option<io::Error>), UnpackError> {
    let mut file = tempfile::tempfile()?;
    let mut packed = MultiGzDecoder::new(BufReader::new(packed));
    let mut bytes = vec![0; 64 * 1024];
    let (mut written, mut next_check) = (0, limits.step);
    let no_space = |written, free| UnpackError::NoSpace { folder: env::temp_dir(), written, free };
    loop {
        let read = match packed.read(&mut bytes) {
            Ok(0) => return Ok((file, None)),
            Ok(read) => read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Ok((file, Some(cause))),
        };
        file.write_all(bytes.get(..read).unwrap_or_default()).map_err(|cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => no_space(written, 0),
            _ => UnpackError::Disk(cause),
        })?;
        written += read as u64;
        if written < next_check {
            continue;
        }
        next_check = written + limits.step;
        let ratio = written / packed.get_mut().stream_position()?.max(1);
        if written > limits.judged_from && ratio > limits.most_ratio {
            return Err(UnpackError::Ratio { ratio });
        }
        // some file systems do not report their size; a full disk then fails the write
        let Ok(Space { free, total }) = space(&file) else { continue };
        if total > 0 && free < limits.step + limits.reserve.min(total / 20) {
            return Err(no_space(written, free));
        }
    }
}

/// The space of the file's disk that this user may fill.
pub(super) fn space(file: &File) -> io::Result<Space> {
    let disk = rustix::fs::fstatvfs(file)?;
    Ok(Space {
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        total: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs::File;
    use std::io::{Seek, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::{Limits, Space, UnpackError, space, unpack};

    const SMALL: Limits =
        Limits { step: 64 * 1024, judged_from: 256 * 1024, most_ratio: 200, reserve: 1_000 };
    const ROOM: Space = Space { free: 1 << 40, total: 1 << 41 };

    fn gzip(bytes: &[u8]) -> File {
        let mut encoder = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::best());
        encoder.write_all(bytes).unwrap();
        let mut file = encoder.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    fn documents(count: u32) -> Vec<u8> {
        (0..count)
            .flat_map(|at| format!("document {at} of a student with the answers {}", at % 7).into_bytes())
            .collect()
    }

    #[test]
    fn gzip_bomb_is_refused_before_its_end() {
        let bomb = || gzip(&vec![0; 8 * 1024 * 1024]);
        let error = unpack(bomb(), SMALL, |_| Ok(ROOM)).unwrap_err();
        assert!(matches!(error, UnpackError::Ratio { ratio: 201.. }), "{error}");
        // with the production limits the file is too small for the ratio check
        assert!(unpack(bomb(), Limits::default(), |_| Ok(ROOM)).is_ok());
    }

    #[test]
    fn large_dump_is_unpacked_whole() {
        let all = documents(100_000);
        let (file, broken) = unpack(gzip(&all), SMALL, |_| Ok(ROOM)).unwrap();
        assert_eq!((file.metadata().unwrap().len(), broken.is_none()), (all.len() as u64, true));
    }

    #[test]
    fn unpacking_stops_before_the_disk_is_full() {
        let all = documents(100_000);
        let left = |file: &File| {
            let written = file.metadata()?.len();
            Ok(Space { free: 1_000_000_u64.saturating_sub(written), total: 1_000_000 })
        };
        let error = unpack(gzip(&all), SMALL, left).unwrap_err();
        let UnpackError::NoSpace { written, free, .. } = &error else { panic!("{error}") };
        assert!(*written < 1_000_000 && *free >= 1_000, "{error}");
        let said = error.to_string();
        assert!(said.contains(&std::env::temp_dir().display().to_string()), "{said}");
        assert!(said.ends_with("set TMPDIR to a folder on a larger disk"), "{said}");
    }

    #[test]
    fn space_of_a_real_disk_is_known() {
        let space = space(&tempfile::tempfile().unwrap()).unwrap();
        assert!(space.free <= space.total && space.total > 0);
    }
}
