//! What the functions sync-reports and sync-warehouse share: they differ in their sink only.

mod connect;
mod handler;
mod mongo;
mod settings;

pub use connect::connect;
pub use handler::Handler;
pub use settings::{SourceSettings, excluded_users};
