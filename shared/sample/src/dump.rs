use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bson::Document;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{SampleDocuments, SampleError};

/// Writes the documents as `mongodump` does: one file of concatenated BSON for each collection. With `gzip`, writes as
/// `mongodump --gzip` does. Creates `folder` where it is missing.
///
/// # Errors
/// [`SampleError::Write`] where a file cannot be written.
pub fn write_dump(folder: &Path, documents: &SampleDocuments, gzip: bool) -> Result<(), SampleError> {
    fs::create_dir_all(folder).map_err(|source| SampleError::Write { path: folder.to_owned(), source })?;
    let collections = [
        ("quizzes", &documents.quizzes),
        ("questions", &documents.questions),
        ("sessions", &documents.sessions),
    ];
    for (collection, documents) in collections {
        let bytes = concatenate(documents)?;
        let name = if gzip { format!("{collection}.bson.gz") } else { format!("{collection}.bson") };
        let path = folder.join(name);
        write(&path, &bytes, gzip).map_err(|source| SampleError::Write { path, source })?;
    }
    Ok(())
}

fn concatenate(documents: &[Document]) -> Result<Vec<u8>, SampleError> {
    let mut bytes = Vec::new();
    for document in documents {
        document.to_writer(&mut bytes)?;
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8], gzip: bool) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    if gzip {
        let mut encoder = GzEncoder::new(file, Compression::default());
        encoder.write_all(bytes)?;
        file = encoder.finish()?;
    } else {
        file.write_all(bytes)?;
    }
    file.flush()
}
