//! The messages of the pipeline: events as published to SNS, their envelopes in SQS, files of events that an operator
//! writes by hand, and the notices for the operations team.
//!
//! The crate also has the ports of queues and topics, and two helpers for clients of services: [`Backoff`] for retries and
//! [`Renewable`] for rotated secrets.
//!
//! # Examples
//!
//! A message of a queue holds an event, here in SNS's envelope. A message without an event gives the cause with which its
//! consumer parks it.
//!
//! ```
//! use quiz_events::{Event, QueueMessage};
//! use serde_json::json;
//!
//! let message = |body: String| QueueMessage { body, receive_count: 1, ..QueueMessage::default() };
//! let event = r#"{"type": "quiz.completed", "session_id": "Group_6715f621e1eb083bfa9b56cc",
//!                 "user_id": "20231234", "completed_at": "2024-04-30T18:15:00Z"}"#;
//! let envelope = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:…:quiz-events", "Message": event});
//!
//! let Event::QuizCompleted(completion) = message(envelope.to_string()).event()? else {
//!     panic!("its type is quiz.completed")
//! };
//! assert_eq!(completion.target.session_id, "Group_6715f621e1eb083bfa9b56cc");
//! assert_eq!(completion.target.quiz_id, "6715f621e1eb083bfa9b56cc");
//!
//! let error = message(r#"{"type": "quiz.completed"}"#.to_owned()).event().unwrap_err();
//! assert_eq!((error.code(), error.to_string().as_str()), ("invalid_field", "`session_id` is missing"));
//! # Ok::<(), quiz_events::EventError>(())
//! ```

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
mod operator_acted;
mod outage;
mod queue;
mod reconciled;
mod renewable;
mod request_topic;
mod session_change;
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
pub use operator_acted::OperatorActed;
pub use outage::{Outage, OutageOver};
pub use queue::{ParkCause, QueueError, SourceQueue};
pub use reconciled::{RequestedSession, StaleReason, StaleSink, SyncsRequested, UnknownQuiz};
pub use renewable::{Connector, Renewable};
pub use request_topic::{PublishError, REQUESTS_AT_ONCE, RequestTopic};
pub use session_change::{ChangeAction, SessionChange};
pub use session_clock::SessionClock;
pub use session_id::{SessionTarget, quiz_id_of};
pub use sink::{Sink, UnknownSink};
