use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Start time of a process in clock ticks since boot: 0 where the system has no value, -1 for a zombie.
pub fn started(pid: u32) -> i64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0 };
    // the second field is the command in parentheses, which may hold spaces and parentheses
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0 };
    let mut fields = fields.split_whitespace();
    if fields.next() == Some("Z") {
        return -1;
    }
    fields.nth(18).and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
}

/// Whether the process with this pid and start time still runs.
pub fn is_alive(pid: u32, start: i64) -> bool {
    if start != 0 {
        return started(pid) == start;
    }
    signal(pid, "0").is_ok()
}

/// Sends a process a signal, such as `INT`, with the shell's own `kill`, because the program `kill` is not installed on
/// every machine.
///
/// # Errors
/// Where the process does not exist or belongs to another user.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let kill = format!("kill -{name} {pid}");
    let sent =
        Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().context("cannot run sh")?;
    ensure!(sent.success(), "`{kill}` failed: is the process there?");
    Ok(())
}

/// The processes of this machine that were started with this value of an environment variable.
pub fn with_variable(name: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{name}={value}").into_bytes();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
    };
    pids.filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reused_pid_is_another_process() {
        let own = std::process::id();
        assert!(is_alive(own, started(own)));
        assert!(!is_alive(own, started(own) + 1));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn unreaped_process_is_not_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (pid, start) = (child.id(), started(child.id()));
        assert!(is_alive(pid, start));
        child.kill().unwrap();
        while started(pid) > 0 {
            std::thread::yield_now();
        }
        assert!(!is_alive(pid, start));
        child.wait().unwrap();
        assert!(!is_alive(pid, start));
    }
}
