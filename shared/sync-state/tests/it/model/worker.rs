//! What a worker does with its messages, as the pipeline's coordinator does it. Whatever others can see is a step of
//! its own. A read of the state and the decision upon it are one: where the swap succeeds, nothing came between.

use std::collections::BTreeSet;

use quiz_sync_state::{
    Admission, Ending, FollowUp, LastRun, LeaseHolder, LeaseRequest, RunFailure, SyncState,
};

use crate::model::system::{Bug, Protocol, World};

const QUIZ: &str = "q";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// The messages that it has, and has not given back.
    pub batch: BTreeSet<u8>,
    pub anchor: u8,
    pub through: i64,
    /// The state was changed since it was read.
    pub is_stale: bool,
    /// A follow-up that is in the queue, and not stored yet.
    pub sent: Option<FollowUp>,
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Asking,
    Swapping { next: Box<SyncState>, then: Then },
    Running(Run),
    Acking(Then),
}

/// What a swap is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    Covered,
    Joined { keep: Option<u8> },
    Deferred,
    Run { noted: Option<u8> },
    End(Run),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub generation: i64,
    /// The end of the lease, as the run knows it.
    pub until: i64,
    pub readable_at: i64,
    /// The version of the first part that a run before it had written when it paused.
    pub noted: Option<u8>,
    pub read: Option<Read>,
    pub written: usize,
    /// It is about to end in this way, and does nothing else any more.
    pub end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    pub started_at: i64,
    pub version: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Finished,
    Failed,
    Paused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Admit {
        is_late: bool,
    },
    Swap,
    Read,
    Write,
    Heartbeat,
    /// Reads the state and decides; sends the follow-up, where there is one.
    End(End),
    Ack,
}

impl Task {
    pub fn new(batch: BTreeSet<u8>, anchor: u8, through: i64) -> Self {
        Self { batch, anchor, through, is_stale: false, sent: None, step: Step::Asking }
    }

    pub fn moves(&self, protocol: &Protocol, world: &World) -> Vec<Move> {
        match &self.step {
            Step::Asking => {
                let late = (world.left.hurries > 0).then_some(Move::Admit { is_late: true });
                [Move::Admit { is_late: false }].into_iter().chain(late).collect()
            }
            Step::Swapping { .. } => vec![Move::Swap],
            Step::Running(run) => run.moves(protocol, world),
            Step::Acking(_) => vec![Move::Ack],
        }
    }

    fn ask(&self, owner: u8, not_before: Option<i64>) -> LeaseRequest {
        LeaseRequest {
            quiz_id: QUIZ.to_owned(),
            through: self.through,
            message_ids: self.batch.iter().map(u8::to_string).collect(),
            anchor: self.anchor.to_string(),
            force: None,
            description: None,
            owner: owner.to_string(),
            newest_completion: None,
            not_before,
            is_alone: true,
            follow_up_depth: 0,
        }
    }
}

impl Run {
    fn moves(&self, protocol: &Protocol, world: &World) -> Vec<Move> {
        if let Some(end) = self.end {
            return vec![Move::End(end)];
        }
        if self.written == protocol.parts {
            return vec![Move::End(End::Finished)];
        }
        let may_write = world.now < self.until || protocol.bug == Some(Bug::NoFence);
        let mut moves = Vec::new();
        if self.read.is_none() && self.readable_at <= world.now {
            moves.push(Move::Read);
        }
        if self.read.is_some() && may_write {
            moves.push(Move::Write);
        }
        if world.left.heartbeats > 0 {
            moves.push(Move::Heartbeat);
        }
        if self.written > 0 && world.left.pauses > 0 {
            moves.push(Move::End(End::Paused));
        }
        if world.left.failures > 0 || !may_write {
            moves.push(Move::End(End::Failed));
        }
        moves
    }

    fn hold(&self, owner: u8) -> LeaseHolder {
        LeaseHolder { owner: owner.to_string(), generation: self.generation }
    }

    fn ending(&self, protocol: &Protocol, world: &World, owner: u8, end: End) -> Ending {
        let (state, hold) = (&world.stored, self.hold(owner));
        let started_at = self.read.map(|read| read.started_at).unwrap_or_default();
        let read_started_at = started_at + i64::from(protocol.bug == Some(Bug::CoversOwnTime));
        let last = LastRun { read_started_at, ..LastRun::default() };
        match end {
            End::Finished => state.finished(&hold, &last, &protocol.rules),
            End::Failed => {
                let failure = RunFailure { code: String::new(), error: String::new(), parked: false };
                state.failed(&hold, failure, None, world.now)
            }
            End::Paused => {
                let version = self.read.map(|read| read.version).unwrap_or_default();
                state.paused(&hold, version.to_string(), world.now)
            }
        }
    }
}

impl Protocol {
    pub fn step(&self, world: &mut World, owner: u8, step: Move) {
        let mut task = world.tasks.remove(&owner).unwrap();
        let next = match (step, task.step.clone()) {
            (Move::Admit { is_late }, _) => Some(self.admit(world, owner, &mut task, is_late)),
            (Move::Swap, Step::Swapping { next, then }) => self.swap(world, &mut task, *next, then),
            (Move::End(end), Step::Running(run)) => self.end(world, owner, &mut task, &run, end),
            (Move::Ack, Step::Acking(then)) => {
                let keep = if let Then::Joined { keep } = then { keep } else { None };
                task.batch.iter().filter(|id| Some(**id) != keep).for_each(|id| {
                    world.queue.remove(id);
                });
                None
            }
            (step, Step::Running(run)) => self.run(world, owner, run, step).map(Step::Running),
            (step, state) => panic!("{step:?} in {state:?}"),
        };
        if let Some(step) = next {
            world.tasks.insert(owner, Task { step, ..task });
        }
    }

    fn admit(&self, world: &mut World, owner: u8, task: &mut Task, is_late: bool) -> Step {
        world.left.hurries -= u8::from(is_late);
        task.is_stale = false;
        let ask = task.ask(owner, is_late.then_some(world.now + 1));
        let seen = world.stored.clone();
        let (next, then) = match seen.admit(&ask, world.now, &self.rules) {
            Admission::Covered => return Step::Acking(Then::Covered),
            Admission::Joined { next, keep } => {
                let then = Then::Joined { keep: keep.map(|id| id.parse().unwrap()) };
                match next {
                    Some(next) => (next, then),
                    None => return Step::Acking(then),
                }
            }
            Admission::Defer { due } => {
                let follow_up = task.sent.take().unwrap_or_else(|| world.follow_up(due));
                task.sent = Some(follow_up.clone());
                (seen.deferred(&ask, follow_up), Then::Deferred)
            }
            Admission::Run { next, progress } => {
                (next, Then::Run { noted: progress.map(|version| version.parse().unwrap()) })
            }
            Admission::Contradicts { .. } => panic!("there is one quiz"),
            Admission::Isolate { .. } | Admission::Park { .. } => panic!("each run is alone, and few crash"),
        };
        Step::Swapping { next: Box::new(next), then }
    }

    fn swap(&self, world: &mut World, task: &mut Task, next: SyncState, then: Then) -> Option<Step> {
        let is_join = matches!(then, Then::Joined { .. });
        if task.is_stale && is_join && self.bug == Some(Bug::BlindJoin) {
            let through = world.stored.requested_through.max(task.through);
            world.store(SyncState { requested_through: through, ..(*world.stored).clone() });
            return Some(Step::Acking(then));
        }
        if task.is_stale {
            if self.bug != Some(Bug::ReusedFollowUp) {
                task.sent = None;
            }
            return Some(match then {
                Then::End(run) => Step::Running(run),
                _ => Step::Asking,
            });
        }
        world.store(next.clone());
        match then {
            Then::Run { noted } => {
                if self.bug == Some(Bug::AckFirst) {
                    world.queue.retain(|id, _| !task.batch.contains(id));
                }
                Some(Step::Running(Run {
                    generation: next.generation,
                    until: next.lease.unwrap().until,
                    readable_at: self.rules.readable_at(next.requested_through),
                    noted,
                    read: None,
                    written: 0,
                    end: None,
                }))
            }
            Then::End(Run { end: Some(End::Failed), .. }) => None,
            then => {
                task.sent = None;
                Some(Step::Acking(then))
            }
        }
    }

    fn run(&self, world: &mut World, owner: u8, mut run: Run, step: Move) -> Option<Run> {
        match step {
            Move::Read => {
                let version = world.documents;
                run.read = Some(Read { started_at: world.now, version });
                run.written = usize::from(run.noted == Some(version));
            }
            Move::Write => {
                world.wrote_out_of_order |= world.stored.generation > run.generation;
                world.sink[run.written] = run.read?.version;
                run.written += 1;
            }
            // a heartbeat is swapped until it succeeds
            Move::Heartbeat => {
                world.left.heartbeats -= 1;
                let next = world.stored.heartbeat(&run.hold(owner), world.now, &self.rules);
                match next {
                    Some(next) => {
                        run.until = next.lease.as_ref()?.until;
                        world.store(next);
                    }
                    None => run.until = i64::MIN,
                }
            }
            step => panic!("{step:?} is no step of a run"),
        }
        Some(run)
    }

    fn end(&self, world: &mut World, owner: u8, task: &mut Task, run: &Run, end: End) -> Option<Step> {
        if run.end.is_none() {
            world.left.pauses -= u8::from(end == End::Paused);
            let is_over = world.now >= run.until;
            world.left.failures -= u8::from(end == End::Failed && !is_over);
        }
        task.is_stale = false;
        let run = Run { end: Some(end), ..run.clone() };
        match run.ending(self, world, owner, end) {
            Ending::Lost => None,
            Ending::Stored => Some(Step::Acking(Then::End(run))),
            Ending::Store { next, due } => {
                let next = match due {
                    None => *next,
                    Some(due) => {
                        let follow_up = task.sent.take().unwrap_or_else(|| world.follow_up(due));
                        task.sent = Some(follow_up.clone());
                        next.followed_up(follow_up)
                    }
                };
                Some(Step::Swapping { next: Box::new(next), then: Then::End(run) })
            }
        }
    }
}
