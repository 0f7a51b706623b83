//! The commands without a module of their own, and the embedded runs.

#[cfg(feature = "aws")]
mod backfill;
mod completions;
mod demo;
mod local;
mod man;
mod report;

#[cfg(feature = "aws")]
pub use backfill::{backfill, sync};
pub use completions::{EXAMPLES as COMPLETIONS_EXAMPLES, completions};
pub use demo::{EXAMPLES as DEMO_EXAMPLES, demo};
pub use local::{EXAMPLES as LOCAL_EXAMPLES, local};
pub use man::{EXAMPLES as MAN_EXAMPLES, man};
pub use report::{EXAMPLES as REPORT_EXAMPLES, report};
