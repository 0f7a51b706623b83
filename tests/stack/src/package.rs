use std::io::{Cursor, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::unique;

/// A deployment package that starts `binary` from a hard link (or copy) in `dir`, so that the function survives a
/// rebuild. The package holds a short script instead of the binary: packing the binary takes seconds, and memory of
/// several times its size.
pub fn launcher(binary: &Path, dir: &Path) -> Result<Vec<u8>> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let kept = dir.join(unique("bootstrap"));
    if std::fs::hard_link(binary, &kept).is_err() {
        std::fs::copy(binary, &kept).with_context(|| format!("cannot copy {}", binary.display()))?;
    }
    let kept =
        kept.to_str().context("the path of the target directory is not Unicode")?.replace('\'', r"'\''");
    archive(format!("#!/bin/sh\nexec '{kept}'\n").as_bytes())
}

/// A deployment package with `binary`, without debug information where `strip` is installed.
pub fn complete(binary: &Path) -> Result<Vec<u8>> {
    let stripped = tempfile::NamedTempFile::new().context("no temporary file")?;
    let strip = Command::new("strip")
        .arg("-o")
        .arg(stripped.path())
        .arg(binary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // strip fails for a script, which is small
    let source = if strip.is_ok_and(|status| status.success()) { stripped.path() } else { binary };
    archive(&std::fs::read(source).with_context(|| format!("cannot read {}", binary.display()))?)
}

/// Packs the same program to the same bytes, with the lowest compression, which is faster than sending more bytes.
fn archive(program: &[u8]) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .unix_permissions(0o755);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("bootstrap", options)?;
    archive.write_all(program)?;
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn bootstrap(archive: Vec<u8>) -> Vec<u8> {
        let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        assert_eq!(archive.len(), 1);
        let mut file = archive.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn a_complete_package_holds_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "#!/bin/sh\nexit 0\n").unwrap();
        assert_eq!(bootstrap(complete(&script).unwrap()), b"#!/bin/sh\nexit 0\n");
        let binary = std::env::current_exe().unwrap();
        let held = bootstrap(complete(&binary).unwrap());
        assert!(held.starts_with(&std::fs::read(&binary).unwrap()[..4]));
    }

    #[test]
    fn launcher_starts_program_after_its_deletion() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::copy("/bin/echo", &program).unwrap();
        let archive = launcher(&program, &dir.path().join("it's here")).unwrap();
        std::fs::remove_file(&program).unwrap();
        let script = String::from_utf8(bootstrap(archive)).unwrap();
        let started = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(started.status.success() && started.stdout == b"\n", "{started:?}");
    }
}
