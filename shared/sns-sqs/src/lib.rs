//! The SQS queues that a function is fed from, as
//! [`SourceQueue`](quiz_events::SourceQueue)s: messages are parked in the queue's dead-letter
//! queue with their cause, or delayed. The AWS SDK's own retries are the only ones here.
//!
//! And the SNS topics that events and notices are sent to.
//!
//! And what lies in the dead-letter queues behind topics, for an operator to look at and act on.
//!
//! FIFO queues are out of scope: parking in one is an error that says so.

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
