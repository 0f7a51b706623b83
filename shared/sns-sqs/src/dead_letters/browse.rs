use std::time::Duration;

use super::message::read;
use super::scan::{Coverage, Scan, Stop};
use super::{Content, DeadLetter, DeadLetterQueue, DeadLetters};

/// The time for which received messages are hidden, if the scan does not end before.
const HOLD: Duration = Duration::from_mins(2);

/// The chosen messages of a queue.
#[derive(Clone, Debug)]
pub struct BrowseResult<T> {
    pub chosen: Vec<T>,
    pub coverage: Coverage,
}

impl DeadLetters {
    /// Reads each visible message of a dead-letter queue once, and keeps the values that `choose` returns. All messages
    /// are visible again afterwards, even after `stop` or a failed request. SQS counts a receive for each message.
    pub async fn browse<T>(
        &self,
        queue: &DeadLetterQueue,
        stop: Stop<'_>,
        mut choose: impl FnMut(DeadLetter, Content) -> Option<T>,
    ) -> BrowseResult<T> {
        let mut scan = Scan::new(&self.sqs, &queue.url, HOLD, stop);
        let mut chosen = Vec::new();
        while let Some(messages) = scan.next().await {
            let letters = messages.into_iter().map(|message| read(message, queue));
            chosen.extend(letters.filter_map(|(letter, content)| choose(letter, content)));
        }
        BrowseResult { chosen, coverage: scan.finish().await }
    }
}
