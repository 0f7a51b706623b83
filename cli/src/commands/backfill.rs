//! Runs `sync` and `backfill`, or their dry runs.

use std::sync::Arc;

use anyhow::bail;

use super::local::run_embedded;
use crate::backfill::{Against, BackfillArgs, SyncArgs, Trial, TrialArgs};
use crate::output_folder::OutputFolder;
use crate::ui::{Done, Interrupt, Terminal};

/// Requests syncs of the named test sessions, or predicts them with `--dry-run`.
pub async fn sync(args: &SyncArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let interrupt = Interrupt::listen();
    if args.trial.dry_run {
        return dry_run(Trial::for_sync(args).await?, &args.trial, terminal, &interrupt).await;
    }
    crate::backfill::sync(args, terminal, &interrupt).await
}

/// Requests syncs of many test sessions, or predicts them with `--dry-run`.
pub async fn backfill(args: &BackfillArgs, terminal: Terminal) -> anyhow::Result<Done> {
    let interrupt = Interrupt::listen();
    if args.trial.dry_run {
        return dry_run(Trial::for_backfill(args).await?, &args.trial, terminal, &interrupt).await;
    }
    crate::backfill::backfill(args, terminal, &interrupt).await
}

async fn dry_run(
    trial: Trial,
    args: &TrialArgs,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<Done> {
    match args.against {
        None => Ok(trial.run(terminal, interrupt).await),
        Some(Against::Local) => {
            let folder = OutputFolder::claim(&args.out)?;
            let (source, events) = trial.into_events();
            tokio::select! {
                done = run_embedded(Arc::new(source), events, &folder, terminal) => done,
                () = interrupt.raised() => bail!("interrupted: {} is incomplete; run again", args.out.display()),
            }
        }
    }
}
