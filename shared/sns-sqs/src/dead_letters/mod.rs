//! The dead-letter queues behind topics: found, looked through, replayed, dropped.
//!
//! SQS gives no way to look at a message but to receive it. What is received here is made visible again as
//! soon as the look, or the act, is over.

mod act;
mod browse;
mod discover;
mod message;
mod pace;
mod queue;
mod scan;

pub use act::{Act, ActError, Acted};
pub use browse::Browsed;
pub use discover::{Discovered, DiscoveryProblem};
pub use message::{Content, DeadLetter};
pub use pace::Pace;
pub use queue::{DeadLetterQueue, NoSource, Source, SourceKind};
pub use scan::{Coverage, Stop};

/// The way to all dead-letter queues behind some topics.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl DeadLetters {
    #[must_use]
    pub fn new(sns: aws_sdk_sns::Client, sqs: aws_sdk_sqs::Client) -> Self {
        Self { sns, sqs }
    }
}
