//! The syncs that write the student's test sessions anew.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use quiz_events::{SessionTarget, Sink};
use quiz_sync_state::{StateKey, SyncStates};

use crate::backfill::{FailedSync, RequestedSession, Tracker, Work};
use crate::erase::stores::Stores;
use crate::ui::{Interrupt, Terminal};

/// The reason in the requests.
const REASON: &str = "erase";
/// Between two reads of the sync states.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The end of the syncs.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    /// Test sessions and sinks whose sync began to read after its request.
    pub done: HashSet<(String, Sink)>,
    pub failures: Vec<FailedSync>,
}

impl Synced {
    pub fn has(&self, session_id: &str, sink: Sink) -> bool {
        self.done.contains(&(session_id.to_owned(), sink))
    }
}

/// Requests a sync of each test session and waits until each is done or parked.
///
/// # Errors
/// A request that cannot be published, sync states that cannot be read, or Ctrl-C.
pub(crate) async fn sync(
    stores: &Stores,
    targets: &[SessionTarget],
    requested_by: Option<String>,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<Synced> {
    if targets.is_empty() {
        return Ok(Synced::default());
    }
    let states = stores.settings.states();
    let requested =
        |target: &SessionTarget| (target.session_id.clone(), RequestedSession::unnamed(target.clone(), None));
    let ids = targets.iter().map(|target| target.session_id.clone());
    let sinks = Sink::ALL.to_vec();
    let work = Work {
        tests: targets.iter().map(requested).collect::<HashMap<_, _>>(),
        sinks: sinks.clone(),
        // a sync deletes leftover items without it, and writes what changes
        force: false,
        reason: Some(REASON.to_owned()),
        requested_by,
        backfill_id: None,
        rate: f64::MAX,
        follows: true,
        topic: stores.settings.topic(),
        states: &states,
        journal: None,
        tracker: Mutex::new(Tracker::new(sinks, ids)),
        announcer: None,
        terminal,
        interrupt,
    };
    work.run().await?;
    if !work.with_tracker(|tracker| tracker.is_settled()) {
        bail!("stopped before all test sessions were synced: run the command again to continue");
    }
    let failures = work.with_tracker(|tracker| tracker.failures());
    let has_failed =
        |id: &str, sink: Sink| failures.iter().any(|failed| failed.session_id == id && failed.sink == sink);
    let all = targets.iter().flat_map(|target| Sink::ALL.map(|sink| (target.session_id.clone(), sink)));
    let done = all.filter(|(session_id, sink)| !has_failed(session_id, *sink)).collect();
    Ok(Synced { done, failures })
}

/// Waits until no run has the lease of these test sessions. Each run that began before has ended then, or its fence has.
///
/// # Errors
/// Sync states that cannot be read.
pub(crate) async fn wait_for_runs(stores: &Stores, session_ids: &BTreeSet<String>) -> anyhow::Result<()> {
    let states = stores.settings.states();
    let mut left: Vec<StateKey> = session_ids
        .iter()
        .flat_map(|session_id| Sink::ALL.map(|sink| StateKey { session_id: session_id.clone(), sink }))
        .collect();
    loop {
        let found = states.get_many(&left).await.context("cannot read the sync states")?;
        let now = Timestamp::now().as_millisecond();
        let held = left.into_iter().zip(found).filter(|(_, state)| state.held(now).is_some());
        left = held.map(|(key, _)| key).collect();
        if left.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
