use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder `stack` in cargo's target directory, found from the running test executable.
pub fn stack_dir() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("cannot find the path of the test executable")?;
    let environment = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target_dir(&executable, environment).join("stack"))
}

fn target_dir(executable: &Path, environment: Option<PathBuf>) -> PathBuf {
    let tagged = executable.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    let above_deps =
        || executable.ancestors().find(|dir| dir.ends_with("deps")).and_then(|deps| deps.ancestors().nth(2));
    tagged
        .or_else(above_deps)
        .map(Path::to_owned)
        .or_else(|| environment.filter(|dir| dir.is_absolute()))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}

/// A file of this crate's folder `servers`.
pub fn resource(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
}

/// The last `lines` lines of a file, or why there are none.
pub fn tail(path: &Path, lines: usize) -> String {
    match std::fs::read(path) {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes), lines),
        Err(error) => format!("(cannot read {}: {error})", path.display()),
    }
}

pub fn last_lines(text: &str, lines: usize) -> String {
    let mut last: Vec<&str> = text.trim_end().lines().rev().take(lines).collect();
    last.reverse();
    last.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_directory_follows_the_executable() {
        let root = tempfile::tempdir().unwrap();
        let deps = root.path().join("out/x86_64-unknown-linux-gnu/debug/deps");
        std::fs::create_dir_all(&deps).unwrap();
        let executable = deps.join("stack-0123");
        assert_eq!(target_dir(&executable, None), root.path().join("out/x86_64-unknown-linux-gnu"));
        std::fs::write(root.path().join("out/CACHEDIR.TAG"), "").unwrap();
        assert_eq!(target_dir(&executable, None), root.path().join("out"));
    }

    #[test]
    fn executable_elsewhere_needs_the_environment() {
        let elsewhere = Path::new("/nowhere/stack");
        assert_eq!(target_dir(elsewhere, Some("/built".into())), Path::new("/built"));
        assert!(target_dir(elsewhere, Some("relative".into())).ends_with("stack/../../target"));
    }

    #[test]
    fn tail_gives_last_lines_in_order() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
    }
}
