use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Builds the functions and the command with the profile of this program, all at once, so that no library is compiled twice
/// with other features. Returns the folder of the binaries.
pub fn binaries() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("cannot tell the path of this program")?;
    let folder = executable.ancestors().nth(2).context("this program is not in a target directory")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--profile", profile]);
    build.args(["--workspace", "--bins"]);
    let built = build.status().with_context(|| format!("cannot run {}", build.get_program().display()))?;
    ensure!(built.success(), "the functions could not be built: see above");
    Ok(folder.to_owned())
}
