use std::sync::{Arc, Mutex, PoisonError};

/// The write requests of one run without an answer, which can still arrive.
#[derive(Clone, Default)]
pub(super) struct SentWrites(Arc<Mutex<Unanswered>>);

#[derive(Default)]
struct Unanswered {
    under_way: usize,
    /// When the newest request that was given up was sent, in milliseconds since 1970.
    last_given_up: Option<i64>,
}

impl SentWrites {
    fn with<T>(&self, change: impl FnOnce(&mut Unanswered) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn begin(&self, sent_at: i64) -> SentWrite {
        self.with(|unanswered| unanswered.under_way += 1);
        SentWrite { sent_at, writes: self.clone(), is_answered: false }
    }

    pub fn last_unanswered(&self, now: i64) -> Option<i64> {
        self.with(|unanswered| if unanswered.under_way > 0 { Some(now) } else { unanswered.last_given_up })
    }
}

/// One write request that is under way. If this is dropped, the request counts as given up without an answer.
pub struct SentWrite {
    sent_at: i64,
    writes: SentWrites,
    is_answered: bool,
}

impl SentWrite {
    /// When the request was sent, in milliseconds since 1970.
    #[must_use]
    pub fn sent_at(&self) -> i64 {
        self.sent_at
    }

    /// Notes the answer of the store: nothing of the request can arrive later.
    pub fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for SentWrite {
    fn drop(&mut self) {
        self.writes.with(|unanswered| {
            unanswered.under_way -= 1;
            if !self.is_answered {
                unanswered.last_given_up = unanswered.last_given_up.max(Some(self.sent_at));
            }
        });
    }
}
