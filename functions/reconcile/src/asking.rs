//! Asks for tests again. A test is claimed in its states before its event is published: of two passes at once, one asks.

use futures::future::join_all;
use quiz_events::{REQUESTS_AT_ONCE, SessionTarget, SyncRequest};
use quiz_sync_state::{StateError, SyncState};
use tokio::time::{Instant, timeout_at};

use crate::behind::{Need, StaleSession};
use crate::pass::Reconciler;

/// The function, in its requests and its metrics.
pub(crate) const NAME: &str = "reconcile";

/// A need, and its state as the claim has left it.
struct Claimed<'a> {
    need: &'a Need,
    state: SyncState,
}

/// What became of the tests that are due.
#[derive(Debug, Default)]
pub struct Asked {
    /// Those whose events SNS has, with the needs that were claimed.
    pub tests: Vec<StaleSession>,
    /// Those that were not come to before the time was over.
    pub late: usize,
    /// What went wrong, in a few sentences.
    pub problems: Vec<String>,
}

impl Reconciler {
    /// Claims the tests and publishes an event for each, before `stop`.
    pub(crate) async fn ask(&self, tests: &[StaleSession], now: i64, stop: Instant) -> Asked {
        let mut asked = Asked::default();
        let tests: Vec<&StaleSession> = tests.iter().filter(|test| can_be_named(test)).collect();
        for chunk in tests.chunks(REQUESTS_AT_ONCE) {
            if Instant::now() >= stop {
                asked.late += chunk.len();
                continue;
            }
            self.ask_chunk(chunk, now, stop, &mut asked).await;
        }
        if asked.late > 0 {
            asked.problems.push(format!("no time was left to ask for {} of the tests", asked.late));
        }
        asked
    }

    async fn ask_chunk(&self, chunk: &[&StaleSession], now: i64, stop: Instant, asked: &mut Asked) {
        let claims = chunk.iter().map(async |test| (*test, self.claim(test, now).await));
        let Ok(claims) = timeout_at(stop, join_all(claims)).await else {
            // what was claimed is asked for when its wait is over
            asked.late += chunk.len();
            return;
        };
        let mut claimed: Vec<(&StaleSession, Vec<Claimed<'_>>)> = Vec::new();
        for (test, claim) in claims {
            match claim {
                Ok(claim) if claim.is_empty() => {
                    tracing::info!(session_id = test.session_id, "left alone: its state has just changed");
                }
                Ok(claim) => claimed.push((test, claim)),
                Err(error) => asked.problems.push(error.to_string()),
            }
        }
        let requests: Vec<SyncRequest> = claimed.iter().map(|(test, _)| request(test)).collect();
        let Ok(results) = timeout_at(stop, self.events.publish(&requests)).await else {
            asked.late += requests.len();
            return;
        };
        for ((test, claim), result) in claimed.into_iter().zip(results) {
            match result {
                Ok(()) => asked.tests.push(told(test, &claim)),
                Err(error) => {
                    asked.problems.push(format!("{} was not asked for: {error}", test.session_id));
                    self.give_back(&claim).await;
                }
            }
        }
    }

    /// Claims the test in each sink that needs it, in their order; nothing where the first has changed meanwhile: another
    /// pass is at it, or a sync.
    async fn claim<'a>(&self, test: &'a StaleSession, now: i64) -> Result<Vec<Claimed<'a>>, StateError> {
        let mut claimed = Vec::new();
        for need in &test.needs {
            let next = need.seen.request_again(&test.quiz_id, need.answered, now);
            match self.states.swap(&need.key, &need.seen, &next).await {
                Ok(true) => {
                    let state = SyncState { revision: need.seen.revision.saturating_add(1), ..next };
                    claimed.push(Claimed { need, state });
                }
                Ok(false) => break,
                Err(error) if claimed.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(session_id = test.session_id, error = %error, "one sink not claimed");
                    break;
                }
            }
        }
        Ok(claimed)
    }

    /// The next pass may ask again: this one could not. Where that cannot be stored, it is asked for after its wait.
    async fn give_back(&self, claim: &[Claimed<'_>]) {
        for Claimed { need, state } in claim {
            let before = SyncState { requested_again: need.seen.requested_again, ..state.clone() };
            if let Err(error) = self.states.swap(&need.key, state, &before).await {
                tracing::warn!(session_id = need.key.session_id, error = %error, "claim not given back");
            }
        }
    }
}

fn request(test: &StaleSession) -> SyncRequest {
    let target = SessionTarget { session_id: test.session_id.clone(), quiz_id: test.quiz_id.clone() };
    SyncRequest {
        targets: vec![target],
        reason: Some(NAME.to_owned()),
        requested_by: Some(NAME.to_owned()),
        ..SyncRequest::default()
    }
}

/// An earlier release took session ids with spaces, commas or quotes. The functions refuse them now, so each request for
/// one of them would be parked.
fn can_be_named(test: &StaleSession) -> bool {
    let refused =
        |error| tracing::warn!(session_id = test.session_id, %error, "left alone: no event can name it");
    let target = SessionTarget::new(&test.session_id, Some(&test.quiz_id), "session_id");
    target.map_err(refused).is_ok()
}

fn told(test: &StaleSession, claim: &[Claimed<'_>]) -> StaleSession {
    let needs = claim.iter().map(|it| Need { seen: it.state.clone(), ..it.need.clone() });
    let test = StaleSession { needs: needs.collect(), ..test.clone() };
    let causes: Vec<String> =
        test.needs.iter().map(|need| format!("{}: {:?}", need.key.sink, need.because)).collect();
    tracing::info!(
        session_id = test.session_id,
        quiz_id = test.quiz_id,
        why = causes.join(", "),
        "asked for again"
    );
    test
}
