use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Shell lines that set the variables and add the command to the path.
pub fn exports(variables: &[(&str, String)], binaries: &Path) -> Result<String> {
    let mut lines = String::new();
    for (name, value) in variables {
        writeln!(lines, "export {name}={}", quoted(value))?;
    }
    let binaries = binaries.to_str().context("the path of the target directory is not Unicode")?;
    writeln!(lines, "export PATH={}:\"$PATH\"", quoted(binaries))?;
    Ok(lines)
}

/// Quotes a text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Writes a file and returns its full path.
pub fn write(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}
