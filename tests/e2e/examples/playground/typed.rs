use anyhow::Result;
use mongodb::Database;
use tokio::sync::mpsc;

use crate::documents::set_broken;
use crate::say;

/// Runs each typed command, until the program ends.
pub async fn run_commands(database: &Database, tests: u32) -> Result<()> {
    let (sender, mut typed) = mpsc::unbounded_channel();
    // a separate thread, because a read of standard input cannot be cancelled
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = typed.recv().await {
        match line.trim() {
            "" => {}
            "break" => {
                let broken = set_broken(database, tests, true).await?.join(" and ");
                say(&format!("broken: {broken} can no longer be synced"));
            }
            "fix" => {
                let fixed = set_broken(database, tests, false).await?.join(" and ");
                say(&format!("fixed: {fixed} can be synced again"));
            }
            _ => say("type `break` or `fix`, or press Ctrl-C"),
        }
    }
    std::future::pending().await
}
