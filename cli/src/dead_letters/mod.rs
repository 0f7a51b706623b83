//! `quiz-etl dlq`: list, show, replay or delete parked messages.
//!
//! Each verb finds the dead-letter queues of the topics and searches them (`client`); replay and drop make a plan, show
//! it, ask and carry it out (`plan`, `view`, `carry_out`). A replay sends a message before it deletes it, so that an
//! interrupt loses none. See docs/decisions/0002-retry-or-park.md.

mod args;
mod carry_out;
mod client;
mod drop;
mod filter;
mod json;
mod list;
mod plan;
mod preview;
mod replay;
mod show;
mod summary;
mod view;

#[cfg(test)]
mod fixtures;

use crate::ui::{Done, Terminal};

pub use args::{DlqArgs, DlqCommand};
pub(crate) use carry_out::carry_out;
pub(crate) use client::DlqClient;
pub use filter::MessageFilter;
pub(crate) use plan::ActionPlan;

/// Runs one verb on the queues of the environment.
///
/// # Errors
/// The cause that stopped it; [`WrongUse`](crate::ui::WrongUse) for arguments that make no sense. All messages are
/// released before.
pub async fn run(args: DlqArgs, terminal: Terminal) -> anyhow::Result<Done> {
    match args.command {
        DlqCommand::List(args) => list::list(&args, terminal).await,
        DlqCommand::Show(args) => show::show(&args, terminal).await,
        DlqCommand::Replay(args) => replay::replay(&args, terminal).await,
        DlqCommand::Drop(args) => drop::drop(&args, terminal).await,
    }
}
