//! What is known of a test's sync into one sink, and how it may change: who holds the lease, what was asked for,
//! what is done. The rules are pure functions of the stored state and the time; a store keeps the state and swaps
//! it for another only where nobody else did ([`SyncStates`]). `docs/decisions/0008-sync-state.md` has the protocol.
//!
//! All times are milliseconds since 1970, UTC.

mod admit;
mod crashes;
mod ending;
mod failing;
mod port;
mod record;
mod request_again;
mod rules;
mod standing;
mod state;

pub use admit::{Admission, LeaseRequest};
pub use crashes::MOST_CRASHES;
pub use ending::{Ending, LeaseHolder, RunFailure};
pub use failing::{Failing, Recovered};
pub use port::{StateError, StateKey, SyncStates};
pub use record::Record;
pub use request_again::RequestedAgain;
pub use rules::{Rules, millis};
pub use standing::Standing;
pub use state::{FollowUp, LastRun, Lease, RunResult, SyncState};
