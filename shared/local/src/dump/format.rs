//! Recognizes a file's format by its first bytes, not by its name.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::MultiGzDecoder;

/// Bytes needed to recognize a format.
const HEAD: usize = 9;
/// `gzip` with deflate, its only method.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// The first bytes of a `mongodump --archive` file.
const ARCHIVE: [u8; 4] = [0x6d, 0xe2, 0x99, 0x81];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// BSON, or an unknown format.
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
        Self::from_head(head.get(..read).unwrap_or_default())
    }

    /// The format of a gzipped file's content.
    pub fn within(file: &File) -> Self {
        let mut head = Vec::new();
        // a truncated gzip may still hold enough bytes
        drop(MultiGzDecoder::new(BufReader::new(file)).take(HEAD as u64).read_to_end(&mut head));
        Self::from_head(&head)
    }

    fn from_head(head: &[u8]) -> Self {
        // a document of 559,903 bytes begins like a gzip, but continues with its `_id`
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

    /// Why a file of this format is no collection, with the next step.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Gzip => None,
            Self::Archive => Some("the file is an archive of mongodump; run mongodump without --archive"),
            Self::Zstd => Some("the file is compressed with zstd; unpack it with zstd -d first"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn document_with_gzip_like_length_is_bson() {
        assert_eq!(Format::from_head(b"\x1f\x8b\x08\0\x02_id\0"), Format::Plain);
        assert_eq!(Format::from_head(b"\x1f\x8b\x08\0\0\0\0\0\0"), Format::Gzip);
        assert_eq!(Format::from_head(b"\x1f\x8b"), Format::Plain);
        assert_eq!(Format::from_head(b""), Format::Plain);
    }
}
