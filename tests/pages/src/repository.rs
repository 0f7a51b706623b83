use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::cargo::Package;

/// Folders of what was built or tried here.
const NOT_OURS: [&str; 3] = [".git", "target", "demo"];

/// The files of this repository, by their paths from its root, with `/` between the parts.
pub struct Repository {
    root: PathBuf,
    files: BTreeSet<String>,
}

/// A Markdown file.
pub struct Page {
    pub path: String,
    pub text: String,
}

impl Repository {
    /// # Errors
    /// A folder that cannot be read.
    pub fn read() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut repository = Self { root, files: BTreeSet::new() };
        repository.add("")?;
        Ok(repository)
    }

    fn add(&mut self, folder: &str) -> io::Result<()> {
        for entry in self.root.join(folder).read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if !entry.file_type()?.is_dir() {
                self.files.insert(path);
            } else if !NOT_OURS.contains(&name.as_str()) {
                self.add(&path)?;
            }
        }
        Ok(())
    }

    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The files in a folder and below it.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = &str> {
        let folder = format!("{folder}/");
        self.files().filter(move |file| file.starts_with(&folder))
    }

    /// Whether there is such a file or folder.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() || self.files.contains(path) || self.below(path).next().is_some()
    }

    /// # Errors
    /// A file that is not there, or is no text.
    pub fn text(&self, path: &str) -> io::Result<String> {
        let text = std::fs::read_to_string(self.root.join(path));
        text.map_err(|error| io::Error::new(error.kind(), format!("cannot read {path}: {error}")))
    }

    /// # Errors
    /// A page that is no text.
    pub fn pages(&self) -> io::Result<Vec<Page>> {
        let pages = self.files().filter(|file| ending(file) == "md");
        pages.map(|path| Ok(Page { path: path.to_owned(), text: self.text(path)? })).collect()
    }

    /// # Errors
    /// A manifest that is no text.
    pub fn packages(&self) -> io::Result<Vec<Package>> {
        let mut packages = Vec::new();
        for manifest in self.files().filter(|file| file.ends_with("/Cargo.toml")) {
            let folder = manifest.trim_end_matches("/Cargo.toml");
            packages.extend(Package::read(folder, &self.text(manifest)?));
        }
        Ok(packages)
    }
}

/// What a file's name ends with, after its last dot.
#[must_use]
pub fn ending(path: &str) -> &str {
    path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending)
}

/// The path from the root of what a page in `folder` calls `path`; `None` where that is outside of the repository.
pub(crate) fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

impl Page {
    /// The path from the root of what this page calls `path`; `None` where that is outside of the repository.
    #[must_use]
    pub fn resolve(&self, path: &str) -> Option<String> {
        resolved(self.path.rsplit_once('/').map_or("", |(folder, _)| folder), path)
    }
}

#[cfg(test)]
mod tests {
    use super::{ending, resolved};

    #[test]
    fn relative_paths_are_resolved_within_the_repository() {
        assert_eq!(resolved("docs/decisions", "../../deploy/copy").as_deref(), Some("deploy/copy"));
        assert_eq!(resolved("", "./README.md").as_deref(), Some("README.md"));
        assert_eq!(resolved("docs", "../../other"), None);
    }

    #[test]
    fn only_a_name_has_an_ending() {
        assert_eq!(["a/b.tar.gz", "a.b/c", ".ci/run"].map(ending), ["gz", "", ""]);
    }
}
