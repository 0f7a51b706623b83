use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// In flight at first: DynamoDB takes so many of a key that it has not seen before.
const START: usize = 4;

/// How many requests are in flight at once, over everything that a store writes: one more after each round that
/// DynamoDB took whole, half as many when it did not.
pub(crate) struct Window {
    free: Semaphore,
    most: usize,
    state: Mutex<State>,
}

struct State {
    size: usize,
    /// Permits that are in use and too many: none of them is given back.
    excess: usize,
    /// Requests taken since the size last changed.
    taken: usize,
    /// How often it was halved.
    halved: u64,
}

/// A request's place in the window.
pub(crate) struct Place<'a> {
    window: &'a Window,
    permit: Option<SemaphorePermit<'a>>,
    halved: u64,
}

impl Window {
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let size = START.min(most);
        let state = State { size, excess: 0, taken: 0, halved: 0 };
        Self { free: Semaphore::new(size), most, state: Mutex::new(state) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a place; those who wait first get one first.
    pub async fn enter(&self) -> Place<'_> {
        // never closed, and without a permit a request would do no harm
        let permit = self.free.acquire().await.ok();
        Place { window: self, permit, halved: self.with(|state| state.halved) }
    }

    #[cfg(test)]
    fn size(&self) -> usize {
        self.with(|state| state.size)
    }
}

impl Place<'_> {
    /// DynamoDB took all of the request.
    pub fn taken(self) {
        let window = self.window;
        let grows = window.with(|state| {
            state.taken += 1;
            let grows = state.taken >= state.size && state.size < window.most;
            if grows {
                state.taken = 0;
                state.size += 1;
            }
            let was_excess = grows && state.excess > 0;
            state.excess -= usize::from(was_excess);
            grows && !was_excess
        });
        window.free.add_permits(usize::from(grows));
    }

    /// DynamoDB took nothing, or a part only. Requests that were under way together halve the window once.
    pub fn refused(self) {
        let window = self.window;
        window.with(|state| {
            if state.halved == self.halved {
                let less = state.size - (state.size / 2).max(1);
                state.size -= less;
                state.taken = 0;
                state.halved += 1;
                state.excess += less - window.free.forget_permits(less);
            }
        });
    }
}

impl Drop for Place<'_> {
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

    use super::{Place, START, Window};

    /// All places that are free.
    fn fill(window: &Window) -> Vec<Place<'_>> {
        std::iter::from_fn(|| window.enter().now_or_never()).collect()
    }

    #[test]
    fn it_grows_by_one_a_round_up_to_its_limit() {
        let window = Window::new(START + 2);
        for size in [START, START + 1, START + 2, START + 2] {
            let places = fill(&window);
            assert_eq!(places.len(), size);
            places.into_iter().for_each(Place::taken);
        }
        assert_eq!(fill(&Window::new(1)).len(), 1);
        assert_eq!(fill(&Window::new(0)).len(), 1, "it never closes");
    }

    #[test]
    fn those_that_were_under_way_together_halve_it_once_and_it_never_closes() {
        let window = Window::new(START);
        let mut size = START;
        while size > 1 {
            let places = fill(&window);
            assert_eq!(places.len(), size);
            places.into_iter().for_each(Place::refused);
            size /= 2;
            assert_eq!(window.size(), size);
        }
        fill(&window).into_iter().for_each(Place::refused);
        let places = fill(&window);
        assert_eq!(places.len(), 1);
        places.into_iter().for_each(Place::taken);
        assert_eq!(fill(&window).len(), 2);
    }

    #[test]
    fn what_is_too_many_after_it_was_halved_is_not_given_back() {
        let window = Window::new(START);
        let mut places = fill(&window);
        if let Some(place) = places.pop() {
            place.refused();
        }
        assert!(fill(&window).is_empty(), "as many are under way as it has room for");
        places.pop();
        assert_eq!(fill(&window).len(), 0);
        places.clear();
        assert_eq!(fill(&window).len(), START / 2);
    }
}
