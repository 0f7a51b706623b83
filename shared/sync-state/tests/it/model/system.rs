//! The model's system: documents, a queue, the stored state, a sink, and workers that run at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quiz_sync_state::{FollowUp, Rules, SyncState};
use stateright::{Model, Property};

use crate::model::worker::{AfterSwap, Move, Step, Task};

/// When the first completion is written and announced: the state holds 0 for never.
const FIRST_TICK: i64 = 1;

pub const REFLECTED: &str = "with nothing under way, the sink has all announced completions";
pub const IN_ORDER: &str = "no run writes once another has taken over";

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A join is stored even if the state has changed since it was read.
    BlindJoin,
    /// A holder writes after its lease has expired.
    NoFence,
    /// Messages are acknowledged when the lease is taken.
    AckFirst,
    /// A read counts as covering requests of its own millisecond.
    CoversOwnTime,
    /// A follow-up sent before a lost swap is stored by the next swap, though it may be covered by then.
    ReusedFollowUp,
}

/// How often each disturbance may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chances {
    pub crashes: u8,
    /// A message is received while another worker has it.
    pub duplicates: u8,
    pub failures: u8,
    pub pauses: u8,
    pub heartbeats: u8,
    /// A worker has too little time left to sync.
    pub hurries: u8,
}

/// The bounds of one check.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    pub rules: Rules,
    pub completions: u8,
    pub workers: usize,
    /// Parts of the sink, which a run writes one after the other.
    pub parts: usize,
    pub last_tick: i64,
    /// How far the queue's clock may be late.
    pub skew: i64,
    /// The most messages, with follow-ups.
    pub messages: u8,
    pub chances: Chances,
    pub bug: Option<Bug>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct System {
    pub now: i64,
    /// Completions written and announced so far.
    pub documents: u8,
    /// Messages sent so far.
    pub sent: u8,
    pub queue: BTreeMap<u8, Message>,
    /// The stored state, with revision 0 or 1. [`Task::is_stale`] replaces greater revisions, which would multiply equal
    /// systems.
    pub stored: Arc<SyncState>,
    /// The version of the documents that each part shows.
    pub sink: Vec<u8>,
    /// Tasks by the owner's name. A message is in flight while a task has it.
    pub tasks: BTreeMap<u8, Task>,
    pub left: Chances,
    pub wrote_out_of_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub sent_at: i64,
    pub visible_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Tick,
    /// Writes a document and sends its message at once: a message sent later would only need a later read.
    Complete {
        skew: i64,
    },
    Take {
        batch: BTreeSet<u8>,
        anchor: u8,
    },
    Step(u8, Move),
    Crash(u8),
}

impl System {
    pub fn send(&mut self, sent_at: i64, visible_at: i64) -> u8 {
        let id = self.sent;
        self.sent += 1;
        self.queue.insert(id, Message { sent_at, visible_at });
        id
    }

    pub fn follow_up(&mut self, due: i64) -> FollowUp {
        FollowUp { message_id: self.send(self.now, due).to_string(), due }
    }

    /// Stores a state after a successful swap. Fields that are only shown to people are cleared, because they would multiply
    /// equal systems.
    pub fn store(&mut self, next: SyncState) {
        let last = quiz_sync_state::LastRun::default();
        self.stored = Arc::new(SyncState {
            revision: 1,
            joined: 0,
            follow_up_depth: 0,
            last,
            failing: None,
            recovered: None,
            ..next
        });
        self.tasks.values_mut().for_each(|task| task.is_stale = true);
    }

    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.tasks.is_empty()
    }

    pub fn is_reflected(&self) -> bool {
        self.sink.iter().all(|version| *version >= self.documents)
    }

    fn fresh_owner(&self) -> u8 {
        let holder = self.stored.lease.as_ref().map(|lease| lease.owner.as_str());
        let is_used = |name: &u8| self.tasks.contains_key(name) || holder == Some(name.to_string().as_str());
        (0..=u8::MAX).find(|name| !is_used(name)).unwrap()
    }

    fn takes(&self, actions: &mut Vec<Action>) {
        let is_held = |id: &u8| self.tasks.values().any(|task| task.batch.contains(id));
        let visible = |(_, message): &(&u8, &Message)| message.visible_at <= self.now;
        let ids = self.queue.iter().filter(visible).map(|(id, _)| *id);
        let (held, free): (BTreeSet<u8>, BTreeSet<u8>) = ids.partition(is_held);
        let copies = held.iter().filter(|_| self.left.duplicates > 0);
        for id in free.iter().chain(copies) {
            actions.push(Action::Take { batch: BTreeSet::from([*id]), anchor: *id });
        }
        if free.len() > 1 {
            actions.extend(free.iter().map(|anchor| Action::Take { batch: free.clone(), anchor: *anchor }));
        }
    }

    fn take(&mut self, batch: BTreeSet<u8>, anchor: u8) {
        let is_copy = self.tasks.values().any(|task| task.batch.contains(&anchor));
        self.left.duplicates -= u8::from(is_copy);
        let newest = batch.iter().map(|id| self.queue[id].sent_at).max().unwrap();
        let task = Task::new(batch, anchor, newest.min(self.now));
        self.tasks.insert(self.fresh_owner(), task);
    }
}

impl Model for Protocol {
    type State = System;
    type Action = Action;

    fn init_states(&self) -> Vec<System> {
        vec![System {
            now: FIRST_TICK,
            documents: 1,
            sent: 1,
            queue: BTreeMap::from([(0, Message { sent_at: FIRST_TICK, visible_at: FIRST_TICK })]),
            stored: Arc::default(),
            sink: vec![0; self.parts],
            tasks: BTreeMap::new(),
            left: self.chances,
            wrote_out_of_order: false,
        }]
    }

    fn actions(&self, system: &System, actions: &mut Vec<Action>) {
        if system.now < self.last_tick {
            actions.push(Action::Tick);
        }
        if system.documents < self.completions {
            actions.extend((0..=self.skew).map(|skew| Action::Complete { skew }));
        }
        if system.tasks.len() < self.workers {
            system.takes(actions);
        }
        for (owner, task) in &system.tasks {
            actions.extend(task.moves(self, system).into_iter().map(|step| Action::Step(*owner, step)));
            if system.left.crashes > 0 {
                actions.push(Action::Crash(*owner));
            }
        }
    }

    fn next_state(&self, system: &System, action: Action) -> Option<System> {
        let mut next = system.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Complete { skew } => {
                next.documents += 1;
                next.send(next.now - skew, next.now);
            }
            Action::Take { batch, anchor } => next.take(batch, anchor),
            Action::Step(owner, step) => self.step(&mut next, owner, step),
            Action::Crash(owner) => {
                next.left.crashes -= 1;
                next.tasks.remove(&owner);
            }
        }
        Some(next)
    }

    fn within_boundary(&self, system: &System) -> bool {
        system.sent <= self.messages
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(REFLECTED, |_, system: &System| !system.is_quiet() || system.is_reflected()),
            Property::always(IN_ORDER, |_, system: &System| !system.wrote_out_of_order),
            Property::sometimes("all is done", |protocol: &Self, system: &System| {
                system.is_quiet() && system.documents == protocol.completions
            }),
            Property::sometimes("a request joins a run", |_, system: &System| {
                let is_held = system.stored.held(system.now).is_some();
                is_held && system.has_step(|step| matches!(step, Step::Acking(AfterSwap::Joined { .. })))
            }),
            Property::sometimes("a request is covered", |_, system: &System| {
                system.has_step(|step| matches!(step, Step::Acking(AfterSwap::Covered)))
            }),
            Property::sometimes("an expired lease is taken over", |_, system: &System| {
                let runs = system.tasks.values().filter(|task| matches!(task.step, Step::Running(_)));
                runs.count() > 1
            }),
            Property::sometimes("a follow-up is stored", |_, system: &System| {
                system.stored.follow_up.is_some()
            }),
        ]
    }
}

impl System {
    fn has_step(&self, is_step: impl Fn(&Step) -> bool) -> bool {
        self.tasks.values().any(|task| is_step(&task.step))
    }
}
