use std::time::Duration;

use jiff::Timestamp;
use quiz_domain::{CohortFigures, Histogram, Problems};
use quiz_events::Sink;

/// SQS keeps a message for 14 days at most.
const LONGEST_RETENTION: Duration = Duration::from_hours(14 * 24);

/// What one sync of one test did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncOutcome {
    pub sink: Sink,
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: String,
    /// Its attempts are responses to a form, which are never ranked.
    pub is_form: bool,
    /// Everyone with an attempt.
    pub participants: usize,
    /// Those of them whose documents were not read, as they have not changed since an earlier sync.
    pub known: u64,
    /// Those of them whose attempt is final.
    pub ranked: u32,
    pub rows_written: u64,
    /// Found in the sink as it should be, and not written again.
    pub unchanged: u64,
    /// Of an earlier sync, and no longer in the result.
    pub deleted: u64,
    pub messages: usize,
    /// The backfill that alone asked for it.
    pub backfill_id: Option<String>,
    pub generation: i64,
    pub started_at: Timestamp,
    pub duration: Duration,
    /// Of it, waited for the source's documents.
    pub source_time: Duration,
    /// Of it, waited for the sink.
    pub sink_time: Duration,
    /// By its sender's clock.
    pub newest_completion: Option<Timestamp>,
    /// From the newest completion, by its sender's clock, to the end of the sync. Absent where that completion lies further
    /// back than a queue keeps a message, or in the future: then the time says nothing about the pipeline.
    pub lag: Option<Duration>,
    pub figures: CohortFigures,
    pub histogram: Option<Histogram>,
    pub problems: Problems,
}

impl SyncOutcome {
    /// The outcome of a staged test session whose batch is committed, for which the sink was waited for so long.
    #[must_use]
    pub fn committed(self, now: Timestamp, waited: Duration) -> Self {
        Self { sink_time: self.sink_time.saturating_add(waited), ..self }.ended(now)
    }

    /// The outcome with the times that are known when all is written.
    pub(crate) fn ended(self, now: Timestamp) -> Self {
        Self {
            duration: Duration::try_from(now.duration_since(self.started_at)).unwrap_or_default(),
            lag: self.newest_completion.and_then(|completed| lag(completed, now)),
            ..self
        }
    }
}

/// A completion that no queue can still hold was published again, by a backfill or a test.
fn lag(completed: Timestamp, now: Timestamp) -> Option<Duration> {
    let lag = Duration::try_from(now.duration_since(completed)).ok()?;
    (lag <= LONGEST_RETENTION).then_some(lag)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::lag;

    #[test]
    fn completions_that_no_queue_holds_have_no_lag() {
        let at = |text: &str| text.parse().unwrap();
        let now = at("2026-11-30T12:00:00Z");
        assert_eq!(lag(at("2026-11-30T11:58:30Z"), now), Some(Duration::from_secs(90)));
        assert_eq!(lag(at("2026-11-16T12:00:00Z"), now), Some(Duration::from_hours(14 * 24)));
        assert_eq!(lag(at("2026-11-16T11:59:59Z"), now), None);
        assert_eq!(lag(at("2026-11-30T12:00:01Z"), now), None, "the sender's clock is ahead");
    }
}
