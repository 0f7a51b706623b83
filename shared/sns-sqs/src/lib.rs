//! The SQS queues that a function is fed from, as
//! [`SourceQueue`](quiz_messaging::SourceQueue)s: messages are parked in the queue's dead-letter
//! queue with their cause, or delayed. The AWS SDK's own retries are the only ones here.
//!
//! And the SNS topic that notices are sent to.
//!
//! FIFO queues are out of scope: parking in one is an error that says so.

mod arn;
mod attributes;
mod error;
mod notices;
mod queue;
mod queues;

pub use error::SqsError;
pub use notices::SnsNotices;
pub use queue::SqsQueue;
pub use queues::SqsQueues;
