use std::path::PathBuf;

use thiserror::Error;

/// Sample documents could not be made or written.
#[derive(Debug, Error)]
pub enum SampleError {
    #[error("cannot read the bundled {file}: {what}")]
    Malformed { file: &'static str, what: String },
    #[error("cannot read the bundled {file} as CSV: {source}")]
    Csv { file: &'static str, source: csv::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot encode a document as BSON: {0}")]
    Bson(#[from] bson::error::Error),
}
