use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use quiz_dynamo::DynamoStates;
use quiz_events::{REQUESTS_AT_ONCE, RequestTopic, SessionTarget, Sink, SyncRequest};
use quiz_sns_sqs::EventTopic;
use quiz_sync_state::{Rules, StateKey, SyncStates};
use tokio::time::Instant;

use crate::backfill::announce::Announcer;
use crate::backfill::journal::{Journal, PublishedSession, RequestedSession};
use crate::backfill::plan::UnsyncableSession;
use crate::backfill::screen::Screen;
use crate::backfill::track::{StateBefore, Tracker};
use crate::backfill::view::BackfillSummary;
use crate::ui::{Interrupt, Terminal};

/// Between two reads of the sync states.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Failed reads in a row before following stops.
const MAX_FAILED_POLLS: u32 = 30;
/// Time without any change before a warning.
const STALL_WARNING: Duration = Duration::from_mins(5);

/// Publishes requests and follows their syncs, for `backfill` and `sync`.
pub struct Work<'a> {
    pub tests: HashMap<String, RequestedSession>,
    pub sinks: Vec<Sink>,
    pub force: bool,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub backfill_id: Option<String>,
    /// Test sessions a second.
    pub rate: f64,
    pub follows: bool,
    pub topic: EventTopic,
    /// By its type: a trait object would link the way to store states, and the command only reads them.
    pub states: &'a DynamoStates,
    pub journal: Option<Mutex<Journal>>,
    pub tracker: Mutex<Tracker>,
    pub announcer: Option<Announcer>,
    pub terminal: Terminal,
    pub interrupt: &'a Interrupt,
}

impl Work<'_> {
    /// Publishes the unpublished test sessions at the rate, and follows all until each is done or failed, or until Ctrl-C.
    /// The tracker and the journal record the progress.
    ///
    /// # Errors
    /// A request that cannot be published, or sync states that cannot be read. Published requests stay published.
    pub async fn run(&self) -> anyhow::Result<()> {
        let screen = Screen::new(self.terminal, self.with_tracker(|tracker| tracker.counts()));
        if let Some(announcer) = &self.announcer {
            announcer.announce_start(self.with_tracker(|tracker| tracker.counts())).await;
        }
        let ended = if self.follows {
            tokio::try_join!(self.publish(&screen), self.follow(&screen)).map(|_| ())
        } else {
            self.publish(&screen).await
        };
        screen.finish();
        ended
    }

    /// The counts and failures so far.
    #[must_use]
    pub fn summary<'e>(&'e self, unsyncable: &'e [UnsyncableSession], took: Duration) -> BackfillSummary<'e> {
        BackfillSummary {
            backfill_id: self.backfill_id.as_deref(),
            counts: self.with_tracker(|tracker| tracker.counts()),
            failures: self.with_tracker(|tracker| tracker.failures()),
            retrying: self.with_tracker(|tracker| tracker.retrying()),
            unsyncable,
            took,
            interrupted: self.interrupt.is_raised(),
            followed: self.follows,
        }
    }

    /// Locks the tracker for one call.
    pub fn with_tracker<T>(&self, call: impl FnOnce(&mut Tracker) -> T) -> T {
        call(&mut self.tracker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn publish(&self, screen: &Screen) -> anyhow::Result<()> {
        let unpublished = self.with_tracker(|tracker| tracker.unpublished());
        let (started, mut sent) = (Instant::now(), 0.0);
        for chunk in unpublished.chunks(self.chunk_size()) {
            tokio::select! {
                () = tokio::time::sleep_until(started + Duration::from_secs_f64(sent / self.rate)) => {}
                () = self.interrupt.raised() => {}
            }
            if self.interrupt.is_raised() {
                return Ok(());
            }
            self.publish_chunk(chunk).await?;
            screen.show(self.with_tracker(|tracker| tracker.counts()));
            sent += f64::from(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// The size of one publish call: at most the test sessions of one second.
    fn chunk_size(&self) -> usize {
        let in_a_second = (1..REQUESTS_AT_ONCE).zip(1_u32..);
        let enough = in_a_second.filter(|(_, tests)| f64::from(*tests) >= self.rate).map(|(tests, _)| tests);
        enough.min().unwrap_or(REQUESTS_AT_ONCE)
    }

    async fn publish_chunk(&self, session_ids: &[String]) -> anyhow::Result<()> {
        // read the states first: progress counts from just before the publication
        let keys = self.keys(session_ids);
        let states = self.states.get_many(&keys).await.context("cannot read the sync states")?;
        let now = Timestamp::now().as_millisecond();
        let mut before: HashMap<&str, HashMap<Sink, StateBefore>> = HashMap::new();
        for (key, state) in keys.iter().zip(&states) {
            before.entry(&key.session_id).or_default().insert(key.sink, StateBefore::new(state, now));
        }
        // publish, and keep the accepted test sessions apart from a failure
        let tests = session_ids.iter().filter_map(|id| self.tests.get(id));
        let requests: Vec<SyncRequest> = tests.map(|test| self.request(test)).collect();
        let results = self.topic.publish(&requests).await;
        let mut published = Vec::new();
        let mut failed = None;
        for (session_id, result) in session_ids.iter().zip(results) {
            match result {
                Ok(()) => published.push(PublishedSession {
                    session_id: session_id.clone(),
                    before: before.remove(session_id.as_str()).unwrap_or_default(),
                }),
                Err(error) => failed = Some((session_id, error)),
            }
        }
        // record the accepted ones even if another failed
        self.with_tracker(|tracker| {
            for test in &published {
                tracker.record_published(&test.session_id, &test.before);
            }
        });
        if let Some(journal) = &self.journal {
            journal.lock().unwrap_or_else(PoisonError::into_inner).record_published(published)?;
        }
        match failed {
            None => Ok(()),
            Some((session_id, error)) => Err(anyhow!(error).context(format!("cannot publish {session_id}"))),
        }
    }

    fn request(&self, test: &RequestedSession) -> SyncRequest {
        let target = SessionTarget { session_id: test.session_id.clone(), quiz_id: test.quiz_id.clone() };
        SyncRequest {
            targets: vec![target],
            force: self.force,
            reason: self.reason.clone(),
            requested_by: self.requested_by.clone(),
            backfill_id: self.backfill_id.clone(),
            session: test.session.clone().map(Box::new),
            follow_up_depth: None,
        }
    }

    fn keys(&self, session_ids: &[String]) -> Vec<StateKey> {
        let session_keys = |session_id: &String| {
            let key = |sink: &Sink| StateKey { session_id: session_id.clone(), sink: *sink };
            self.sinks.iter().map(key).collect::<Vec<_>>()
        };
        session_ids.iter().flat_map(session_keys).collect()
    }

    async fn follow(&self, screen: &Screen) -> anyhow::Result<()> {
        let (mut failed, mut changed_at, mut has_warned) = (0, Instant::now(), false);
        loop {
            match self.poll_states().await {
                Ok(changed) => {
                    failed = 0;
                    if changed {
                        (changed_at, has_warned) = (Instant::now(), false);
                    }
                }
                Err(error) => {
                    failed += 1;
                    if failed == MAX_FAILED_POLLS {
                        return Err(error.context("cannot read the sync states"));
                    }
                    screen.warn(&format!("{error:#}; retrying"));
                }
            }
            let counts = self.with_tracker(|tracker| tracker.counts());
            screen.show(counts);
            if let Some(announcer) = &self.announcer {
                announcer.announce_progress(counts).await;
            }
            if self.with_tracker(|tracker| tracker.is_settled()) || self.interrupt.is_raised() {
                return Ok(());
            }
            if changed_at.elapsed() > STALL_WARNING && !has_warned {
                has_warned = true;
                screen.warn(
                    "no progress for 5 minutes: check with `quiz-etl doctor` and `quiz-etl status` \
                     that the functions get messages; Ctrl-C stops following",
                );
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                () = self.interrupt.raised() => return Ok(()),
            }
        }
    }

    async fn poll_states(&self) -> anyhow::Result<bool> {
        let open = self.with_tracker(|tracker| tracker.open());
        let states = self.states.get_many(&open).await?;
        let states = open.into_iter().zip(states).collect();
        let now = Timestamp::now().as_millisecond();
        Ok(self.with_tracker(|tracker| tracker.observe(&states, now, &Rules::default())))
    }
}
