use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum SampleError {
    #[error("bundled {file} is malformed: {what}")]
    Malformed { file: &'static str, what: String },
    #[error("bundled {file} is not CSV: {source}")]
    Csv { file: &'static str, source: csv::Error },
    #[error("{} could not be written: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("a document cannot be BSON: {0}")]
    Bson(#[from] bson::error::Error),
}
