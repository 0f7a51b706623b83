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

use crate::backfill::journal::{AskedTest, Journal, Published};
use crate::backfill::plan::Impossible;
use crate::backfill::screen::Screen;
use crate::backfill::tell::Teller;
use crate::backfill::track::{Before, Tracker};
use crate::backfill::view::Ended;
use crate::ui::{Interrupt, Terminal};

/// Between two looks at the states.
const LOOK: Duration = Duration::from_secs(2);
/// After so many looks in a row that failed, following is given up.
const FAILED_LOOKS: u32 = 30;
/// When nothing has changed for so long, something is amiss.
const STILL: Duration = Duration::from_mins(5);

/// Tests to publish and to follow, on behalf of a backfill or a single wish.
pub struct Work<'a> {
    pub tests: HashMap<String, AskedTest>,
    pub sinks: Vec<Sink>,
    pub force: bool,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub backfill_id: Option<String>,
    /// Tests a second.
    pub rate: f64,
    pub follows: bool,
    pub topic: EventTopic,
    /// By its type: a trait object would link the way to store states, and the command only reads them.
    pub states: &'a DynamoStates,
    pub journal: Option<Mutex<Journal>>,
    pub tracker: Mutex<Tracker>,
    pub teller: Option<Teller>,
    pub terminal: Terminal,
    pub interrupt: &'a Interrupt,
}

impl Work<'_> {
    /// Publishes what is not published yet, at the pace, and follows all until each is settled or Ctrl-C asks to
    /// stop. What was done by then is in the tracker, and in the journal.
    ///
    /// # Errors
    /// Where events or states cannot be had; what is published stays so.
    pub async fn run(&self) -> anyhow::Result<()> {
        let screen = Screen::new(self.terminal, self.with(|tracker| tracker.counts()));
        if let Some(teller) = &self.teller {
            teller.started(self.with(|tracker| tracker.counts())).await;
        }
        let ended = if self.follows {
            tokio::try_join!(self.publish(&screen), self.follow(&screen)).map(|_| ())
        } else {
            self.publish(&screen).await
        };
        screen.finish();
        ended
    }

    /// How it stands by now.
    #[must_use]
    pub fn ended<'e>(&'e self, impossible: &'e [Impossible], took: Duration) -> Ended<'e> {
        Ended {
            backfill_id: self.backfill_id.as_deref(),
            counts: self.with(|tracker| tracker.counts()),
            failures: self.with(|tracker| tracker.failures()),
            retrying: self.with(|tracker| tracker.retrying()),
            impossible,
            took,
            interrupted: self.interrupt.is_raised(),
            followed: self.follows,
        }
    }

    /// The tracker, for a moment.
    pub fn with<T>(&self, look: impl FnOnce(&mut Tracker) -> T) -> T {
        look(&mut self.tracker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn publish(&self, screen: &Screen) -> anyhow::Result<()> {
        let unpublished = self.with(|tracker| tracker.unpublished());
        let (begun, mut sent) = (Instant::now(), 0.0);
        for chunk in unpublished.chunks(self.at_once()) {
            tokio::select! {
                () = tokio::time::sleep_until(begun + Duration::from_secs_f64(sent / self.rate)) => {}
                () = self.interrupt.raised() => {}
            }
            if self.interrupt.is_raised() {
                return Ok(());
            }
            self.publish_chunk(chunk).await?;
            screen.show(self.with(|tracker| tracker.counts()));
            sent += f64::from(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// No more at once than in a second of the pace.
    fn at_once(&self) -> usize {
        let in_a_second = (1..REQUESTS_AT_ONCE).zip(1_u32..);
        let enough = in_a_second.filter(|(_, tests)| f64::from(*tests) >= self.rate).map(|(tests, _)| tests);
        enough.min().unwrap_or(REQUESTS_AT_ONCE)
    }

    async fn publish_chunk(&self, session_ids: &[String]) -> anyhow::Result<()> {
        let keys = self.keys(session_ids);
        let states = self.states.get_many(&keys).await.context("the sync states cannot be read")?;
        let now = Timestamp::now().as_millisecond();
        let mut before: HashMap<&str, HashMap<Sink, Before>> = HashMap::new();
        for (key, state) in keys.iter().zip(&states) {
            before.entry(&key.session_id).or_default().insert(key.sink, Before::of(state, now));
        }
        let tests = session_ids.iter().filter_map(|id| self.tests.get(id));
        let requests: Vec<SyncRequest> = tests.map(|test| self.event(test)).collect();
        let results = self.topic.publish(&requests).await;
        let mut published = Vec::new();
        let mut failed = None;
        for (session_id, result) in session_ids.iter().zip(results) {
            match result {
                Ok(()) => published.push(Published {
                    session_id: session_id.clone(),
                    before: before.remove(session_id.as_str()).unwrap_or_default(),
                }),
                Err(error) => failed = Some((session_id, error)),
            }
        }
        self.with(|tracker| {
            for test in &published {
                tracker.published(&test.session_id, &test.before);
            }
        });
        if let Some(journal) = &self.journal {
            journal.lock().unwrap_or_else(PoisonError::into_inner).published(published)?;
        }
        match failed {
            None => Ok(()),
            Some((session_id, error)) => {
                Err(anyhow!(error).context(format!("{session_id} is not published")))
            }
        }
    }

    fn event(&self, test: &AskedTest) -> SyncRequest {
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
        let of_sinks = |session_id: &String| {
            let key = |sink: &Sink| StateKey { session_id: session_id.clone(), sink: *sink };
            self.sinks.iter().map(key).collect::<Vec<_>>()
        };
        session_ids.iter().flat_map(of_sinks).collect()
    }

    async fn follow(&self, screen: &Screen) -> anyhow::Result<()> {
        let (mut failed, mut still_since, mut has_warned) = (0, Instant::now(), false);
        loop {
            match self.look().await {
                Ok(changed) => {
                    failed = 0;
                    if changed {
                        (still_since, has_warned) = (Instant::now(), false);
                    }
                }
                Err(error) => {
                    failed += 1;
                    if failed == FAILED_LOOKS {
                        return Err(error.context("the sync states cannot be read"));
                    }
                    screen.warn(&format!("{error:#}: trying again"));
                }
            }
            let counts = self.with(|tracker| tracker.counts());
            screen.show(counts);
            if let Some(teller) = &self.teller {
                teller.goes_on(counts).await;
            }
            if self.with(|tracker| tracker.is_settled()) || self.interrupt.is_raised() {
                return Ok(());
            }
            if still_since.elapsed() > STILL && !has_warned {
                has_warned = true;
                screen.warn(
                    "nothing has moved for 5 minutes: do the functions get their messages? \
                     `quiz-etl doctor` and `quiz-etl status` tell more; Ctrl-C stops following",
                );
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.interrupt.raised() => return Ok(()),
            }
        }
    }

    async fn look(&self) -> anyhow::Result<bool> {
        let open = self.with(|tracker| tracker.open());
        let states = self.states.get_many(&open).await?;
        let states = open.into_iter().zip(states).collect();
        let now = Timestamp::now().as_millisecond();
        Ok(self.with(|tracker| tracker.observe(&states, now, &Rules::default())))
    }
}
