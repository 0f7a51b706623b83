use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sqs::Client;
use quiz_events::{SourceQueue, SourceQueues};

use crate::queue::SqsQueue;

/// The queues that records have come from, each made once: what it learned of itself stays known from
/// one invocation to the next.
#[derive(Debug)]
pub struct SqsQueues {
    client: Client,
    known: Mutex<HashMap<String, Arc<SqsQueue>>>,
}

impl SqsQueues {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }
}

impl SourceQueues for SqsQueues {
    fn by_arn(&self, arn: &str) -> Arc<dyn SourceQueue> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = known.get(arn) {
            return queue.clone();
        }
        let queue = Arc::new(SqsQueue::of_arn(self.client.clone(), arn));
        known.insert(arn.to_owned(), queue.clone());
        queue
    }
}
