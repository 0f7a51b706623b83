//! Lists, replays and drops the messages of the dead-letter queues behind topics, for an operator.
//!
//! - [`DeadLetters::discover`] finds the queues: topic → subscription → queue → dead-letter queue.
//! - [`DeadLetters::browse`] reads all messages of one queue.
//! - [`DeadLetters::act`] replays or drops chosen messages.
//!
//! SQS shows a message only to a receiver, and hides the message from others for a while. So browsing and acting share
//! one scan that receives each visible message once and remembers its receipt. At its end, the scan makes the messages
//! that are left visible again, also after a failure or an interruption.
//!
//! Invariants: a message is deleted only after its copy was sent to its source; a replay sends a message only while its
//! receipt is surely valid; no failure of one message affects another.

mod act;
mod browse;
mod discover;
mod message;
mod pace;
mod queue;
mod scan;

pub use act::{ActError, ActionReport, DeadLetterAction};
pub use browse::BrowseResult;
pub use discover::{Discovery, DiscoveryProblem};
pub use message::{Content, DeadLetter};
pub use pace::Pace;
pub use queue::{DeadLetterQueue, NoSource, Source, SourceKind};
pub use scan::{Coverage, Stop};

/// The clients for the dead-letter queues of one account and region.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl DeadLetters {
    /// Makes no request.
    #[must_use]
    pub fn new(sns: aws_sdk_sns::Client, sqs: aws_sdk_sqs::Client) -> Self {
        Self { sns, sqs }
    }
}
