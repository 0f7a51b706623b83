//! The parts shared by `sync-reports`, `sync-warehouse` and `reconcile`: settings, metrics and the MongoDB client.
//! `sync-reports` and `sync-warehouse` differ only in their sink.

mod connect;
mod emf;
mod handler;
mod mongo;
mod settings;

pub use connect::connect;
pub use emf::EmbeddedMetrics;
pub use mongo::{LazyMongo, MongoClient};
pub use settings::{SourceSettings, excluded_users, session_clock};
