//! The verbs that work on a deployment.

use clap::Subcommand;

use crate::backfill::{BackfillArgs, SyncArgs};
use crate::dead_letters::DlqArgs;
use crate::doctor::DoctorArgs;
use crate::erase::EraseArgs;
use crate::ui::{Done, Terminal};
use crate::{commands, dead_letters, doctor, erase};

#[derive(Debug, Subcommand)]
pub enum Operate {
    Sync(SyncArgs),
    Backfill(BackfillArgs),
    Dlq(DlqArgs),
    Erase(EraseArgs),
    Doctor(DoctorArgs),
}

impl Operate {
    pub async fn run(self, terminal: Terminal) -> anyhow::Result<Done> {
        match self {
            Self::Sync(args) => commands::sync(&args, terminal).await,
            Self::Backfill(args) => commands::backfill(&args, terminal).await,
            Self::Dlq(args) => dead_letters::run(args, terminal).await,
            Self::Erase(args) => Box::pin(erase::erase(&args, terminal)).await,
            Self::Doctor(args) => doctor::run(&args, terminal).await,
        }
    }
}
