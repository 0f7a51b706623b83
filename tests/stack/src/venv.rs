use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::interpreter::{self, Interpreter};
use crate::paths::{last_lines, resource, stack_dir};

/// The file with the Python version; an environment without this file is incomplete.
const STAMP: &str = "finished";

/// Python packages in one environment; packages of different sets may conflict.
#[derive(Debug)]
struct Packages {
    /// The environment's name begins with this.
    name: &'static str,
    /// A file of the folder `stack`.
    requirements: &'static str,
    /// A Python program that completes the environment, with the environment's folder `home` as HOME.
    completion: &'static str,
}

/// The servers of the stack. The completion installs the extensions of DuckDB in HOME, where local-bigquery finds them
/// without a network.
const SERVERS: Packages = Packages {
    name: "venv",
    requirements: "requirements.txt",
    completion: "from duckdb_extensions import import_extension
for name in ('icu', 'ducklake', 'spatial'): import_extension(name)",
};

/// The command `aws`, which the scripts in `deploy/` call. The completion makes the folder `commands` for PATH, because
/// the script in `bin` names the interpreter by its path before the rename.
const DEPLOYMENT: Packages = Packages {
    name: "deployment",
    requirements: "deployment.txt",
    completion: r#"import pathlib, sys
commands = pathlib.Path(sys.prefix, 'commands')
commands.mkdir()
command = commands / 'aws'
command.write_text('#!/bin/sh\nbin=${0%/*}/../bin\nexec "$bin/python" "$bin/aws" "$@"\n')
command.chmod(0o755)"#,
};

/// The Python of the environment that holds the servers. The caller holds the stack's lock.
///
/// # Errors
/// No fitting interpreter, or pip failing: with its last lines.
pub fn ensure(stack_dir: &Path) -> Result<PathBuf> {
    Ok(environment(stack_dir, &SERVERS)?.join("bin/python"))
}

/// A folder with the command `aws`, for PATH; the first call installs it (about a minute).
///
/// # Errors
/// No fitting interpreter, or pip failing: with its last lines.
pub fn deployment_commands() -> Result<PathBuf> {
    let stack_dir = stack_dir()?;
    std::fs::create_dir_all(&stack_dir).with_context(|| format!("cannot create {}", stack_dir.display()))?;
    let path = stack_dir.join("lock-deployment");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(environment(&stack_dir, &DEPLOYMENT)?.join("commands"))
}

/// The virtual environment with the packages; the first call makes the environment (about a minute). Its folder `home`
/// holds the files that a server expects in HOME.
///
/// The caller holds a lock. The environment is made under another name and then renamed. The scripts in `bin` keep the
/// old name in their first line, so run them as `python bin/script`.
fn environment(stack_dir: &Path, packages: &Packages) -> Result<PathBuf> {
    let requirements = resource(packages.requirements);
    let wanted =
        std::fs::read(&requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let base = interpreter::find()?;
    let name = format!("{}-{:016x}", packages.name, fingerprint(&wanted, packages.completion, &base.version));
    let dir = stack_dir.join(&name);
    if !(dir.join(STAMP).is_file() && dir.join("bin/python").is_file()) {
        remove_interrupted(stack_dir, &name);
        let unfinished = stack_dir.join(format!("{name}.{}", std::process::id()));
        make(&base, &unfinished, &requirements, packages.completion)?;
        std::fs::rename(&unfinished, &dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    Ok(dir)
}

/// Removes unfinished environments. A pip of a killed set-up may still write, so files that cannot be removed stay.
fn remove_interrupted(stack_dir: &Path, name: &str) {
    for entry in std::fs::read_dir(stack_dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn fingerprint(requirements: &[u8], completion: &str, version: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (requirements, completion, version).hash(&mut hasher);
    hasher.finish()
}

fn make(base: &Interpreter, dir: &Path, requirements: &Path, completion: &str) -> Result<()> {
    run(Command::new(&base.program).args(["-m", "venv"]).arg(dir))?;
    let pip =
        ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar=off", "-r"];
    let (python, home) = (dir.join("bin/python"), dir.join("home"));
    run(Command::new(&python).args(pip).arg(requirements))?;
    std::fs::create_dir(&home).with_context(|| format!("cannot create {}", home.display()))?;
    run(Command::new(&python).args(["-c", completion]).env("HOME", &home))?;
    std::fs::write(dir.join(STAMP), &base.version).context("cannot write the stamp")
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = last_lines(&String::from_utf8_lossy(&said), 15);
        bail!("{command:?} failed, {}:\n{said}", output.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_shows_its_last_lines() {
        let error =
            run(Command::new("sh").args(["-c", "seq 100; echo no such wheel >&2; exit 3"])).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("no such wheel") && error.contains("100") && !error.contains("\n50\n"),
            "{error}"
        );
    }

    #[test]
    fn environment_depends_on_python_and_requirements() {
        let one = fingerprint(b"a==1", "", "3.13.0");
        assert_eq!(one, fingerprint(b"a==1", "", "3.13.0"));
        assert_ne!(one, fingerprint(b"a==2", "", "3.13.0"));
        assert_ne!(one, fingerprint(b"a==1", "import b", "3.13.0"));
        assert_ne!(one, fingerprint(b"a==1", "", "3.14.0"));
    }
}
