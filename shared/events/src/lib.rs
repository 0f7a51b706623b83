//! The messages of the pipeline: events as published to SNS, their envelopes in SQS, files of events that an operator
//! writes by hand, and the notices for the operations team.
//!
//! The crate also has the ports of queues and topics, and two helpers for clients of services: [`Backoff`] for retries and
//! [`Renewable`] for rotated secrets.

mod backoff;
mod card_update;
mod cause;
mod entries;
mod envelope;
mod error;
mod event;
mod foreign;
mod notice;
mod notice_message;
mod notices;
mod outage;
mod queue;
mod reconciled;
mod renewable;
mod request_topic;
mod session_clock;
mod session_id;
mod sink;

pub use backoff::{Backoff, MOST_RECEIVES};
pub use card_update::{CardUpdate, Moment};
pub use cause::{Cause, error_cause, with_causes};
pub use entries::{Entries, Entry, EntryError, EntryText};
pub use envelope::QueueMessage;
pub use error::EventError;
pub use event::{Completion, Event, SessionDescription, SyncRequest, parse, parse_by};
pub use notice::{
    Backfill, BackfillFailure, HistogramBin, MessagesDropped, MessagesParked, Notice, NoticeKind,
    NoticeProblem, SyncFailed, SyncFinished,
};
pub use notice_message::{Alarm, NoticeMessage, OtherMessage};
pub use notices::Notices;
pub use outage::{Outage, OutageOver};
pub use queue::{ParkCause, QueueError, SourceQueue};
pub use reconciled::{RequestedSession, StaleReason, StaleSink, SyncsRequested, UnknownQuiz};
pub use renewable::{Connector, Renewable};
pub use request_topic::{PublishError, REQUESTS_AT_ONCE, RequestTopic};
pub use session_clock::SessionClock;
pub use session_id::{SessionTarget, quiz_id_of};
pub use sink::{Sink, UnknownSink};
