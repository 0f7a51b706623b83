//! The sync state of one test session in one sink, and the rules by which it changes.
//!
//! Problem: many invocations get requests for the same test session, in any order and more than once, and any of them can
//! die. Idea: one stored state holds the lease, the newest request and the newest finished sync. The rules are pure
//! functions of this state and the time; a store replaces the state by compare-and-swap on its revision ([`SyncStates`]).
//!
//! - At most one lease holds at a time; each new lease has a greater generation.
//! - A finished sync covers a request only if its read began later than the request, by a margin for the clocks.
//! - A request that is not covered has a message in a queue, or a lease whose anchor message stays in the queue. One known
//!   exception: a message that is received twice can be lost if two runs fail; reconcile then requests the sync.
//!
//! The tests check these rules in every order of events within small bounds. All times are milliseconds since 1970, UTC.
//!
//! See docs/decisions/0008-sync-state.md.

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
