use std::time::Duration;

use super::message::read;
use super::scan::{Coverage, Scan, Stop};
use super::{Content, DeadLetter, DeadLetterQueue, DeadLetters};

/// So long a look holds a message at most; all are made visible again at its end.
const HELD: Duration = Duration::from_mins(2);

/// What a look at a queue chose.
#[derive(Clone, Debug)]
pub struct Browsed<T> {
    pub chosen: Vec<T>,
    pub coverage: Coverage,
}

impl DeadLetters {
    /// Looks at every message of a dead-letter queue once and keeps what `choose` makes of it. All are visible
    /// again afterwards, also when it is stopped or a request fails. Each look counts as a receive.
    pub async fn browse<T>(
        &self,
        queue: &DeadLetterQueue,
        stop: Stop<'_>,
        mut choose: impl FnMut(DeadLetter, Content) -> Option<T>,
    ) -> Browsed<T> {
        let mut scan = Scan::new(&self.sqs, &queue.url, HELD, stop);
        let mut chosen = Vec::new();
        while let Some(messages) = scan.next().await {
            let letters = messages.into_iter().map(|message| read(message, queue));
            chosen.extend(letters.filter_map(|(letter, content)| choose(letter, content)));
        }
        Browsed { chosen, coverage: scan.finish().await }
    }
}
