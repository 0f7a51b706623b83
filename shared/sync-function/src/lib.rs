//! What the functions sync-reports and sync-warehouse share: they differ in their sink only.

mod connect;
mod emf;
mod handler;
mod mongo;
mod settings;

pub use connect::connect;
pub use emf::EmbeddedMetrics;
pub use handler::Handler;
pub use settings::{SourceSettings, excluded_users};
