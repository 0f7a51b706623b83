//! Tells a file's format by its first bytes, whatever its name says.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::MultiGzDecoder;

/// Bytes that tell a format.
const HEAD: usize = 9;
/// `gzip` with deflate, the only method that it has.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// What `mongodump --archive` writes.
const ARCHIVE: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// BSON, or at least none of the others.
    Plain,
    Gzip,
    Archive,
    Zstd,
}

impl Format {
    pub fn of(file: &File) -> Self {
        let mut head = [0; HEAD];
        let mut read = 0;
        while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, read as u64) {
                Ok(more) if more > 0 => read += more,
                _ => break,
            }
        }
        Self::of_head(head.get(..read).unwrap_or_default())
    }

    /// What is in a gzipped file.
    pub fn within(file: &File) -> Self {
        let mut head = Vec::new();
        // a gzip that breaks off tells what it can
        drop(MultiGzDecoder::new(BufReader::new(file)).take(HEAD as u64).read_to_end(&mut head));
        Self::of_head(&head)
    }

    fn of_head(head: &[u8]) -> Self {
        // a document of 559,903 bytes begins like a gzip, and goes on with its `_id`
        if head.starts_with(&GZIP) && head.get(5..9) != Some(b"_id\0") {
            Self::Gzip
        } else if head.starts_with(&ARCHIVE) {
            Self::Archive
        } else if head.starts_with(&ZSTD) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }

    /// Why a file of this format is no collection, and what to do.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Gzip => None,
            Self::Archive => Some("it is an archive of mongodump; run mongodump without --archive"),
            Self::Zstd => Some("it is compressed with zstd; unpack it with zstd -d first"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn document_of_a_gzip_s_length_is_bson() {
        assert_eq!(Format::of_head(b"\x1f\x8b\x08\0\x02_id\0"), Format::Plain);
        assert_eq!(Format::of_head(b"\x1f\x8b\x08\0\0\0\0\0\0"), Format::Gzip);
        assert_eq!(Format::of_head(b"\x1f\x8b"), Format::Plain);
        assert_eq!(Format::of_head(b""), Format::Plain);
    }
}
