use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// The unit of CPU time in `/proc`. It does not depend on the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// The resource usage of a process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Elapsed time.
    pub seconds: f64,
    /// CPU time of all threads, in user and kernel mode.
    pub cpu_seconds: f64,
    /// Peak memory in bytes since the start of the process.
    pub peak: u64,
}

impl Usage {
    /// Measures the usage of this process during `work`. `peak` counts from the start of the process.
    ///
    /// # Errors
    /// The errors of `work`, or if `/proc` cannot be read.
    pub async fn measure<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Self)> {
        let (began, before) = (Instant::now(), cpu()?);
        let done = work.await?;
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu()?.saturating_sub(before));
        Ok((done, Self { seconds, cpu_seconds: cpu.as_secs_f64(), peak: peak()? }))
    }

    /// The share of the elapsed time in which the process did not compute, 0 to 1.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        (1.0 - self.cpu_seconds / self.seconds).max(0.0)
    }
}

/// Runs this executable again with other arguments and reads the JSON that it prints. So the memory of a process is the
/// memory of one measurement.
///
/// # Errors
/// If the process fails or prints no such JSON.
pub fn run_in_process<T: for<'a> Deserialize<'a>>(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<T> {
    let executable = std::env::current_exe().context("cannot find the path of this executable")?;
    let child = Command::new(executable).args(arguments).stderr(Stdio::inherit()).output();
    let child = child.context("cannot run this executable again")?;
    ensure!(child.status.success(), "the measured process failed, {}", child.status);
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// Bytes in MB; 1 MB is 1,000,000 bytes.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("cannot parse /proc/self/stat")?;
    // user and system time are the 14th and 15th field; two fields are before the bracket
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<_, _>>().context("cannot parse /proc/self/stat")?;
    Ok(TICK * ticks)
}

fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kilobytes: u64 = kilobytes.context("/proc/self/status has no VmHWM")?.trim().parse()?;
    Ok(kilobytes * 1024)
}
