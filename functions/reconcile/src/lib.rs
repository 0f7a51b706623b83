//! The Lambda `reconcile`: on a schedule it finds stale test sessions with no sync running, and requests their syncs.
//!
//! So a test session heals without a person if its event never reached SNS, or if its messages were parked or lost. A
//! pass also reports which services are down, as the sync states show it. See docs/decisions/0010-reconcile.md.

mod connect;
mod input;
mod keys;
mod known;
mod notices;
mod outages;
mod pass;
mod ports;
mod requests;
mod stale;

pub use connect::{Reconcile, connect};
pub use input::parse_lookback;
pub use outages::{Outages, WorkedAt, find_outages, note_work};
pub use pass::{PassError, Reconciler, Summary};
pub use ports::{Answers, Window};
pub use stale::{Facts, Need, StaleSession, find_stale_sessions};
