//! SQS queues and SNS topics.
//!
//! - [`SqsQueue`] is the queue that triggers a function, as a [`SourceQueue`](quiz_events::SourceQueue). It parks a
//!   message in the dead-letter queue with its cause, delays it, acknowledges it, or sends a follow-up.
//! - [`EventTopic`] publishes events, [`SnsNotices`] publishes notices.
//! - [`dead_letters`] finds the dead-letter queues behind topics, and lists, replays and drops their messages for an
//!   operator.
//!
//! The SDK retries failed requests. Exceptions: [`EventTopic`] sends the events of a batch that SNS did not accept
//! again, and a replay sends each message once. FIFO queues are not supported: parking in one is an error.

mod arn;
mod attributes;
pub mod dead_letters;
mod error;
mod events;
mod lookup;
mod notices;
mod queue;

pub use error::SqsError;
pub use events::EventTopic;
pub use notices::SnsNotices;
pub use queue::SqsQueue;
