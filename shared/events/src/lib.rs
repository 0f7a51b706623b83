//! What goes over the wire on the way in: events as they are published to SNS, the envelopes in which
//! SQS hands them over, and the forms that an operator writes by hand.

mod envelope;
mod error;
mod event;
mod session_id;

pub use envelope::QueueMessage;
pub use error::EventError;
pub use event::{Completion, Event, SessionDescription, SyncRequest, parse};
pub use session_id::{SessionTarget, quiz_id_of};
