//! `quiz-etl sync` and `quiz-etl backfill`: request syncs of test sessions, and follow them.
//!
//! A backfill selects test sessions (`choose`, `list`), shows the cost (`plan`, `view`), asks, publishes requests at a
//! steady rate and follows their sync states until all are done (`work`, `track`). Its journal (`journal`) records what
//! SNS has accepted, so that `--resume` continues after Ctrl-C or a crash. See docs/decisions/0008-sync-state.md.

mod announce;
mod args;
mod choose;
mod journal;
mod list;
mod plan;
mod run;
mod screen;
mod settings;
mod sync;
mod track;
mod trial;
mod view;
mod work;

pub use args::{Against, BackfillArgs, SyncArgs, TrialArgs};
pub(crate) use journal::RequestedSession;
pub use run::backfill;
pub(crate) use settings::{BackfillSettings, Documents};
pub use sync::sync;
pub(crate) use track::{FailedSync, Tracker};
pub use trial::Trial;
pub(crate) use work::Work;
