//! The world of the protocol: documents, a queue, the stored state, a sink, and workers that run at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quiz_sync_state::{FollowUp, Rules, SyncState};
use stateright::{Model, Property};

use crate::model::worker::{Move, Step, Task, Then};

/// When the first completion is written and announced: the state holds 0 for never.
const FIRST_TICK: i64 = 1;

pub const REFLECTED: &str = "with nothing under way, the sink has all that was announced";
pub const IN_ORDER: &str = "no run writes once another has taken over";

/// A mistake that is put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A join is stored whatever the state has become since it was read.
    BlindJoin,
    /// A holder writes though its lease ran out.
    NoFence,
    /// Messages are acknowledged when the lease is taken.
    AckFirst,
    /// A read counts as covering what was asked for in its own millisecond.
    CoversOwnTime,
    /// A follow-up that was sent before a swap failed is noted by the next one, though it may be done by then.
    ReusedFollowUp,
}

/// How often something may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chances {
    pub crashes: u8,
    /// A message is received though another worker has it.
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
    /// A run writes them one after the other.
    pub parts: usize,
    pub last_tick: i64,
    /// How far the queue's clock may be behind.
    pub skew: i64,
    /// Follow-ups included.
    pub messages: u8,
    pub chances: Chances,
    pub bug: Option<Bug>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: i64,
    /// Completions written and announced so far.
    pub documents: u8,
    /// Messages sent so far.
    pub sent: u8,
    pub queue: BTreeMap<u8, Message>,
    /// Its revision is 0 or 1. [`Task::is_stale`] stands for the rest of it, which would make the same world many.
    pub stored: Arc<SyncState>,
    /// The version of the documents that each part shows.
    pub sink: Vec<u8>,
    /// By the owner's name. A message is in flight while a task has it.
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
    /// Writes a document and sends its message at once: a message that is sent later only asks for a later read.
    Complete {
        skew: i64,
    },
    Take {
        batch: BTreeSet<u8>,
        anchor: u8,
    },
    Of(u8, Move),
    Crash(u8),
}

impl World {
    pub fn send(&mut self, sent_at: i64, visible_at: i64) -> u8 {
        let id = self.sent;
        self.sent += 1;
        self.queue.insert(id, Message { sent_at, visible_at });
        id
    }

    pub fn follow_up(&mut self, due: i64) -> FollowUp {
        FollowUp { message_id: self.send(self.now, due).to_string(), due }
    }

    /// What a successful swap does. What is only told to people is left out: it would make the same world many.
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
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
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

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now < self.last_tick {
            actions.push(Action::Tick);
        }
        if world.documents < self.completions {
            actions.extend((0..=self.skew).map(|skew| Action::Complete { skew }));
        }
        if world.tasks.len() < self.workers {
            world.takes(actions);
        }
        for (owner, task) in &world.tasks {
            actions.extend(task.moves(self, world).into_iter().map(|it| Action::Of(*owner, it)));
            if world.left.crashes > 0 {
                actions.push(Action::Crash(*owner));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Complete { skew } => {
                next.documents += 1;
                next.send(next.now - skew, next.now);
            }
            Action::Take { batch, anchor } => next.take(batch, anchor),
            Action::Of(owner, step) => self.step(&mut next, owner, step),
            Action::Crash(owner) => {
                next.left.crashes -= 1;
                next.tasks.remove(&owner);
            }
        }
        Some(next)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.sent <= self.messages
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(REFLECTED, |_, world: &World| !world.is_quiet() || world.is_reflected()),
            Property::always(IN_ORDER, |_, world: &World| !world.wrote_out_of_order),
            Property::sometimes("all is done", |protocol: &Self, world: &World| {
                world.is_quiet() && world.documents == protocol.completions
            }),
            Property::sometimes("a request joins a run", |_, world: &World| {
                let is_held = world.stored.held(world.now).is_some();
                is_held && world.has_step(|step| matches!(step, Step::Acking(Then::Joined { .. })))
            }),
            Property::sometimes("a request is covered", |_, world: &World| {
                world.has_step(|step| matches!(step, Step::Acking(Then::Covered)))
            }),
            Property::sometimes("a lease that ran out is taken over", |_, world: &World| {
                let runs = world.tasks.values().filter(|task| matches!(task.step, Step::Running(_)));
                runs.count() > 1
            }),
            Property::sometimes("a follow-up is noted", |_, world: &World| world.stored.follow_up.is_some()),
        ]
    }
}

impl World {
    fn has_step(&self, is_it: impl Fn(&Step) -> bool) -> bool {
        self.tasks.values().any(|task| is_it(&task.step))
    }
}
