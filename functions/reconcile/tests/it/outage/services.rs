//! Services that are down for a while: each call fails after the timeout of a client.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use quiz_pipeline::ports::Clock;
use quiz_suites::hooked::{Call, CallFailure, Hook, Port};
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    MongoDb,
    DynamoDb,
    BigQuery,
    Sns,
    Discord,
}

/// The timeout of a call to a service that is down.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Tokio's paused time, and the outage.
pub struct Time {
    start: Instant,
    /// The begin and the end of the outage.
    outage: (Duration, Duration),
    down: &'static [Service],
}

impl Time {
    pub fn start(down: &'static [Service], outage: (Duration, Duration)) -> Self {
        Self { start: Instant::now(), outage, down }
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn is_down(&self, service: Service) -> bool {
        let (from, until) = self.outage;
        self.down.contains(&service) && (from..until).contains(&self.elapsed())
    }

    /// Whether the service answers. If it is down, returns after the timeout of a client.
    pub async fn answers(&self, service: Service) -> bool {
        let is_down = self.is_down(service);
        if is_down {
            tokio::time::sleep(CALL_TIMEOUT).await;
        }
        !is_down
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_795_996_800).unwrap();
        start + SignedDuration::try_from(self.elapsed()).unwrap()
    }
}

/// The service behind each adapter. Rows are staged without a service.
#[async_trait]
impl Hook for Time {
    async fn before(&self, call: Call<'_>) -> Result<(), CallFailure> {
        let service = match (call, call.port()) {
            (Call::StageRows, _) => return Ok(()),
            (_, Port::AnswerSource) => Service::MongoDb,
            (_, Port::ReportStore | Port::SyncStates) => Service::DynamoDb,
            (_, Port::Warehouse) => Service::BigQuery,
        };
        if self.answers(service).await { Ok(()) } else { Err(CallFailure::Unavailable("no route to host")) }
    }
}
