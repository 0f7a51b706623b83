//! A playground for `quiz-etl`: the local stack with the deployed pipeline and some test sessions to sync. Everything runs
//! on this machine, and Ctrl-C removes everything. `docs/PLAYGROUND.md` shows the first steps.

mod build;
mod discord;
mod documents;
mod environment;
mod typed;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use quiz_etl::ui::{Interrupt, counted};
use quiz_stack::{Deployment, DeploymentOptions, Release, Stack, insert, unique};
use tokio::process::Command;

use documents::Content;

/// Start the local stack with the deployed pipeline, and run until Ctrl-C.
#[derive(Debug, Parser)]
struct Options {
    /// Number of test sessions
    #[arg(long, default_value_t = 40)]
    tests: u32,
    /// Number of students in each test session
    #[arg(long, default_value_t = 20)]
    students: u32,
    /// Folder for env.sh and tests.jsonl
    #[arg(long, default_value = "target/playground")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let interrupt = Interrupt::listen();
    tokio::select! {
        () = interrupt.raised() => Ok(()),
        ended = play(&options) => ended,
    }
}

async fn play(options: &Options) -> Result<()> {
    say("building the functions and the command");
    let binaries = tokio::task::spawn_blocking(build::binaries).await??;
    say("starting the local stack (the first time it installs its servers, which takes a minute)");
    let stack = Stack::get().await?;
    let name = unique("playground");
    say(&format!(
        "storing {} of {} each",
        counted(options.tests, "test"),
        counted(options.students, "student")
    ));
    let content = Content::of(options.tests, options.students);
    let database = stack.mongodb().await?.database(&name);
    documents::index(&database).await?;
    insert(&database, "quizzes", content.quizzes).await?;
    insert(&database, "questions", content.questions).await?;
    for sessions in content.sessions {
        insert(&database, "sessions", sessions).await?;
    }
    say("deploying the pipeline");
    let parameters = [("SyncIntervalSeconds", "10")];
    let release = Release::of_workspace(&binaries);
    let deployment = DeploymentOptions { release, parameters: &parameters, consumes: true };
    let deployed = Deployment::create(stack, &name, &deployment).await?;
    say("syncing the first test, which makes the warehouse's tables");
    let mut sync = Command::new(binaries.join("quiz-etl"));
    sync.args(["sync", &documents::session_id(0), "--wait"]).envs(deployed.variables());
    ensure!(sync.kill_on_drop(true).status().await?.success(), "the first test was not synced: see above");
    let folder = &options.out;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let events = content.events.join("\n") + "\n";
    let tests = environment::write(folder, "tests.jsonl", &events)?;
    let mut variables = deployed.variables();
    variables.push(("PLAYGROUND_TESTS", tests.display().to_string()));
    let exports = environment::exports(&variables, &binaries)?;
    let script = environment::write(folder, "env.sh", &exports)?;
    say(&format!(
        "{exports}\nready: in another terminal, source {}\nhere, `break` breaks two test sessions, `fix` repairs them, and Ctrl-C ends it",
        script.display()
    ));
    tokio::try_join!(
        discord::print_messages(&deployed.discord),
        typed::run_commands(&database, options.tests)
    )?;
    Ok(())
}

/// Prints a line for the user.
#[expect(clippy::print_stdout, reason = "the program talks to its user")]
fn say(text: &str) {
    println!("{text}");
}
