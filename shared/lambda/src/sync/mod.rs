//! The parts shared by `sync-reports`, `sync-warehouse` and `reconcile`: settings, metrics and the MongoDB client.
//! `sync-reports` and `sync-warehouse` differ only in their sink.

#[cfg(feature = "sync")]
mod connect;
#[cfg(feature = "sync")]
mod emf;
mod handler;
#[cfg(feature = "sync")]
mod mongo;
mod settings;

#[cfg(feature = "sync")]
pub use connect::connect;
#[cfg(feature = "sync")]
pub use emf::EmbeddedMetrics;
#[cfg(feature = "sync")]
pub use mongo::{LazyMongo, MongoClient};
pub use settings::{SourceSettings, excluded_users, session_clock};
