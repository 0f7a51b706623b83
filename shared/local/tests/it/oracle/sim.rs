//! A scheduler whose seed decides which waiting call continues, and whether the call fails.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::oracle::late::Write;

/// A moment before or after an outside call, where a worker can be stopped or can crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub worker: usize,
    /// The number of the call, in this worker's order of calls.
    call: u64,
    is_after: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// The call is not made, or its answer is lost.
    Fail,
}

struct Waiting {
    what: &'static str,
    grant: oneshot::Sender<Verdict>,
    /// The write that the call is about to make.
    write: Option<Write>,
}

#[derive(Default)]
struct Inner {
    waiting: BTreeMap<Point, Waiting>,
    calls: HashMap<usize, u64>,
    busy: usize,
    arrivals: u64,
}

/// The waiting calls and the running calls.
#[derive(Clone, Default)]
pub struct Sim(Arc<Mutex<Inner>>);

impl Sim {
    /// The points that can be granted, in an order that does not depend on the threads.
    pub fn waiting(&self) -> Vec<(Point, &'static str)> {
        let mut inner = self.0.lock().unwrap();
        inner.waiting.retain(|_, waiting| !waiting.grant.is_closed());
        inner.waiting.iter().map(|(point, waiting)| (*point, waiting.what)).collect()
    }

    pub fn grant(&self, point: Point, verdict: Verdict) {
        if let Some(waiting) = self.0.lock().unwrap().waiting.remove(&point) {
            let _ = waiting.grant.send(verdict);
        }
    }

    /// Whether the call at this point is about to make a write that can be applied late.
    pub fn is_write(&self, point: Point) -> bool {
        self.0.lock().unwrap().waiting.get(&point).is_some_and(|waiting| waiting.write.is_some())
    }

    /// Takes the write that the call at this point has not made yet.
    pub fn take_write(&self, point: Point) -> Option<Write> {
        self.0.lock().unwrap().waiting.get_mut(&point)?.write.take()
    }

    /// Waits until every worker has ended, or waits for a grant or for time to pass.
    pub async fn settle(&self) {
        let (mut seen, mut quiet) = (u64::MAX, 0);
        while quiet < 16 {
            tokio::task::yield_now().await;
            let inner = self.0.lock().unwrap();
            if inner.busy == 0 && inner.arrivals == seen {
                quiet += 1;
            } else {
                (seen, quiet) = (inner.arrivals, 0);
            }
        }
    }

    async fn point(&self, point: Point, what: &'static str, write: Option<Write>) -> Verdict {
        let (grant, granted) = oneshot::channel();
        {
            let mut inner = self.0.lock().unwrap();
            inner.arrivals += 1;
            inner.waiting.insert(point, Waiting { what, grant, write });
        }
        granted.await.unwrap_or(Verdict::Fail)
    }
}

/// One worker's access to the scheduler.
#[derive(Clone)]
pub struct Party {
    pub sim: Sim,
    pub worker: usize,
}

impl Party {
    /// Makes a call when the scheduler grants the call, and returns its answer when the scheduler grants the answer.
    pub async fn call<T, E>(
        &self,
        what: &'static str,
        failed: impl Fn() -> E,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.make(what, failed, None, call).await
    }

    /// As [`Party::call`], for a write that can be applied after its call has failed.
    pub async fn write<T, E>(
        &self,
        what: &'static str,
        failed: impl Fn() -> E,
        write: Write,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.make(what, failed, Some(write), call).await
    }

    async fn make<T, E>(
        &self,
        what: &'static str,
        failed: impl Fn() -> E,
        write: Option<Write>,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut point = {
            let mut inner = self.sim.0.lock().unwrap();
            let calls = inner.calls.entry(self.worker).or_default();
            *calls += 1;
            Point { worker: self.worker, call: *calls, is_after: false }
        };
        if self.sim.point(point, what, write).await == Verdict::Fail {
            return Err(failed());
        }
        let answer = {
            let _busy = Busy::new(&self.sim);
            call.await
        };
        point.is_after = true;
        if self.sim.point(point, what, None).await == Verdict::Fail {
            return Err(failed());
        }
        answer
    }
}

struct Busy<'a>(&'a Sim);

impl<'a> Busy<'a> {
    fn new(sim: &'a Sim) -> Self {
        let mut inner = sim.0.lock().unwrap();
        inner.busy += 1;
        inner.arrivals += 1;
        drop(inner);
        Self(sim)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.0.lock().unwrap();
        inner.busy -= 1;
        inner.arrivals += 1;
    }
}
