use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use quiz_events::{QueueMessage, SessionClock, SourceQueue};
use tokio::time::Instant;

use crate::sqs::{messages, response};

/// Handles the messages of one queue.
#[async_trait]
pub trait MessageHandler: Send + Sync {
    /// Settles the messages before `deadline`. Returns the ids of the messages that the queue delivers again.
    async fn handle(
        &self,
        messages: &[QueueMessage],
        queue: &dyn SourceQueue,
        deadline: Instant,
    ) -> Vec<String>;
}

type OpenQueue = Box<dyn Fn(&str) -> Arc<dyn SourceQueue> + Send + Sync>;

/// Handles Lambda's SQS events. An event source mapping delivers the messages of one queue, so each event names one queue.
pub struct SqsHandler {
    handler: Arc<dyn MessageHandler>,
    open: OpenQueue,
    /// The opened queues by ARN, kept because a queue caches its own attributes.
    queues: Mutex<HashMap<String, Arc<dyn SourceQueue>>>,
    session_clock: SessionClock,
}

impl SqsHandler {
    /// A handler that opens each queue once, by its ARN. `open` cannot fail: a queue reports its errors when it is used.
    #[must_use]
    pub fn new(
        handler: Arc<dyn MessageHandler>,
        open: impl Fn(&str) -> Arc<dyn SourceQueue> + Send + Sync + 'static,
    ) -> Self {
        let (open, queues) = (Box::new(open), Mutex::default());
        Self { handler, open, queues, session_clock: SessionClock::default() }
    }

    /// Sets the clock that the times of session descriptions are read by.
    #[must_use]
    pub fn with_session_clock(self, session_clock: SessionClock) -> Self {
        Self { session_clock, ..self }
    }

    /// Handles one event before `deadline`. The response names the messages that the queue delivers again.
    ///
    /// Lambda sends no event with the messages of two queues, but a manual test invocation can. Then all messages fail,
    /// so that no message is settled in the wrong queue.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let Some(first) = event.records.first() else { return SqsBatchResponse::default() };
        let queue_arn = arn(first).to_owned();
        if let Some(other_arn) = event.records.iter().map(arn).find(|arn| *arn != queue_arn) {
            tracing::error!(queue_arn, other_arn, "event names two queues: no message handled");
            return response(messages(event).into_iter().map(|message| message.message_id));
        }
        let queue = self.queue(&queue_arn);
        let mut messages = messages(event);
        for message in &mut messages {
            message.session_clock = self.session_clock;
        }
        response(self.handler.handle(&messages, &*queue, deadline).await)
    }

    fn queue(&self, arn: &str) -> Arc<dyn SourceQueue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(arn.to_owned()).or_insert_with(|| (self.open)(arn));
        Arc::clone(queue)
    }
}

fn arn(record: &SqsMessage) -> &str {
    record.event_source_arn.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use quiz_events::{ParkCause, QueueError, QueueMessage, SessionClock, SourceQueue};
    use tokio::time::Instant;

    use super::{MessageHandler, SqsHandler};
    use crate::sqs::event;

    struct NoQueue;

    #[async_trait]
    impl SourceQueue for NoQueue {
        async fn park(&self, _message: &QueueMessage, _cause: &ParkCause) -> Result<(), QueueError> {
            Ok(())
        }
        async fn send(&self, _body: &str, _type: &str, _delay: Duration) -> Result<String, QueueError> {
            Ok(String::new())
        }
        async fn acknowledge(&self, _messages: &[&QueueMessage]) -> Result<(), QueueError> {
            Ok(())
        }
        async fn delay(&self, _message: &QueueMessage, _delay: Duration) -> Result<(), QueueError> {
            Ok(())
        }
        async fn max_receive_count(&self) -> Result<Option<u32>, QueueError> {
            Ok(None)
        }
    }

    /// Records all messages and fails those with the body `fail`.
    #[derive(Default)]
    struct Handled(Mutex<Vec<QueueMessage>>);

    #[async_trait]
    impl MessageHandler for Handled {
        async fn handle(
            &self,
            messages: &[QueueMessage],
            _queue: &dyn SourceQueue,
            _deadline: Instant,
        ) -> Vec<String> {
            self.0.lock().unwrap().extend_from_slice(messages);
            let failed = messages.iter().filter(|message| message.body == "fail");
            failed.map(|message| message.message_id.clone()).collect()
        }
    }

    fn message(id: &str, body: &str) -> QueueMessage {
        QueueMessage { message_id: id.into(), body: body.into(), ..QueueMessage::default() }
    }

    struct HandlerRun {
        handled: Arc<Handled>,
        opened: Arc<Mutex<Vec<String>>>,
        handler: SqsHandler,
    }

    fn run() -> HandlerRun {
        let (handled, opened) = (Arc::new(Handled::default()), Arc::new(Mutex::default()));
        let opens = Arc::<Mutex<Vec<String>>>::clone(&opened);
        let handler = SqsHandler::new(handled.clone(), move |arn| {
            opens.lock().unwrap().push(arn.to_owned());
            Arc::new(NoQueue)
        });
        HandlerRun { handled, opened, handler: handler.with_session_clock(SessionClock::India) }
    }

    impl HandlerRun {
        async fn failed(&self, event: aws_lambda_events::sqs::SqsEvent) -> Vec<String> {
            let response = self.handler.handle(event, Instant::now()).await;
            response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
        }
    }

    #[tokio::test]
    async fn event_is_handled_with_its_queue_opened_once() {
        let run = run();
        for _ in 0..2 {
            let batch = vec![message("1", "done"), message("2", "fail")];
            assert_eq!(run.failed(event(batch, "arn:a")).await, ["2"]);
        }
        assert!(run.failed(event(Vec::new(), "arn:a")).await.is_empty());
        assert!(run.failed(event(vec![message("3", "done")], "arn:b")).await.is_empty());
        assert_eq!(*run.opened.lock().unwrap(), ["arn:a", "arn:b"]);
        let handled = run.handled.0.lock().unwrap();
        assert_eq!(handled.len(), 5);
        assert!(handled.iter().all(|message| message.session_clock == SessionClock::India));
    }

    #[tokio::test]
    async fn event_of_two_queues_keeps_all_messages() {
        let run = run();
        let mut both = event(vec![message("1", "done")], "arn:a");
        both.records.extend(event(vec![message("2", "done")], "arn:b").records);
        assert_eq!(run.failed(both).await, ["1", "2"]);
        assert!(run.opened.lock().unwrap().is_empty());
        assert!(run.handled.0.lock().unwrap().is_empty());
    }
}
