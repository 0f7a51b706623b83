use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Linux counts CPU time in hundredths of a second, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// What a process used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Usage {
    pub seconds: f64,
    /// Of all its threads, in the kernel, too.
    pub cpu_seconds: f64,
    /// Bytes that it held at once, at the most, since it began.
    pub peak: u64,
}

impl Usage {
    /// What this process uses for `work`; `peak` counts from the process's start.
    ///
    /// # Errors
    /// Of `work`, or where the system does not tell.
    pub async fn of<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Self)> {
        let (began, before) = (Instant::now(), cpu()?);
        let done = work.await?;
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu()?.saturating_sub(before));
        Ok((done, Self { seconds, cpu_seconds: cpu.as_secs_f64(), peak: peak()? }))
    }

    /// The part of the time in which the process did not compute.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        (1.0 - self.cpu_seconds / self.seconds).max(0.0)
    }
}

/// Runs this executable again with other arguments, so that its memory is that of one measurement alone, and
/// reads the JSON that it prints.
///
/// # Errors
/// Where it fails, or prints something else.
pub fn in_a_process<T: for<'a> Deserialize<'a>>(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<T> {
    let executable = std::env::current_exe().context("cannot tell this executable's path")?;
    let child = Command::new(executable).args(arguments).stderr(Stdio::inherit()).output();
    let child = child.context("cannot run this executable again")?;
    ensure!(child.status.success(), "the measured process failed, {}", child.status);
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// As sizes are told here: 1 MB is 1,000,000 bytes.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("the CPU time is not told")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has another form")?;
    // user and system time are the 14th and 15th field, of which two are before the bracket
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<_, _>>().context("/proc/self/stat has another form")?;
    Ok(TICK * ticks)
}

fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("the memory is not told")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kilobytes: u64 = kilobytes.context("VmHWM is not told")?.trim().parse()?;
    Ok(kilobytes * 1024)
}
