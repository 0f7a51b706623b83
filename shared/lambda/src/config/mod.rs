//! The configuration of each function, read from its environment. The CLI reads the same variables, so that it works on
//! the same tables.

#[cfg(feature = "discord")]
mod discord;
#[cfg(feature = "pipeline")]
mod formats;
#[cfg(feature = "sync")]
mod reconcile;
#[cfg(feature = "sync")]
mod reports;
#[cfg(feature = "warehouse")]
mod warehouse;

#[cfg(feature = "discord")]
pub use discord::{DiscordConfig, DiscordSource};
#[cfg(feature = "pipeline")]
pub use formats::formats;
#[cfg(feature = "sync")]
pub use reconcile::{PassLimits, ReconcileConfig};
#[cfg(feature = "sync")]
pub use reports::{ReportsConfig, snapshots_table, table_names};
#[cfg(feature = "warehouse")]
pub use warehouse::{BigQueryCredentials, BigQueryIdentity, WarehouseConfig};
