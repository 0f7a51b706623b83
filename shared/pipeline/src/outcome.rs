use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use quiz_domain::{CohortFigures, Histogram, KeyDigest, Problems};
use quiz_events::Sink;

/// The longest time for which SQS keeps a message.
const LONGEST_RETENTION: Duration = Duration::from_hours(14 * 24);

/// The result of one sync of one test session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncOutcome {
    pub sink: Sink,
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: String,
    /// Whether the quiz is a form, whose responses are never ranked.
    pub is_form: bool,
    /// Students with an attempt that counts.
    pub participants: usize,
    /// Participants whose attempts came from a snapshot and were not read.
    pub known: u64,
    /// Participants whose attempt is final.
    pub ranked: u32,
    pub rows_written: u64,
    /// Items that were not written, because their stored digest equals the new one.
    pub unchanged: u64,
    /// Items of an earlier sync that the result no longer has.
    pub deleted: u64,
    pub messages: usize,
    /// The backfill, if no other sender requested the sync.
    pub backfill_id: Option<String>,
    pub generation: i64,
    /// The digest of the quiz's key; none before the quiz is read.
    pub key_digest: Option<KeyDigest>,
    /// The start date of its warehouse rows.
    pub start_date: Option<Date>,
    pub started_at: Timestamp,
    pub duration: Duration,
    /// The part of `duration` that waits for the source.
    pub source_time: Duration,
    /// The part of `duration` that waits for the sink.
    pub sink_time: Duration,
    /// By its sender's clock.
    pub newest_completion: Option<Timestamp>,
    /// From the newest completion, by its sender's clock, to the end of the sync. `None` if the completion is in the future,
    /// or older than a queue keeps a message: such a time does not measure the pipeline.
    pub lag: Option<Duration>,
    pub figures: CohortFigures,
    pub histogram: Option<Histogram>,
    pub problems: Problems,
}

impl SyncOutcome {
    /// The outcome of a staged test session after the commit of its batch, which took `waited`.
    #[must_use]
    pub fn committed(self, now: Timestamp, waited: Duration) -> Self {
        Self { sink_time: self.sink_time.saturating_add(waited), ..self }.ended(now)
    }

    /// The outcome with its duration and lag, after everything is written.
    pub(crate) fn ended(self, now: Timestamp) -> Self {
        Self {
            duration: Duration::try_from(now.duration_since(self.started_at)).unwrap_or_default(),
            lag: self.newest_completion.and_then(|completed| lag(completed, now)),
            ..self
        }
    }
}

/// The lag of a completion. A completion older than any message of a queue was published again, by a backfill or a test.
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
