//! The steps of a worker, as in the pipeline's coordinator. Each effect that others can see is a step of its own. Reading
//! the state and deciding are one step: if the swap succeeds, nothing happened in between.

use std::collections::BTreeSet;

use quiz_sync_state::{
    Admission, Ending, FollowUp, LastRun, LeaseHolder, LeaseRequest, RunFailure, SyncState,
};

use crate::model::system::{Bug, Protocol, System};

const QUIZ: &str = "q";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// The received messages that are not acknowledged.
    pub batch: BTreeSet<u8>,
    pub anchor: u8,
    pub through: i64,
    /// Whether the state was changed after this task read it.
    pub is_stale: bool,
    /// A follow-up that is sent, and not stored yet.
    pub sent: Option<FollowUp>,
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Admitting,
    Swapping { next: Box<SyncState>, then: AfterSwap },
    Running(WorkerRun),
    Acking(AfterSwap),
}

/// The step after a swap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AfterSwap {
    Covered,
    Joined { keep: Option<u8> },
    Deferred,
    Run { noted: Option<u8> },
    End(WorkerRun),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkerRun {
    pub generation: i64,
    /// The end of the lease, as the run knows it.
    pub until: i64,
    pub readable_at: i64,
    /// The progress: the version that a paused run had written to the first part.
    pub noted: Option<u8>,
    pub read: Option<SourceRead>,
    pub written: usize,
    /// How the run is about to end; it does nothing else any more.
    pub end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceRead {
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
    /// Reads the state and decides; sends the follow-up, if one is needed.
    End(End),
    Ack,
}

impl Task {
    pub fn new(batch: BTreeSet<u8>, anchor: u8, through: i64) -> Self {
        Self { batch, anchor, through, is_stale: false, sent: None, step: Step::Admitting }
    }

    pub fn moves(&self, protocol: &Protocol, system: &System) -> Vec<Move> {
        match &self.step {
            Step::Admitting => {
                let late = (system.left.hurries > 0).then_some(Move::Admit { is_late: true });
                [Move::Admit { is_late: false }].into_iter().chain(late).collect()
            }
            Step::Swapping { .. } => vec![Move::Swap],
            Step::Running(run) => run.moves(protocol, system),
            Step::Acking(_) => vec![Move::Ack],
        }
    }

    fn lease_request(&self, owner: u8, not_before: Option<i64>) -> LeaseRequest {
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

impl WorkerRun {
    fn moves(&self, protocol: &Protocol, system: &System) -> Vec<Move> {
        if let Some(end) = self.end {
            return vec![Move::End(end)];
        }
        if self.written == protocol.parts {
            return vec![Move::End(End::Finished)];
        }
        let may_write = system.now < self.until || protocol.bug == Some(Bug::NoFence);
        let mut moves = Vec::new();
        if self.read.is_none() && self.readable_at <= system.now {
            moves.push(Move::Read);
        }
        if self.read.is_some() && may_write {
            moves.push(Move::Write);
        }
        if system.left.heartbeats > 0 {
            moves.push(Move::Heartbeat);
        }
        if self.written > 0 && system.left.pauses > 0 {
            moves.push(Move::End(End::Paused));
        }
        if system.left.failures > 0 || !may_write {
            moves.push(Move::End(End::Failed));
        }
        moves
    }

    fn holder(&self, owner: u8) -> LeaseHolder {
        LeaseHolder { owner: owner.to_string(), generation: self.generation }
    }

    fn ending(&self, protocol: &Protocol, system: &System, owner: u8, end: End) -> Ending {
        let (state, holder) = (&system.stored, self.holder(owner));
        let started_at = self.read.map(|read| read.started_at).unwrap_or_default();
        let read_started_at = started_at + i64::from(protocol.bug == Some(Bug::CoversOwnTime));
        let last = LastRun { read_started_at, ..LastRun::default() };
        match end {
            End::Finished => state.finished(&holder, &last, &protocol.rules),
            End::Failed => {
                let failure = RunFailure { code: String::new(), error: String::new(), parked: false };
                state.failed(&holder, failure, None, system.now)
            }
            End::Paused => {
                let version = self.read.map(|read| read.version).unwrap_or_default();
                state.paused(&holder, version.to_string(), system.now)
            }
        }
    }
}

impl Protocol {
    pub fn step(&self, system: &mut System, owner: u8, step: Move) {
        let mut task = system.tasks.remove(&owner).unwrap();
        let next = match (step, task.step.clone()) {
            (Move::Admit { is_late }, _) => Some(self.admit(system, owner, &mut task, is_late)),
            (Move::Swap, Step::Swapping { next, then }) => self.swap(system, &mut task, *next, then),
            (Move::End(end), Step::Running(run)) => self.end(system, owner, &mut task, &run, end),
            (Move::Ack, Step::Acking(then)) => {
                let keep = if let AfterSwap::Joined { keep } = then { keep } else { None };
                task.batch.iter().filter(|id| Some(**id) != keep).for_each(|id| {
                    system.queue.remove(id);
                });
                None
            }
            (step, Step::Running(run)) => self.run(system, owner, run, step).map(Step::Running),
            (step, state) => panic!("{step:?} in {state:?}"),
        };
        if let Some(step) = next {
            system.tasks.insert(owner, Task { step, ..task });
        }
    }

    fn admit(&self, system: &mut System, owner: u8, task: &mut Task, is_late: bool) -> Step {
        system.left.hurries -= u8::from(is_late);
        task.is_stale = false;
        let request = task.lease_request(owner, is_late.then_some(system.now + 1));
        let seen = system.stored.clone();
        let (next, then) = match seen.admit(&request, system.now, &self.rules) {
            Admission::Covered => return Step::Acking(AfterSwap::Covered),
            Admission::Joined { next, keep } => {
                let then = AfterSwap::Joined { keep: keep.map(|id| id.parse().unwrap()) };
                match next {
                    Some(next) => (next, then),
                    None => return Step::Acking(then),
                }
            }
            Admission::Defer { due } => {
                let follow_up = task.sent.take().unwrap_or_else(|| system.follow_up(due));
                task.sent = Some(follow_up.clone());
                (seen.deferred(&request, follow_up), AfterSwap::Deferred)
            }
            Admission::Run { next, progress } => {
                (next, AfterSwap::Run { noted: progress.map(|version| version.parse().unwrap()) })
            }
            Admission::Contradicts { .. } => panic!("there is one quiz"),
            Admission::Isolate { .. } | Admission::Park { .. } => panic!("each run is alone, and few crash"),
        };
        Step::Swapping { next: Box::new(next), then }
    }

    fn swap(&self, system: &mut System, task: &mut Task, next: SyncState, then: AfterSwap) -> Option<Step> {
        let is_join = matches!(then, AfterSwap::Joined { .. });
        if task.is_stale && is_join && self.bug == Some(Bug::BlindJoin) {
            let through = system.stored.requested_through.max(task.through);
            system.store(SyncState { requested_through: through, ..(*system.stored).clone() });
            return Some(Step::Acking(then));
        }
        if task.is_stale {
            if self.bug != Some(Bug::ReusedFollowUp) {
                task.sent = None;
            }
            return Some(match then {
                AfterSwap::End(run) => Step::Running(run),
                _ => Step::Admitting,
            });
        }
        system.store(next.clone());
        match then {
            AfterSwap::Run { noted } => {
                if self.bug == Some(Bug::AckFirst) {
                    system.queue.retain(|id, _| !task.batch.contains(id));
                }
                Some(Step::Running(WorkerRun {
                    generation: next.generation,
                    until: next.lease.unwrap().until,
                    readable_at: self.rules.readable_at(next.requested_through),
                    noted,
                    read: None,
                    written: 0,
                    end: None,
                }))
            }
            AfterSwap::End(WorkerRun { end: Some(End::Failed), .. }) => None,
            then => {
                task.sent = None;
                Some(Step::Acking(then))
            }
        }
    }

    fn run(&self, system: &mut System, owner: u8, mut run: WorkerRun, step: Move) -> Option<WorkerRun> {
        match step {
            Move::Read => {
                let version = system.documents;
                run.read = Some(SourceRead { started_at: system.now, version });
                run.written = usize::from(run.noted == Some(version));
            }
            Move::Write => {
                system.wrote_out_of_order |= system.stored.generation > run.generation;
                system.sink[run.written] = run.read?.version;
                run.written += 1;
            }
            // a heartbeat is swapped until it succeeds
            Move::Heartbeat => {
                system.left.heartbeats -= 1;
                let next = system.stored.heartbeat(&run.holder(owner), system.now, &self.rules);
                match next {
                    Some(next) => {
                        run.until = next.lease.as_ref()?.until;
                        system.store(next);
                    }
                    None => run.until = i64::MIN,
                }
            }
            step => panic!("{step:?} is no step of a run"),
        }
        Some(run)
    }

    fn end(
        &self,
        system: &mut System,
        owner: u8,
        task: &mut Task,
        run: &WorkerRun,
        end: End,
    ) -> Option<Step> {
        if run.end.is_none() {
            system.left.pauses -= u8::from(end == End::Paused);
            let is_over = system.now >= run.until;
            system.left.failures -= u8::from(end == End::Failed && !is_over);
        }
        task.is_stale = false;
        let run = WorkerRun { end: Some(end), ..run.clone() };
        match run.ending(self, system, owner, end) {
            Ending::Lost => None,
            Ending::Stored => Some(Step::Acking(AfterSwap::End(run))),
            Ending::Store { next, due } => {
                let next = match due {
                    None => *next,
                    Some(due) => {
                        let follow_up = task.sent.take().unwrap_or_else(|| system.follow_up(due));
                        task.sent = Some(follow_up.clone());
                        next.followed_up(follow_up)
                    }
                };
                Some(Step::Swapping { next: Box::new(next), then: AfterSwap::End(run) })
            }
        }
    }
}
