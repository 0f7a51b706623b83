//! What the functions sync-reports and sync-warehouse share, which differ in their sink only, and reconcile with them:
//! settings, metrics, the way to MongoDB.

mod connect;
mod emf;
mod handler;
mod mongo;
mod settings;

pub use connect::connect;
pub use emf::EmbeddedMetrics;
pub use mongo::{LazyMongo, MongoClient};
pub use settings::{SourceSettings, excluded_users, session_clock};
