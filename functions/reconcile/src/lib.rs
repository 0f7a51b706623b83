//! The Lambda reconcile: on a schedule it looks for tests that are behind and that nobody is syncing, and asks for
//! them again. So an event that never reached SNS, and a sync whose messages lie in a dead-letter queue or are gone,
//! heal by themselves. It also tells which services are down, as the sync states show it.

mod asking;
mod behind;
mod connect;
mod input;
mod outages;
mod pass;
mod ports;
mod telling;

pub use behind::{Facts, Need, StaleSession, stale_sessions};
pub use connect::connect;
pub use input::lookback;
pub use outages::{Outages, outages};
pub use pass::{PassError, Reconciler, Summary};
pub use ports::{Answers, Window};
