//! What lies in the dead-letter queues: listed with its cause, shown, replayed, dropped.

mod args;
mod carry_out;
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
mod world;

#[cfg(test)]
mod fixtures;

use crate::ui::{Done, Terminal};

pub use args::{DlqArgs, DlqCommand};
pub use filter::Filter;

/// Runs one of the verbs, as the environment says.
///
/// # Errors
/// What broke it off, as one sentence for a person; a [`WrongUse`](crate::ui::WrongUse) where it was asked for
/// nothing that can be done. What is held of a queue is released before.
pub async fn run(args: DlqArgs, terminal: Terminal) -> anyhow::Result<Done> {
    match args.command {
        DlqCommand::List(args) => list::list(&args, terminal).await,
        DlqCommand::Show(args) => show::show(&args, terminal).await,
        DlqCommand::Replay(args) => replay::replay(&args, terminal).await,
        DlqCommand::Drop(args) => drop::drop(&args, terminal).await,
    }
}
