use std::time::Duration;

use jiff::Timestamp;
use quiz_domain::{CohortFigures, Histogram, Problems};
use quiz_events::Sink;

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
    pub takers: usize,
    /// Of these, whose documents were not read, as they have not changed since an earlier sync.
    pub known: u64,
    /// Those of them whose attempt is final.
    pub ranked: u32,
    pub written: u64,
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
