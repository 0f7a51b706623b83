use quiz_events::SessionDescription;

use crate::rules::{Rules, millis};
use crate::state::{FollowUp, Lease, SyncState};

/// What some messages of one batch ask for, of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    pub quiz_id: String,
    /// When the newest of them was sent.
    pub through: i64,
    pub message_ids: Vec<String>,
    /// The one of them that stays in the queue while a run is under way.
    pub anchor: String,
    /// Sync, whatever was synced before, and now: write all of it, be it unchanged. When that was received.
    pub force: Option<i64>,
    /// The newest description, with the time when it was sent.
    pub description: Option<(i64, SessionDescription)>,
    /// The newest completion that they tell of, by its sender's clock.
    pub newest_completion: Option<i64>,
    /// The greatest depth of the follow-ups among them.
    pub follow_up_depth: u32,
    /// A name that no other run has.
    pub owner: String,
    /// Where there is too little time left to sync: when to do it instead.
    pub not_before: Option<i64>,
    /// No other test session's messages are lost with this run, should its process end.
    pub is_alone: bool,
}

/// What becomes of the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A complete sync has seen it all.
    Covered,
    /// A run, or a follow-up, that is on its way does it. `next` is to be stored first, where there is one. `keep`
    /// is the message that the run stands on: it must stay in the queue.
    Joined { next: Option<SyncState>, keep: Option<String> },
    /// To be done at `due`, by a follow-up that is to be sent first. See [`SyncState::deferred`].
    Defer { due: i64 },
    /// To be done by the asker, once `next` is stored. `progress` is what a paused run has left.
    Run { next: SyncState, progress: Option<String> },
    /// An earlier run crashed, so the next one may end its process, too. The caller settles the messages of the other
    /// test sessions, then asks again. `began` is when the newest crashed run took its lease.
    Isolate { crashed_runs: u32, began: i64 },
    /// Too many runs in a row crashed: the caller stores [`SyncState::parked_for_crashes`], then parks the messages.
    Park { crashed_runs: u32 },
    /// The newest request says that the session is of another quiz. `now` says whether a run is under way, after
    /// which this one may be right.
    Contradicts { quiz_id: String, now: bool },
}

impl SyncState {
    /// Decides about a request.
    #[must_use]
    pub fn admit(&self, ask: &LeaseRequest, now: i64, rules: &Rules) -> Admission {
        let held = self.held(now);
        let is_follow_up = self.follow_up.as_ref().is_some_and(|it| ask.message_ids.contains(&it.message_id));
        // a follow-up asks for all that has joined it
        let through = if is_follow_up { ask.through.max(self.requested_through) } else { ask.through };
        if held.is_some_and(|lease| lease.owner == ask.owner) {
            // the answer to storing it was lost
            return Admission::Run { next: self.clone(), progress: None };
        }
        let is_known = self.revision > 0 && !self.quiz_id.is_empty();
        if is_known && self.quiz_id != ask.quiz_id && (held.is_some() || ask.through < self.requested_through)
        {
            return Admission::Contradicts { quiz_id: self.quiz_id.clone(), now: held.is_some() };
        }
        if let Some(lease) = held {
            let keep = Some(&lease.message_id).filter(|id| ask.message_ids.contains(id)).cloned();
            return Admission::Joined { next: self.joined(ask), keep };
        }
        // a run that took it up and failed has not used it
        let knows_it = ask.description.as_ref().is_none_or(|(at, _)| *at <= self.last.read_described_at);
        if ask.force.is_none() && knows_it && self.quiz_id == ask.quiz_id && self.has_synced(through, rules) {
            return Admission::Covered;
        }
        let awaited = self.follow_up.as_ref().is_some_and(|it| now < it.due) && !is_follow_up;
        if awaited && ask.force.is_none() && self.quiz_id == ask.quiz_id {
            return Admission::Joined { next: self.joined(ask), keep: None };
        }
        let crashed_runs = self.crashed_runs(now);
        if self.is_crashing(ask, now) {
            return Admission::Park { crashed_runs };
        }
        if crashed_runs > 0 && !ask.is_alone && ask.not_before.is_none() {
            return Admission::Isolate { crashed_runs, began: self.generation };
        }
        if let Some(due) = ask.not_before {
            return Admission::Defer { due };
        }
        let next_read = self.synced_through.saturating_add(millis(rules.interval));
        if self.synced_through > 0 && now < next_read && ask.force.is_none() && !is_follow_up {
            return Admission::Defer { due: next_read };
        }
        let mut next = self.asked(ask);
        next.quiz_id.clone_from(&ask.quiz_id);
        next.generation = self.generation.saturating_add(1).max(now);
        next.lease = Some(Lease {
            owner: ask.owner.clone(),
            message_id: ask.anchor.clone(),
            until: now.saturating_add(millis(rules.lease)),
        });
        next.follow_up = None;
        next.crashed_runs = crashed_runs;
        let progress = next.progress.take();
        Admission::Run { next, progress }
    }

    /// The state after [`Admission::Defer`], once the follow-up is in the queue.
    #[must_use]
    pub fn deferred(&self, ask: &LeaseRequest, follow_up: FollowUp) -> Self {
        let mut next = self.asked(ask).joined_by(ask);
        next.quiz_id.clone_from(&ask.quiz_id);
        next.end_lost_run();
        next.followed_up(follow_up)
    }

    /// Takes away a lease that ran out. A holder that comes back must find that it lost it.
    pub(crate) fn end_lost_run(&mut self) {
        let is_lost = self.lease.take().is_some();
        self.generation += i64::from(is_lost);
        self.crashed_runs = self.crashed_runs.saturating_add(u32::from(is_lost));
    }

    /// `None` where the request adds nothing. To a lease it adds at least a revision: the holder may be about to end
    /// the run for a follow-up that this very request is, and then must look again.
    fn joined(&self, ask: &LeaseRequest) -> Option<Self> {
        let next = self.asked(ask).joined_by(ask);
        (next != *self || self.lease.is_some()).then_some(next)
    }

    /// With the messages that are acknowledged for it.
    fn joined_by(mut self, ask: &LeaseRequest) -> Self {
        let kept = self.lease.as_ref().filter(|lease| ask.message_ids.contains(&lease.message_id));
        let messages = ask.message_ids.len() - usize::from(kept.is_some());
        self.joined = self.joined.saturating_add(u64::try_from(messages).unwrap_or(u64::MAX));
        self
    }

    pub(crate) fn asked(&self, ask: &LeaseRequest) -> Self {
        let mut next = self.clone();
        next.requested_through = next.requested_through.max(ask.through);
        next.follow_up_depth = next.follow_up_depth.max(ask.follow_up_depth);
        if let Some(at) = ask.force {
            // a run that is under way may have begun to write: only one that reads later is sure to write all
            next.requested_through = next.requested_through.max(at);
            next.rewrite_through = next.rewrite_through.max(at);
        }
        next.newest_completion = next.newest_completion.max(ask.newest_completion);
        if let Some((at, description)) = &ask.description
            && (next.session.is_none() || *at > next.described_at)
        {
            next.session = Some(description.clone());
            next.described_at = *at;
        }
        next
    }
}
