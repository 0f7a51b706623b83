use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

const OLDEST: (u32, u32) = (3, 13);
const PROBE: &str = "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3])";

/// A Python that can make virtual environments.
#[derive(Debug)]
pub struct Interpreter {
    pub program: PathBuf,
    pub version: String,
}

/// The first suitable interpreter of `$PYTHON`, `python3.14`, `python3.13`, `python3` and pyenv's versions.
///
/// # Errors
/// Without a suitable interpreter: the packages to install.
pub fn find() -> Result<Interpreter> {
    let named = std::env::var_os("PYTHON").filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = ["python3.14", "python3.13", "python3"].map(PathBuf::from);
    let pyenv = std::iter::once_with(pyenv_versions).flatten();
    find_among(named.into_iter().chain(usual).chain(pyenv))
}

fn find_among(candidates: impl Iterator<Item = PathBuf>) -> Result<Interpreter> {
    for program in candidates {
        if let Some(version) = version(&program).filter(|version| fits(version)) {
            return Ok(Interpreter { program, version });
        }
    }
    bail!(
        "the local test stack needs Python 3.13 or newer with venv: install it (for example `pyenv install 3.13`) or \
         let the environment variable PYTHON name its executable"
    )
}

/// Runs the interpreter and reads its output, because a shim can exist and fail.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).args(["-c", PROBE]).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn fits(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST)
}

fn pyenv_versions() -> Vec<PathBuf> {
    let printed = Command::new("pyenv").arg("root").stdin(Stdio::null()).output().ok();
    let printed = printed.filter(|output| output.status.success());
    let printed = printed.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let Some(root) = printed.or_else(|| std::env::home_dir().map(|home| home.join(".pyenv"))) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(root.join("versions")) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().join("bin/python")).collect();
    found.retain(|program| program.is_file());
    found.sort();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn no_fitting_interpreter_is_one_clear_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let broken_shim = script(dir.path(), "shim", "#!/bin/sh\necho 3.13.0\nexit 127\n");
        let too_old = script(dir.path(), "old", "#!/bin/sh\necho 3.12.9\n");
        let error = find_among([missing, broken_shim, too_old].into_iter()).unwrap_err().to_string();
        assert!(error.contains("needs Python 3.13 or newer"), "{error}");
        assert!(error.contains("install it") && error.contains("PYTHON"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn first_fitting_interpreter_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let too_old = script(dir.path(), "old", "#!/bin/sh\necho 3.9.18\n");
        let fitting = script(dir.path(), "new", "#!/bin/sh\necho 3.14.2\n");
        let found = find_among([too_old, fitting.clone()].into_iter()).unwrap();
        assert_eq!((found.program, found.version.as_str()), (fitting, "3.14.2"));
    }
}
