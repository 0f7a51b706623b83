//! Tests synced at an operator's wish: chosen, planned, published at a pace, followed until all are done.

mod args;
mod choose;
mod journal;
mod list;
mod plan;
mod run;
mod screen;
mod settings;
mod sync;
mod tell;
mod track;
mod trial;
mod view;
mod work;

pub use args::{Against, BackfillArgs, SyncArgs, TrialArgs};
pub use run::backfill;
pub use sync::sync;
pub use trial::Trial;
