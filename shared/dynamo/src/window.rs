//! Limits the requests in flight to the rate that DynamoDB accepts.
//!
//! The capacity of a table is unknown: it grows under load and differs by key. So the window adapts like TCP's
//! congestion window (additive increase, multiplicative decrease):
//!
//! - It starts with [`START`] requests.
//! - After a whole window of accepted requests it grows by one, up to its maximum.
//! - A throttled request halves it, to at least one. Requests that were in flight together halve it only once, because
//!   they all report one overload.
//!
//! Invariant: the semaphore's permits (free and in use) = `size` + `excess`. A smaller size first removes free permits;
//! the permits in use that are too many are the `excess`, and are dropped when their requests end.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The first size: DynamoDB accepts about this many requests for a key without traffic before.
const START: usize = 4;

/// The number of requests that all users of one store may have in flight.
pub(crate) struct Window {
    free: Semaphore,
    max_size: usize,
    state: Mutex<WindowState>,
}

struct WindowState {
    size: usize,
    /// Permits in use that are dropped when their requests end.
    excess: usize,
    /// Accepted requests since the size last changed.
    accepted: usize,
    /// How often the window was halved.
    halvings: u64,
}

/// The right to have one request in flight.
pub(crate) struct Slot<'a> {
    window: &'a Window,
    permit: Option<SemaphorePermit<'a>>,
    /// The window's halvings when the request began.
    halvings: u64,
}

impl Window {
    pub fn new(max_size: usize) -> Self {
        let max_size = max_size.clamp(1, Semaphore::MAX_PERMITS);
        let size = START.min(max_size);
        let state = WindowState { size, excess: 0, accepted: 0, halvings: 0 };
        Self { free: Semaphore::new(size), max_size, state: Mutex::new(state) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut WindowState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a slot, in the order of the calls.
    pub async fn acquire(&self) -> Slot<'_> {
        // The semaphore is never closed. If it were, a request without a permit would do no harm.
        let permit = self.free.acquire().await.ok();
        Slot { window: self, permit, halvings: self.with(|state| state.halvings) }
    }

    #[cfg(test)]
    fn size(&self) -> usize {
        self.with(|state| state.size)
    }
}

impl Slot<'_> {
    /// DynamoDB accepted the whole request.
    pub fn accepted(self) {
        let window = self.window;
        let needs_permit = window.with(|state| {
            state.accepted += 1;
            let grows = state.accepted >= state.size && state.size < window.max_size;
            if grows {
                state.accepted = 0;
                state.size += 1;
            }
            // an excess permit becomes the new one
            let reuses_excess = grows && state.excess > 0;
            state.excess -= usize::from(reuses_excess);
            grows && !reuses_excess
        });
        window.free.add_permits(usize::from(needs_permit));
    }

    /// DynamoDB accepted nothing, or only a part of the request.
    pub fn throttled(self) {
        let window = self.window;
        window.with(|state| {
            if state.halvings == self.halvings {
                let less = state.size - (state.size / 2).max(1);
                state.size -= less;
                state.accepted = 0;
                state.halvings += 1;
                state.excess += less - window.free.forget_permits(less);
            }
        });
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let is_excess = self.window.with(|state| {
            let is_excess = state.excess > 0;
            state.excess -= usize::from(is_excess);
            is_excess
        });
        if is_excess && let Some(permit) = self.permit.take() {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::{START, Slot, Window};

    /// Acquires all free slots.
    fn fill(window: &Window) -> Vec<Slot<'_>> {
        std::iter::from_fn(|| window.acquire().now_or_never()).collect()
    }

    #[test]
    fn window_grows_by_one_a_round_up_to_its_maximum() {
        let window = Window::new(START + 2);
        for size in [START, START + 1, START + 2, START + 2] {
            let slots = fill(&window);
            assert_eq!(slots.len(), size);
            slots.into_iter().for_each(Slot::accepted);
        }
        assert_eq!(fill(&Window::new(1)).len(), 1);
        assert_eq!(fill(&Window::new(0)).len(), 1, "one slot is always left");
    }

    #[test]
    fn requests_throttled_together_halve_the_window_once() {
        let window = Window::new(START);
        let mut size = START;
        while size > 1 {
            let slots = fill(&window);
            assert_eq!(slots.len(), size);
            slots.into_iter().for_each(Slot::throttled);
            size /= 2;
            assert_eq!(window.size(), size);
        }
        fill(&window).into_iter().for_each(Slot::throttled);
        let slots = fill(&window);
        assert_eq!(slots.len(), 1, "one slot is always left");
        slots.into_iter().for_each(Slot::accepted);
        assert_eq!(fill(&window).len(), 2);
    }

    #[test]
    fn excess_slots_are_dropped_after_a_halving() {
        let window = Window::new(START);
        let mut slots = fill(&window);
        if let Some(slot) = slots.pop() {
            slot.throttled();
        }
        assert!(fill(&window).is_empty(), "more slots are in use than the window has");
        slots.pop();
        assert_eq!(fill(&window).len(), 0);
        slots.clear();
        assert_eq!(fill(&window).len(), START / 2);
    }
}
