//! Publishes the sync requests of a pass.
//!
//! Two passes may run at once. So a pass claims a test session in its sync states before it publishes the event: the
//! swap of a state succeeds for one pass only. If SNS refuses the event, the pass undoes the claim.

use futures::future::join_all;
use quiz_events::{REQUESTS_AT_ONCE, SessionTarget, SyncRequest};
use quiz_sync_state::{StateError, SyncState};
use tokio::time::{Instant, timeout_at};

use crate::pass::Reconciler;
use crate::stale::{Need, StaleSession};

/// The function's name, in its requests and its metrics.
pub(crate) const NAME: &str = "reconcile";

/// A need and its state after the claim.
struct ClaimedNeed<'a> {
    need: &'a Need,
    state: SyncState,
}

/// The result of requesting the test sessions that are due.
#[derive(Debug, Default)]
pub struct RequestReport {
    /// Test sessions whose events SNS accepted, with the needs that were claimed.
    pub published: Vec<StaleSession>,
    /// How many test sessions the pass had no time for.
    pub late: usize,
    /// One sentence for each failure.
    pub problems: Vec<String>,
}

impl Reconciler {
    /// Claims the test sessions and publishes an event for each, before `stop`.
    pub(crate) async fn request_syncs(
        &self,
        sessions: &[StaleSession],
        now: i64,
        stop: Instant,
    ) -> RequestReport {
        let mut report = RequestReport::default();
        let sessions: Vec<&StaleSession> =
            sessions.iter().filter(|session| has_valid_target(session)).collect();
        for chunk in sessions.chunks(REQUESTS_AT_ONCE) {
            if Instant::now() >= stop {
                report.late += chunk.len();
                continue;
            }
            self.request_chunk(chunk, now, stop, &mut report).await;
        }
        if report.late > 0 {
            report.problems.push(format!("no time was left to request {} test sessions", report.late));
        }
        report
    }

    async fn request_chunk(
        &self,
        chunk: &[&StaleSession],
        now: i64,
        stop: Instant,
        report: &mut RequestReport,
    ) {
        // claim
        let claims = chunk.iter().map(async |session| (*session, self.claim(session, now).await));
        let Ok(claims) = timeout_at(stop, join_all(claims)).await else {
            // a later pass requests the claimed test sessions when their wait is over
            report.late += chunk.len();
            return;
        };
        let mut claimed: Vec<(&StaleSession, Vec<ClaimedNeed<'_>>)> = Vec::new();
        for (session, claim) in claims {
            match claim {
                Ok(claim) if claim.is_empty() => {
                    tracing::info!(
                        session_id = session.session_id,
                        "session skipped: its state just changed"
                    );
                }
                Ok(claim) => claimed.push((session, claim)),
                Err(error) => report.problems.push(error.to_string()),
            }
        }
        // publish
        let requests: Vec<SyncRequest> = claimed.iter().map(|(session, _)| request(session)).collect();
        let Ok(results) = timeout_at(stop, self.events.publish(&requests)).await else {
            report.late += requests.len();
            return;
        };
        // undo the claims of refused events
        for ((session, claim), result) in claimed.into_iter().zip(results) {
            match result {
                Ok(()) => report.published.push(with_claim(session, &claim)),
                Err(error) => {
                    report.problems.push(format!("cannot request {}: {error}", session.session_id));
                    self.undo_claim(&claim).await;
                }
            }
        }
    }

    /// Claims the test session in each sink that needs a sync, in the order of its needs. Returns no claim if the first
    /// state has changed: another pass or a sync has taken the test session.
    async fn claim<'a>(
        &self,
        session: &'a StaleSession,
        now: i64,
    ) -> Result<Vec<ClaimedNeed<'a>>, StateError> {
        let mut claimed = Vec::new();
        for need in &session.needs {
            let mut next = need.seen.request_again(&session.quiz_id, need.answered, now);
            next.key_requested = need.new_key.clone().or(next.key_requested);
            match self.states.swap(&need.key, &need.seen, &next).await {
                Ok(true) => {
                    let state = SyncState { revision: need.seen.revision.saturating_add(1), ..next };
                    claimed.push(ClaimedNeed { need, state });
                }
                Ok(false) => break,
                Err(error) if claimed.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(session_id = session.session_id, error = %error, "one sink not claimed");
                    break;
                }
            }
        }
        Ok(claimed)
    }

    /// Lets the next pass request the test session at once. If the state cannot be stored, the wait of the claim applies.
    async fn undo_claim(&self, claim: &[ClaimedNeed<'_>]) {
        for ClaimedNeed { need, state } in claim {
            let before = SyncState { requested_again: need.seen.requested_again, ..state.clone() };
            if let Err(error) = self.states.swap(&need.key, state, &before).await {
                tracing::warn!(session_id = need.key.session_id, error = %error, "claim not undone");
            }
        }
    }
}

fn request(session: &StaleSession) -> SyncRequest {
    let target = SessionTarget { session_id: session.session_id.clone(), quiz_id: session.quiz_id.clone() };
    SyncRequest {
        targets: vec![target],
        reason: Some(NAME.to_owned()),
        requested_by: Some(NAME.to_owned()),
        ..SyncRequest::default()
    }
}

/// An earlier release accepted session ids with spaces, commas or quotes. The functions refuse them now and would park
/// each request for such a test session.
fn has_valid_target(session: &StaleSession) -> bool {
    let log_refusal = |error| {
        tracing::warn!(session_id = session.session_id, %error, "session skipped: events cannot carry its id");
    };
    let target = SessionTarget::new(&session.session_id, Some(&session.quiz_id), "session_id");
    target.map_err(log_refusal).is_ok()
}

/// The test session with the claimed needs only; logs the request.
fn with_claim(session: &StaleSession, claim: &[ClaimedNeed<'_>]) -> StaleSession {
    let needs = claim.iter().map(|claimed| Need { seen: claimed.state.clone(), ..claimed.need.clone() });
    let session = StaleSession { needs: needs.collect(), ..session.clone() };
    let reasons: Vec<String> =
        session.needs.iter().map(|need| format!("{}: {:?}", need.key.sink, need.reason)).collect();
    tracing::info!(
        session_id = session.session_id,
        quiz_id = session.quiz_id,
        why = reasons.join(", "),
        "sync requested"
    );
    session
}
