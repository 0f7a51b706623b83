//! Admission: the decision about the messages of one test session in a batch.
//!
//! Problem: requests come in bursts, late, and more than once, and a run may be under way. Idea: one function of the state,
//! the request and the time decides: [`SyncState::admit`] lists its rules.
//!
//! See docs/decisions/0008-sync-state.md and docs/decisions/0013-crashes.md.

use quiz_events::SessionDescription;

use crate::rules::{Rules, millis};
use crate::state::{FollowUp, Lease, SyncState};

/// The request of the messages in one batch that name the same test session. All times are in ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The quiz that the messages name.
    pub quiz_id: String,
    /// When the newest message was sent.
    pub through: i64,
    /// The ids of all messages, at least one.
    pub message_ids: Vec<String>,
    /// The id of the message that stays in the queue while the run works; one of `message_ids`.
    pub anchor: String,
    /// When a forced request was received: sync at once, even if covered, and rewrite unchanged items.
    pub force: Option<i64>,
    /// The newest description, with the time at which it was sent.
    pub description: Option<(i64, SessionDescription)>,
    /// The newest completion of the messages, by its sender's clock.
    pub newest_completion: Option<i64>,
    /// The greatest depth of the follow-ups among the messages.
    pub follow_up_depth: u32,
    /// A unique name of this request's possible run.
    pub owner: String,
    /// When to sync instead, if too little time is left now.
    pub not_before: Option<i64>,
    /// Whether a crash of this run returns no messages of other test sessions.
    pub is_alone: bool,
}

/// The decision about a request. All times are in ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A finished sync covers the request: acknowledge the messages.
    Covered,
    /// A run or a follow-up serves the request. Store `next` first, if there is one. `keep` is the anchor of the run, which
    /// must stay in the queue.
    Joined { next: Option<SyncState>, keep: Option<String> },
    /// Send a follow-up due at `due`, then store [`SyncState::deferred`].
    Defer { due: i64 },
    /// Store `next`, then run. `progress` is the progress of an earlier run of the same sync.
    Run { next: SyncState, progress: Option<String> },
    /// An earlier run crashed, so the next one may crash as well. The caller settles the messages of the other test
    /// sessions, then admits again. `began` is when the newest crashed run took its lease.
    Isolate { crashed_runs: u32, began: i64 },
    /// Too many runs in a row crashed: the caller stores [`SyncState::parked_for_crashes`], then parks the messages.
    Park { crashed_runs: u32 },
    /// The newest request names another quiz. `now` is whether a run is under way, after which this request may be right.
    Contradicts { quiz_id: String, now: bool },
}

impl SyncState {
    /// Decides about a request at `now` (ms since 1970). The first rule that applies wins:
    ///
    /// 1. The request contradicts the quiz of a newer request: [`Admission::Contradicts`].
    /// 2. A lease holds: [`Admission::Joined`].
    /// 3. A finished sync covers the request: [`Admission::Covered`].
    /// 4. A follow-up is due later: [`Admission::Joined`].
    /// 5. Earlier runs crashed: [`Admission::Park`] or [`Admission::Isolate`].
    /// 6. Too little time, or the interval since the last read has not passed: [`Admission::Defer`].
    /// 7. Otherwise: [`Admission::Run`]. A forced request skips rules 3 and 4, and the interval.
    ///
    /// # Examples
    ///
    /// A sync has read everything until 100 s. The next message comes before the interval of 90 s is over.
    ///
    /// ```
    /// use quiz_sync_state::{Admission, LeaseRequest, Rules, SyncState};
    ///
    /// let state = SyncState {
    ///     revision: 4,
    ///     quiz_id: "6715f621e1eb083bfa9b56cc".to_owned(),
    ///     synced_through: 100_000,
    ///     ..SyncState::default()
    /// };
    /// let rules = Rules::default();
    /// # let request = |message_id: &str, through| LeaseRequest {
    /// #     quiz_id: "6715f621e1eb083bfa9b56cc".to_owned(),
    /// #     through,
    /// #     message_ids: vec![message_id.to_owned()],
    /// #     anchor: message_id.to_owned(),
    /// #     force: None,
    /// #     description: None,
    /// #     newest_completion: None,
    /// #     follow_up_depth: 0,
    /// #     owner: format!("run of {message_id}"),
    /// #     not_before: None,
    /// #     is_alone: false,
    /// # };
    /// // `request(message_id, sent_at)` is made as in the example of this crate
    /// let sent_at_120 = request("m-1", 120_000);
    /// assert_eq!(state.admit(&sent_at_120, 121_000, &rules), Admission::Defer { due: 190_000 });
    /// // an operator's forced request does not wait
    /// let forced = LeaseRequest { force: Some(121_000), ..sent_at_120 };
    /// assert!(matches!(state.admit(&forced, 121_000, &rules), Admission::Run { .. }));
    /// // a message that arrives late is covered: it was sent before the read
    /// assert_eq!(state.admit(&request("m-2", 90_000), 121_000, &rules), Admission::Covered);
    /// // an older message names another quiz
    /// let state = SyncState { requested_through: 150_000, ..state };
    /// let other = LeaseRequest { quiz_id: "671746a7ce6bc6d1f9aba0a8".to_owned(), ..request("m-3", 120_000) };
    /// let contradicts = Admission::Contradicts { quiz_id: state.quiz_id.clone(), now: false };
    /// assert_eq!(state.admit(&other, 151_000, &rules), contradicts);
    /// ```
    #[must_use]
    pub fn admit(&self, request: &LeaseRequest, now: i64, rules: &Rules) -> Admission {
        let held = self.held(now);
        let is_follow_up = self
            .follow_up
            .as_ref()
            .is_some_and(|follow_up| request.message_ids.contains(&follow_up.message_id));
        // a follow-up stands for all requests that joined it
        let through =
            if is_follow_up { request.through.max(self.requested_through) } else { request.through };
        if held.is_some_and(|lease| lease.owner == request.owner) {
            // the lease was stored, but the answer was lost
            return Admission::Run { next: self.clone(), progress: None };
        }
        let is_known = self.revision > 0 && !self.quiz_id.is_empty();
        if is_known
            && self.quiz_id != request.quiz_id
            && (held.is_some() || request.through < self.requested_through)
        {
            return Admission::Contradicts { quiz_id: self.quiz_id.clone(), now: held.is_some() };
        }
        if let Some(lease) = held {
            let keep = Some(&lease.message_id).filter(|id| request.message_ids.contains(id)).cloned();
            return Admission::Joined { next: self.joined(request), keep };
        }
        // a description is known if a finished run has used it
        let is_described =
            request.description.as_ref().is_none_or(|(at, _)| *at <= self.last.read_described_at);
        if request.force.is_none()
            && is_described
            && self.quiz_id == request.quiz_id
            && self.has_synced(through, rules)
        {
            return Admission::Covered;
        }
        let is_awaited =
            self.follow_up.as_ref().is_some_and(|follow_up| now < follow_up.due) && !is_follow_up;
        if is_awaited && request.force.is_none() && self.quiz_id == request.quiz_id {
            return Admission::Joined { next: self.joined(request), keep: None };
        }
        let crashed_runs = self.crashed_runs(now);
        if self.is_crashing(request, now) {
            return Admission::Park { crashed_runs };
        }
        if crashed_runs > 0 && !request.is_alone && request.not_before.is_none() {
            return Admission::Isolate { crashed_runs, began: self.generation };
        }
        if let Some(due) = request.not_before {
            return Admission::Defer { due };
        }
        let next_read = self.synced_through.saturating_add(millis(rules.interval));
        if self.synced_through > 0 && now < next_read && request.force.is_none() && !is_follow_up {
            return Admission::Defer { due: next_read };
        }
        let mut next = self.with_request(request);
        next.quiz_id.clone_from(&request.quiz_id);
        next.generation = self.generation.saturating_add(1).max(now);
        next.lease = Some(Lease {
            owner: request.owner.clone(),
            message_id: request.anchor.clone(),
            until: now.saturating_add(millis(rules.lease)),
        });
        next.follow_up = None;
        next.crashed_runs = crashed_runs;
        let progress = next.progress.take();
        Admission::Run { next, progress }
    }

    /// The state after [`Admission::Defer`], once the follow-up is in the queue.
    #[must_use]
    pub fn deferred(&self, request: &LeaseRequest, follow_up: FollowUp) -> Self {
        let mut next = self.with_request(request).with_joined(request);
        next.quiz_id.clone_from(&request.quiz_id);
        next.end_lost_run();
        next.followed_up(follow_up)
    }

    /// Removes an expired lease. The generation grows, so that a holder that returns finds its lease lost.
    pub(crate) fn end_lost_run(&mut self) {
        let is_lost = self.lease.take().is_some();
        self.generation += i64::from(is_lost);
        self.crashed_runs = self.crashed_runs.saturating_add(u32::from(is_lost));
    }

    /// The state with the request joined; `None` if the request adds nothing. While a lease holds, the revision always grows,
    /// so that a holder about to finish sees this request and reads the state again.
    fn joined(&self, request: &LeaseRequest) -> Option<Self> {
        let next = self.with_request(request).with_joined(request);
        (next != *self || self.lease.is_some()).then_some(next)
    }

    /// Counts the messages that are acknowledged for the request.
    fn with_joined(mut self, request: &LeaseRequest) -> Self {
        let kept = self.lease.as_ref().filter(|lease| request.message_ids.contains(&lease.message_id));
        let messages = request.message_ids.len() - usize::from(kept.is_some());
        self.joined = self.joined.saturating_add(u64::try_from(messages).unwrap_or(u64::MAX));
        self
    }

    /// The state with the request.
    pub(crate) fn with_request(&self, request: &LeaseRequest) -> Self {
        let mut next = self.clone();
        next.requested_through = next.requested_through.max(request.through);
        next.follow_up_depth = next.follow_up_depth.max(request.follow_up_depth);
        if let Some(at) = request.force {
            // a running sync may have begun to write: only a run that reads later is sure to rewrite everything
            next.requested_through = next.requested_through.max(at);
            next.rewrite_through = next.rewrite_through.max(at);
        }
        next.newest_completion = next.newest_completion.max(request.newest_completion);
        if let Some((at, description)) = &request.description
            && (next.session.is_none() || *at > next.described_at)
        {
            next.session = Some(description.clone());
            next.described_at = *at;
        }
        next
    }
}
