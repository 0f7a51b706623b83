//! `status --watch`, with and without a terminal.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quiz_e2e::PATIENCE;
use quiz_events::Sink;
use quiz_stack::{Action, Gate, Stack, signal};
use quiz_sync_state::{LastRun, RunResult, SyncState};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::status::planted::*;

/// A running `quiz-etl status --watch`, read line by line.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that matches.
    async fn line(&mut self, matches: impl Fn(&str) -> bool) -> String {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the command ended");
                if matches(&line) {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("no such line")
    }

    /// Sends Ctrl-C and returns the lines after it.
    async fn interrupt(mut self) -> Vec<String> {
        signal(self.child.id().unwrap(), "INT").unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the command did not stop")
            .unwrap();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest.push(line);
        }
        rest
    }
}

#[tokio::test]
async fn watch_shows_changes_until_ctrl_c() {
    let planted = Planted::one_of_each().await;
    let mut watching = Watching::start(planted.command(&["--watch=0.2"]));
    watching.line(|line| line.contains("stop with Ctrl-C")).await;
    let counts = watching.line(|line| line.starts_with("5 test sessions")).await;
    assert!(counts.contains("1 running"), "{counts}");
    let parked = LastRun { result: Some(RunResult::Parked), finished_at: now(), ..LastRun::default() };
    let key = format!("D_{QUIZ}");
    planted.plant(&key, Sink::Reports, &SyncState { last: parked, ..SyncState::default() }).await;
    watching.line(|line| line.contains("2 parked") && !line.contains("running")).await;
    let rest = watching.interrupt().await.join("\n");
    assert!(!rest.contains('\u{1b}'), "{rest}");

    let mut watching = Watching::start(planted.command(&["--watch=0.2", "--json"]));
    for _ in 0..2 {
        let answer: Value = serde_json::from_str(&watching.line(|_| true).await).unwrap();
        assert_eq!(answer["counts"]["parked"], 2);
    }
    watching.interrupt().await;
}

#[tokio::test]
async fn failed_read_while_watching_is_retried() {
    let planted = Planted::one_of_each().await;
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let gate = Gate::start(&planted.endpoint, move |_| {
        let body = r#"{"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "no"}"#;
        if down.load(Ordering::SeqCst) {
            let content_type = "application/x-amz-json-1.0";
            return Action::Reply { status: 400, content_type, body: body.to_owned() };
        }
        Action::Forward
    });
    let gate = gate.unwrap();
    let mut watching = Watching::start(command(gate.url(), &planted.table, &["--watch=0.2"]));
    watching.line(|line| line.starts_with("5 test sessions")).await;
    is_down.store(true, Ordering::SeqCst);
    let error = watching.line(|line| line.contains("trying again")).await;
    assert!(error.contains("AccessDenied"), "{error}");
    // the last good read stays
    watching.line(|line| line.starts_with("5 test sessions")).await;
    is_down.store(false, Ordering::SeqCst);
    watching.line(|line| line.contains("stop with Ctrl-C")).await;
    watching.interrupt().await;
}

/// Runs a command on a terminal of 24 lines, types Ctrl-C after the command has shown the word, and prints the output and
/// the exit code.
const ON_A_TERMINAL: &str = r"
import fcntl, os, pty, struct, sys, termios
word, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    os.execvp(command[0], command)
seen, typed = b'', False
while True:
    try:
        read = os.read(terminal, 65536)
    except OSError:
        break
    seen += read
    if not read:
        break
    if word in seen and not typed:
        os.write(terminal, b'\x03')
        typed = True
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
print(f'\nexit {os.waitstatus_to_exitcode(status)}')
";

#[tokio::test]
async fn terminal_is_redrawn_in_place_and_restored() {
    let planted = Planted::one_of_each().await;
    for number in 0..60 {
        let requested = SyncState { requested_through: now() - MINUTE, ..SyncState::default() };
        planted.plant(&format!("Many_{number:02}_{QUIZ}"), Sink::Reports, &requested).await;
    }
    let status = planted.command(&["--watch=0.2"]);
    let mut terminal = Command::new(Stack::get().await.unwrap().python().unwrap());
    terminal.args(["-c", ON_A_TERMINAL, "65 test sessions"]);
    terminal.arg(status.as_std().get_program()).args(status.as_std().get_args());
    for (name, value) in status.as_std().get_envs() {
        terminal.env(name, value.unwrap());
    }
    terminal.env_remove("NO_COLOR").kill_on_drop(true);
    let ran =
        tokio::time::timeout(PATIENCE, terminal.output()).await.expect("the command did not stop").unwrap();
    let shown = String::from_utf8(ran.stdout).unwrap();
    let (second_screen, first_screen) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(shown.ends_with("\nexit 0\n"), "{shown}\n{:?}", String::from_utf8_lossy(&ran.stderr));
    assert!(shown.starts_with(second_screen) && shown.contains(first_screen), "{shown:?}");
    assert!(
        shown.contains("\u{1b}[31mparked\u{1b}[0m") && shown.contains("more: show them with --limit"),
        "{shown}"
    );
    let frame = shown.split("\u{1b}[H").nth(1).unwrap();
    assert!(frame.split("\r\n").count() <= 24, "{frame}");
    let sessions: BTreeSet<&str> =
        frame.split_whitespace().filter(|word| word.starts_with("Many_")).collect();
    assert!((5..20).contains(&sessions.len()), "{frame}");
}
