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
//!
//! # Examples
//!
//! One message starts a run, and a second message joins it. A caller stores each `next` by [`SyncStates::swap`], which
//! counts the revision up.
//!
//! ```
//! use quiz_sync_state::{Admission, Ending, FollowUp, LastRun, LeaseHolder, LeaseRequest, Rules, SyncState};
//!
//! let rules = Rules::default();
//! let request = |message_id: &str, through| LeaseRequest {
//!     quiz_id: "6715f621e1eb083bfa9b56cc".to_owned(),
//!     through,
//!     message_ids: vec![message_id.to_owned()],
//!     anchor: message_id.to_owned(),
//!     force: None,
//!     description: None,
//!     newest_completion: None,
//!     follow_up_depth: 0,
//!     owner: format!("run of {message_id}"),
//!     not_before: None,
//!     is_alone: false,
//! };
//! let swapped = |next: SyncState| SyncState { revision: next.revision + 1, ..next };
//!
//! // a message sent at 10 s takes the lease
//! let first = request("m-1", 10_000);
//! let Admission::Run { next, .. } = SyncState::default().admit(&first, 10_500, &rules) else {
//!     panic!("no other run is under way")
//! };
//! let running = swapped(next);
//! let holder = LeaseHolder { owner: first.owner.clone(), generation: running.generation };
//!
//! // a message sent at 15 s joins this run
//! let second = request("m-2", 15_000);
//! let Admission::Joined { next: Some(next), keep: None } = running.admit(&second, 15_500, &rules) else {
//!     panic!("the lease holds")
//! };
//! let joined = swapped(next);
//!
//! // the run read at 12 s, before the second message: a follow-up must read again, 90 s after that read
//! let last = LastRun { read_started_at: 12_000, finished_at: 20_000, ..LastRun::default() };
//! let Ending::Store { next, due: Some(due) } = joined.finished(&holder, &last, &rules) else {
//!     panic!("the second request is not covered")
//! };
//! assert_eq!(due, 102_000);
//! let finished = swapped(next.followed_up(FollowUp { message_id: "m-3".to_owned(), due }));
//!
//! // the first message comes again: the finished sync covers it
//! assert_eq!(finished.admit(&first, 30_000, &rules), Admission::Covered);
//! ```

mod admit;
mod crashes;
mod ending;
mod failing;
mod port;
mod record;
mod request_again;
mod rules;
mod standing;
mod start_dates;
mod state;

pub use admit::{Admission, LeaseRequest};
pub use crashes::MOST_CRASHES;
pub use ending::{Ending, LeaseHolder, RunFailure};
pub use failing::{Failing, Recovered, without_refused_sessions};
pub use port::{StateError, StateKey, SyncStates};
pub use record::Record;
pub use request_again::RequestedAgain;
pub use rules::{Rules, millis};
pub use standing::Standing;
pub use start_dates::StartDates;
pub use state::{FollowUp, LastRun, Lease, RunResult, SyncState};
