use std::fs::File;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::paths::{resource, stack_dir, tail};
use crate::{process, venv};

/// Longer than the supervisor's own timeout for its servers.
const START_TIMEOUT: Duration = Duration::from_mins(7);
const LOG_LINES: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    Aws,
    Mongo,
    BigQuery,
}

impl ServerKind {
    pub const ALL: [Self; 3] = [Self::Aws, Self::Mongo, Self::BigQuery];

    /// The environment variable that names a server to use instead.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Aws => "AWS_ENDPOINT_URL",
            Self::Mongo => "MONGODB_URI",
            Self::BigQuery => "BIGQUERY_ENDPOINT",
        }
    }

    /// The server's name in the supervisor and its state file.
    fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Mongo => "mongo",
            Self::BigQuery => "bigquery",
        }
    }
}

/// The servers of one test runner, as its supervisor's state file describes them.
#[derive(Debug)]
pub struct Run {
    files: Files,
    state: Value,
    python: PathBuf,
    logs: PathBuf,
}

/// The runner of the tests, and the files that its supervisor and the test processes share.
#[derive(Debug, Clone)]
struct Files {
    runner_pid: u32,
    runner_started: i64,
    stack_dir: PathBuf,
    state: PathBuf,
    failed: PathBuf,
    logs: PathBuf,
}

impl Run {
    /// Finds the run of this process's parent, or starts one.
    pub fn join(needed: &[ServerKind]) -> Result<Self> {
        let files = Files::for_parent(needed)?;
        if let Some(run) = Self::find(&files)? {
            return Ok(run);
        }
        let lock = files.stack_dir.join("lock");
        let lock = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        lock.lock().context("cannot lock the stack")?;
        if let Some(run) = Self::find(&files)? {
            return Ok(run);
        }
        let python = venv::ensure(&files.stack_dir)?;
        let mut supervisor = files.spawn_supervisor(&python, needed)?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let ended = supervisor.try_wait().context("cannot watch the supervisor")?;
            if let Some(run) = Self::find(&files)? {
                return Ok(run);
            }
            if let Some(status) = ended {
                bail!("the stack's supervisor ended, {status}:\n{}", files.supervisor_log());
            }
            if Instant::now() >= deadline {
                bail!("the stack did not start within {START_TIMEOUT:?}:\n{}", files.supervisor_log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The running run, if any; an error where its servers failed.
    fn find(files: &Files) -> Result<Option<Self>> {
        if let Some(failure) = files.failure() {
            return Err(failure);
        }
        let Some(state) = read_json(&files.state) else { return Ok(None) };
        if state.get("runner_started").and_then(Value::as_i64) != Some(files.runner_started)
            || !supervisor_lives(&state)
        {
            return Ok(None);
        }
        let path = |name: &str| {
            let text = state.get(name).and_then(Value::as_str);
            text.map(PathBuf::from).with_context(|| format!("{} has no {name}", files.state.display()))
        };
        let (python, logs) = (path("python")?, path("logs")?);
        Ok(Some(Self { files: files.clone(), state, python, logs }))
    }

    /// Fails when a server or the supervisor has ended.
    pub fn check(&self) -> Result<()> {
        if let Some(failure) = self.files.failure() {
            return Err(failure);
        }
        if self.files.state.is_file() && supervisor_lives(&self.state) {
            return Ok(());
        }
        bail!("the stack's supervisor has ended:\n{}", self.files.supervisor_log())
    }

    pub fn url(&self, kind: ServerKind) -> Result<String> {
        let url = self.state.pointer(&format!("/servers/{}/url", kind.name())).and_then(Value::as_str);
        url.map(str::to_owned).with_context(|| format!("{} has no {kind:?}", self.files.state.display()))
    }

    pub fn python(&self) -> &Path {
        &self.python
    }

    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The run's own directory, which the supervisor removes at its end.
    pub fn dir(&self) -> PathBuf {
        self.files.state.with_extension("d")
    }
}

impl Files {
    fn for_parent(needed: &[ServerKind]) -> Result<Self> {
        let stack_dir = stack_dir()?;
        let runs = stack_dir.join("runs");
        let runner_pid = parent_id();
        let mut name = runner_pid.to_string();
        // a run with some servers from the environment differs from a run that starts all servers
        if needed.len() < ServerKind::ALL.len() {
            for kind in needed {
                name = format!("{name}-{}", kind.name());
            }
        }
        let logs = stack_dir.join("logs").join(&name);
        for dir in [&runs, &logs] {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let (state, failed) = (runs.join(format!("{name}.json")), runs.join(format!("{name}.failed")));
        let runner_started = process::started(runner_pid);
        Ok(Self { runner_pid, runner_started, stack_dir, state, failed, logs })
    }

    fn spawn_supervisor(&self, python: &Path, needed: &[ServerKind]) -> Result<Child> {
        let path = self.logs.join("supervisor.log");
        let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let errors = log.try_clone().context("cannot share the log")?;
        // the supervisor does not inherit the test's output: a pipe after `cargo test` would never end
        Command::new(python)
            .arg("-B")
            .arg(resource("supervisor.py"))
            .args(["--runner-pid", &self.runner_pid.to_string()])
            .args(["--runner-started", &self.runner_started.to_string()])
            .arg("--state")
            .arg(&self.state)
            .arg("--logs")
            .arg(&self.logs)
            .args(needed.iter().map(|kind| kind.name()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))
    }

    fn failure(&self) -> Option<anyhow::Error> {
        let failed = read_json(&self.failed)?;
        if failed.get("runner_started").and_then(Value::as_i64) != Some(self.runner_started) {
            return None;
        }
        let text = |name: &str| failed.get(name).and_then(Value::as_str).unwrap_or_default();
        let log = Path::new(text("log"));
        let (why, end) = (text("why"), tail(log, LOG_LINES));
        // only another runner or the removal of the file starts the servers again
        Some(anyhow!("{why} (noted in {}); the end of {}:\n{end}", self.failed.display(), log.display()))
    }

    fn supervisor_log(&self) -> String {
        tail(&self.logs.join("supervisor.log"), LOG_LINES)
    }
}

fn supervisor_lives(state: &Value) -> bool {
    let pid = state.get("supervisor_pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let started = state.get("supervisor_started").and_then(Value::as_i64);
    pid.zip(started).is_some_and(|(pid, started)| process::is_alive(pid, started))
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
